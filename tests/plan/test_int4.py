"""INT4 in files: packed as TFLite has it, read as integers of a byte, written as they were."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import UnsupportedModelError
from pipeline.plan.constant_channels.remove import remove_constant_channels
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import parse_graph
from pipeline.plan.int4 import pack_int4, unpack_int4
from pipeline.plan.write import write_tflite
from pipeline.records import INT4, KernelTarget
from pipeline.reference import ReferenceModel
from tests import one_op
from tests.tflite_models import ModelBuilder


def test_the_first_value_lies_low() -> None:
    assert pack_int4(np.array([1, -1, 7, -8, 3], dtype=np.int8)) == b"\xf1\x87\x03"


@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_unpacking_gives_what_was_packed(count: int) -> None:
    values = np.random.default_rng(count).integers(-8, 8, size=count).astype(np.int8)
    np.testing.assert_array_equal(unpack_int4(pack_int4(values), count), values)


def model(dtype: str = INT4, channels: int = 5) -> bytes:
    return one_op.single(
        one_op.conv_2d,
        (1, 5, 5, 3),
        (0.05, -10),
        channels=channels,
        filter_limits=(-7, 7),
        filter_scale=0.1,
        filter_dtype=dtype,
    )


def test_a_filter_keeps_its_type_and_is_half_as_large() -> None:
    graph = parse_graph(model(), "m", "m")
    filter_ = graph.tensors[graph.ops[0].inputs[1]]
    assert filter_.dtype == INT4
    assert filter_.constant is not None
    assert filter_.constant.dtype == np.int8
    # 5 * 3 * 3 * 3 values.
    assert filter_.size_bytes == 68


def test_writing_packs_again() -> None:
    graph = parse_graph(model(), "m", "m")
    written = write_tflite(graph, model())
    again = parse_graph(written, "m", "m")
    assert again.tensors[again.ops[0].inputs[1]].dtype == INT4
    x = np.random.default_rng(0).integers(-128, 128, size=(4, 5, 5, 3)).astype(np.int8)
    (expected,), (received,) = (ReferenceModel(each).run((x,)) for each in (model(), written))
    np.testing.assert_array_equal(received, expected)


def test_it_computes_what_the_same_integers_of_a_byte_do() -> None:
    x = np.random.default_rng(0).integers(-128, 128, size=(4, 5, 5, 3)).astype(np.int8)
    (expected,), (received,) = (
        ReferenceModel(each).run((x,)) for each in (model("int8"), model(INT4))
    )
    np.testing.assert_array_equal(received, expected)


def test_channels_that_are_removed_leave_the_others_at_four_bits() -> None:
    builder, rng = ModelBuilder(), np.random.default_rng(0)
    x = builder.tensor("x", (1, 4, 4, 3), scale=0.05, zero_point=-10)
    options = {"filter_dtype": INT4, "filter_limits": (-7, 7), "filter_scale": 0.01}
    # Biases far below what a ReLU lets through.
    bias = [-90_000, 100, -90_000, 100, 100]
    middle = one_op.conv_2d(
        builder, rng, x, channels=5, bias=bias, activation="RELU", output=(0.1, -128), **options
    )
    y = one_op.conv_2d(builder, rng, middle, channels=4, **options)
    data = builder.build([x], [y])
    slim = remove_constant_channels(parse_graph(data, "m", "m"), data).graph
    filters = [slim.tensors[op.inputs[1]] for op in slim.ops]
    assert [each.shape for each in filters] == [(3, 3, 3, 3), (4, 3, 3, 3)]
    assert {each.dtype for each in filters} == {INT4}


@pytest.mark.parametrize("target", KernelTarget)
def test_flash_counts_packed_weights(target: KernelTarget) -> None:
    sizes = {}
    for dtype in ("int8", INT4):
        data = one_op.single(
            one_op.conv_2d,
            (1, 2, 2, 64),
            (0.05, -10),
            channels=64,
            filter_limits=(-7, 7),
            filter_scale=0.1,
            filter_dtype=dtype,
        )
        sizes[dtype] = make_plan(parse_graph(data, "m", "m"), target).weights_bytes
    assert sizes["int8"] - sizes[INT4] == 64 * 64 * 9 // 2


def test_a_cut_filter_is_damage() -> None:
    data = ModelBuilder()
    x = data.tensor("x", (1, 8), scale=0.5)
    filter_ = data.constant("filter", np.ones((3, 8)), dtype=INT4, scale=0.1)
    buffer = data.model.buffers[data.subgraph.tensors[filter_].buffer]
    buffer.data = buffer.data[:-1]
    y = data.tensor("y", (1, 3), scale=0.5)
    data.operator("FULLY_CONNECTED", [x, filter_, -1], [y], "FullyConnectedOptions")
    with pytest.raises(UnsupportedModelError, match=r"24 values are expected.* Received: 22"):
        parse_graph(data.build([x], [y]), "m", "m")


def test_transpose_conv_takes_no_int4() -> None:
    builder, rng = ModelBuilder(), np.random.default_rng(0)
    x = builder.tensor("x", (1, 4, 4, 3), scale=0.05)
    y = one_op.transpose_conv(builder, rng, x, channels=2, size=(8, 8))
    (filter_,) = (each for each in builder.subgraph.tensors if each.name == b"filter")
    filter_.type = builder.tensor_type(INT4)
    buffer = builder.model.buffers[filter_.buffer]
    buffer.data = np.frombuffer(pack_int4(np.ones(filter_.shape)), dtype=np.uint8)
    with pytest.raises(UnsupportedModelError, match=r"the filter must be int8. Received: int4"):
        parse_graph(builder.build([x], [y]), "m", "m")
