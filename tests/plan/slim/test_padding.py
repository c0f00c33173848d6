"""A PAD goes only where a convolution's own padding is the same, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.plan.pack import pack
from pipeline.plan.slim.padding import fold_padding
from pipeline.plan.slim.source import kind_of, read_model
from pipeline.reference import ReferenceModel
from tests import one_op
from tests.one_op import shape_of
from tests.tflite_models import ModelBuilder


def padded(
    size: int,
    pads: tuple[tuple[int, int], tuple[int, int]],
    *,
    kernel: int = 3,
    stride: int = 2,
    dilation: int = 1,
    depthwise: bool = False,
) -> bytes:
    """PAD, then a convolution without padding."""
    builder, rng = ModelBuilder(), np.random.default_rng(0)
    x = builder.tensor("x", (1, size, size, 3), scale=0.1, zero_point=-7)
    y = one_op.pad(builder, rng, x, amounts=((0, 0), *pads, (0, 0)))
    add: Any = one_op.depthwise_conv_2d if depthwise else one_op.conv_2d
    options = {} if depthwise else {"channels": 2}
    y = add(
        builder,
        rng,
        y,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        dilation=(dilation, dilation),
        padding="VALID",
        **options,
    )
    assert len(shape_of(builder, y)) == 4
    return builder.build([x], [y])


SAME = ((0, 1), (0, 1))


@pytest.mark.parametrize(
    ("options", "folds"),
    [
        pytest.param({"size": 8, "pads": SAME}, True, id="Keras' MobileNet"),
        pytest.param({"size": 8, "pads": SAME, "depthwise": True}, True, id="depthwise"),
        pytest.param({"size": 9, "pads": ((1, 1), (1, 1))}, True, id="odd size"),
        pytest.param({"size": 8, "pads": ((1, 1), (1, 1)), "stride": 1}, True, id="stride 1"),
        pytest.param(
            {"size": 8, "pads": ((2, 2), (2, 2)), "stride": 1, "dilation": 2}, True, id="dilation"
        ),
        pytest.param({"size": 8, "pads": ((0, 2), (0, 1))}, True, id="a row that nothing reads"),
        pytest.param({"size": 8, "pads": ((1, 0), (1, 0))}, False, id="on the other side"),
        pytest.param({"size": 8, "pads": ((1, 1), (1, 1))}, False, id="shifted by one"),
        pytest.param({"size": 8, "pads": ((2, 2), (2, 2)), "stride": 1}, False, id="more outputs"),
        pytest.param({"size": 8, "pads": ((0, 1), (0, 0))}, False, id="one axis only"),
    ],
)
def test_folds_where_it_is_exact(options: dict[str, Any], folds: bool) -> None:
    tflite = padded(**options)
    model = read_model(tflite, "model.tflite")
    assert fold_padding(model) == folds
    kinds = [kind_of(model, operator) for operator in model.subgraphs[0].operators]
    assert ("PAD" not in kinds) == folds
    size = options["size"]
    x = np.random.default_rng(1).integers(-128, 128, (4, size, size, 3)).astype(np.int8)
    expected, received = (ReferenceModel(data).run((x,))[0] for data in (tflite, pack(model)))
    np.testing.assert_array_equal(received, expected)


def test_stays_where_someone_else_reads_it() -> None:
    builder, rng = ModelBuilder(), np.random.default_rng(0)
    x = builder.tensor("x", (1, 8, 8, 3), scale=0.1)
    padding = one_op.pad(builder, rng, x, amounts=((0, 0), *SAME, (0, 0)))
    y = one_op.conv_2d(
        builder, rng, padding, channels=2, kernel=(3, 3), stride=(2, 2), padding="VALID"
    )
    model = read_model(builder.build([x], [y, padding]), "model.tflite")
    assert fold_padding(model) == 0
