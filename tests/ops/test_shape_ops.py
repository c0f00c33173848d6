"""RESHAPE and its kin, and what is constant: SHAPE, and STRIDED_SLICE and PACK of shapes."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import UnsupportedModelError
from pipeline.plan.graph import parse_graph
from pipeline.records import OpKind
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane
from tests.tflite_models import ModelBuilder


@pytest.mark.parametrize("shape", [(1, 24), (1, 6, 4), (24,), (1, 1, 1, 24), (2, 12)], ids=str)
def test_reshape(shape: tuple[int, ...], compiler: HostCompiler) -> None:
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = builder.tensor("x", (1, 2, 3, 4), scale=0.1)
    flat = one_op.reshape(builder, rng, x, target=shape)
    y = one_op.fully_connected(builder, rng, flat, outputs=3, inputs=12)
    model = builder.build([x], [y])
    assert_exact(model, compiler)
    assert_sane(model, compiler)


def test_reshape_alone(compiler: HostCompiler) -> None:
    """The input is the output: nothing is left to run."""
    assert_exact(one_op.single(one_op.reshape, (1, 2, 6), (0.1, 0), target=(1, 12)), compiler)


def flattening_model(*, begin_mask: int = 0, end_mask: int = 0) -> bytes:
    """What Keras 3 makes of Flatten with an unknown batch: [batch, 12] from the input's shape."""
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = builder.tensor("x", (1, 2, 6), scale=0.1, signature=(-1, 2, 6))
    dims = builder.tensor("dims", (3,), dtype="int32")
    batch = builder.tensor("batch", (), dtype="int32")
    target = builder.tensor("target", (2,), dtype="int32")
    flat = builder.tensor("flat", (1, 12), scale=0.1, signature=(-1, 12))
    builder.operator("SHAPE", [x], [dims], "ShapeOptions", outType=2)
    limits = [builder.constant(n, [v], dtype="int32") for n, v in (("b", 0), ("e", 1), ("s", 1))]
    builder.operator(
        "STRIDED_SLICE",
        [dims, *limits],
        [batch],
        "StridedSliceOptions",
        beginMask=begin_mask,
        endMask=end_mask,
        shrinkAxisMask=1,
    )
    length = builder.constant("length", 12, dtype="int32")
    builder.operator("PACK", [batch, length], [target], "PackOptions", valuesCount=2, axis=0)
    builder.operator("RESHAPE", [x, target], [flat], "ReshapeOptions")
    y = one_op.fully_connected(builder, rng, flat, outputs=5)
    return builder.build([x], [y])


def test_dynamic_batch_is_folded(compiler: HostCompiler) -> None:
    graph = assert_exact(flattening_model(), compiler)
    assert [op.kind for op in graph.ops] == [OpKind.RESHAPE, OpKind.FULLY_CONNECTED]


@pytest.mark.parametrize(
    ("kind", "options", "values", "shape"),
    [
        ("SQUEEZE", "SqueezeOptions", {"squeezeDims": [1]}, (2, 6)),
        ("EXPAND_DIMS", "ExpandDimsOptions", {}, (1, 2, 1, 6)),
    ],
)
def test_other_reshapes(
    kind: str,
    options: str,
    values: dict[str, object],
    shape: tuple[int, ...],
    compiler: HostCompiler,
) -> None:
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = builder.tensor("x", (2, 1, 6), scale=0.1)
    moved = builder.tensor("moved", shape, scale=0.1)
    axis = [builder.constant("axis", [0], dtype="int32")] if kind == "EXPAND_DIMS" else []
    builder.operator(kind, [x, *axis], [moved], options, **values)
    y = one_op.quantize(builder, rng, moved, output=(0.2, 3))
    graph = assert_exact(builder.build([x], [y]), compiler)
    assert [op.kind for op in graph.ops] == [OpKind.RESHAPE, OpKind.QUANTIZE]


def test_reshape_to_another_size_is_refused() -> None:
    model = one_op.single(one_op.reshape, (1, 12), (0.1, 0), target=(1, 11))
    with pytest.raises(UnsupportedModelError, match="same type and number of elements"):
        parse_graph(model, "m", "m")
