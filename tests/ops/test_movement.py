"""Slices, splits, transpositions and concatenations: generated code against BUILTIN_REF."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.ops.rows import RowWindow
from pipeline.ops.table import row_windows
from pipeline.plan.graph import parse_graph
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane
from tests.tflite_models import ModelBuilder

QUANT: one_op.Quant = (0.05, -7)

# id: (shape of the input, builder, its options, rows that an output row reads; None for all).
CASES: dict[str, tuple[tuple[int, ...], Any, dict[str, Any], RowWindow | None]] = {
    "slice": (
        (1, 6, 5, 4),
        one_op.slice_,
        {"begin": [0, 1, 2, 1], "size": [1, 4, 3, 2]},
        RowWindow(pad=-1),
    ),
    "slice_to_the_end": (
        (1, 6, 5, 4),
        one_op.slice_,
        {"begin": [0, 2, 0, 3], "size": [-1, -1, -1, -1]},
        RowWindow(pad=-2),
    ),
    "slice_of_rank_2": ((7, 9), one_op.slice_, {"begin": [2, 3], "size": [4, 5]}, None),
    "slice_of_batches": (
        (3, 4, 5, 2),
        one_op.slice_,
        {"begin": [1, 0, 1, 0], "size": [2, 4, 3, 2]},
        None,
    ),
    "steps": (
        (1, 7, 8, 5),
        one_op.strided_slice,
        {"begin": [0, 1, 0, 0], "end": [1, 7, 8, 5], "step": [1, 2, 3, 2]},
        RowWindow(stride=2, pad=-1),
    ),
    "steps_back": (
        (1, 7, 8, 5),
        one_op.strided_slice,
        {"begin": [0, 0, 7, 4], "end": [1, 7, 0, 0], "step": [1, 1, -2, -1]},
        RowWindow(),
    ),
    "rows_back": (
        (1, 7, 3, 2),
        one_op.strided_slice,
        {"begin": [0, 6, 0, 0], "end": [1, 0, 3, 2], "step": [1, -2, 1, 1]},
        None,
    ),
    "masks": (
        (1, 7, 3, 2),
        one_op.strided_slice,
        {
            "begin": [0, 2, 1, 0],
            "end": [1, 3, 3, 1],
            "step": [1, 1, 1, 1],
            "result": (1, 7, 2),
            "beginMask": 0b0010,
            "endMask": 0b0010,
            "shrinkAxisMask": 0b1000,
        },
        None,
    ),
    "negative_limits": (
        (1, 7, 6, 2),
        one_op.strided_slice,
        {"begin": [0, -5, -99, -1], "end": [1, -1, 99, 2], "step": [1, 1, 2, 1]},
        RowWindow(pad=-2),
    ),
    "channels_first": ((1, 4, 5, 3), one_op.transpose, {"order": (0, 3, 1, 2)}, None),
    "rows_stay": ((1, 4, 5, 3), one_op.transpose, {"order": (0, 1, 3, 2)}, RowWindow()),
    "turned": ((1, 4, 5, 3), one_op.transpose, {"order": (0, 2, 1, 3)}, None),
    "matrix": ((5, 9), one_op.transpose, {"order": (1, 0)}, None),
    "shuffle": ((1, 3, 4, 2, 3), one_op.transpose, {"order": (0, 1, 2, 4, 3)}, None),
    "tile": ((1, 3, 1, 4, 2), one_op.tile, {"multiples": (1, 1, 2, 1, 1)}, None),
    "tile_of_channels": ((1, 3, 4, 2), one_op.tile, {"multiples": (1, 1, 1, 3)}, None),
    "tile_of_rows": ((1, 3, 4, 2), one_op.tile, {"multiples": (1, 2, 1, 1)}, None),
    "tile_of_all": ((2, 3), one_op.tile, {"multiples": (3, 2)}, None),
    "to_space": ((1, 3, 4, 12), one_op.blocks, {"kind": "DEPTH_TO_SPACE", "block": 2}, None),
    "to_space_3": ((1, 2, 1, 9), one_op.blocks, {"kind": "DEPTH_TO_SPACE", "block": 3}, None),
    "to_depth": ((1, 4, 6, 3), one_op.blocks, {"kind": "SPACE_TO_DEPTH", "block": 2}, None),
    "unmoved": ((2, 3, 4), one_op.transpose, {"order": (0, 1, 2)}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case: str, compiler: HostCompiler) -> None:
    shape, add, options, window = CASES[case]
    model = one_op.single(add, shape, QUANT, **options)
    graph = assert_exact(model, compiler)
    windows = row_windows(graph.ops[0], graph)
    assert windows == (None if window is None else {graph.inputs[0]: window})


@pytest.mark.parametrize("case", ["steps", "steps_back", "rows_back", "shuffle"])
def test_stays_in_its_tensors(case: str, compiler: HostCompiler) -> None:
    shape, add, options, _ = CASES[case]
    assert_sane(one_op.single(add, shape, QUANT, **options), compiler)


def splitting(
    kind: str, shape: tuple[int, ...], axis: int, sizes: list[int], **options: Any
) -> bytes:
    builder = ModelBuilder()
    x = builder.tensor("x", shape, scale=QUANT[0], zero_point=QUANT[1])
    rng = np.random.default_rng(0)
    return builder.build(
        [x], one_op.split(builder, rng, x, kind=kind, axis=axis, sizes=sizes, **options)
    )


@pytest.mark.parametrize(
    ("kind", "shape", "axis", "sizes", "options"),
    [
        ("SPLIT", (1, 4, 5, 6), 3, [2, 2, 2], {}),
        ("SPLIT", (1, 4, 5, 6), 1, [2, 2], {}),
        ("SPLIT", (1, 4, 5, 6), -2, [1] * 5, {}),
        ("SPLIT", (8, 3), 0, [4, 4], {}),
        ("SPLIT_V", (1, 4, 5, 6), 3, [1, 3, 2], {}),
        ("SPLIT_V", (1, 4, 5, 6), 2, [1, 4], {"given": [1, -1]}),
        ("UNPACK", (1, 4, 3, 2), 1, [1] * 4, {}),
        ("UNPACK", (1, 4, 3, 2), -1, [1] * 2, {}),
        ("UNPACK", (3, 5), 0, [1] * 3, {}),
    ],
)
def test_split(
    kind: str,
    shape: tuple[int, ...],
    axis: int,
    sizes: list[int],
    options: dict[str, Any],
    compiler: HostCompiler,
) -> None:
    model = splitting(kind, shape, axis, sizes, **options)
    graph = assert_exact(model, compiler)
    assert [len(op.outputs) for op in graph.ops] == [1] * len(sizes)


def joining(add: Any, shapes: list[tuple[int, ...]], axis: int, constant: int = -1) -> bytes:
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    tensors = []
    for place, shape in enumerate(shapes):
        if place == constant:
            values = rng.integers(-128, 127, size=shape, endpoint=True)
            made = builder.constant("c", values, scale=QUANT[0], zero_point=QUANT[1])
        else:
            made = builder.tensor(f"x{place}", shape, scale=QUANT[0], zero_point=QUANT[1])
        tensors.append(made)
    y = add(builder, rng, tensors, axis=axis)
    return builder.build([x for place, x in enumerate(tensors) if place != constant], [y])


@pytest.mark.parametrize(
    ("add", "shapes", "axis", "by_rows"),
    [
        (one_op.concatenation, [(1, 4, 5, 3), (1, 4, 5, 1), (1, 4, 5, 2)], 3, True),
        (one_op.concatenation, [(1, 4, 5, 3), (1, 4, 2, 3)], -2, True),
        (one_op.concatenation, [(1, 4, 5, 3), (1, 2, 5, 3)], 1, False),
        (one_op.concatenation, [(2, 4, 5, 3), (1, 4, 5, 3)], 0, False),
        (one_op.concatenation, [(2, 4), (2, 5)], 1, False),
        (one_op.concatenation, [(3,)], 0, False),
        (one_op.pack, [(1, 4, 3), (1, 4, 3)], 1, False),
        (one_op.pack, [(1, 4, 3)] * 3, -1, False),
        (one_op.pack, [(5,), (5,)], 0, False),
    ],
)
def test_joined(
    add: Any, shapes: list[tuple[int, ...]], axis: int, by_rows: bool, compiler: HostCompiler
) -> None:
    graph = assert_exact(joining(add, shapes, axis), compiler)
    assert (row_windows(graph.ops[0], graph) is not None) == by_rows


def test_joined_with_a_constant(compiler: HostCompiler) -> None:
    model = joining(one_op.concatenation, [(1, 4, 5, 3), (1, 4, 5, 1)], 3, constant=1)
    assert_exact(model, compiler)
    assert_sane(model, compiler)


def test_a_tensor_beside_itself(compiler: HostCompiler) -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 3, 4, 2), scale=0.1)
    rng = np.random.default_rng(0)
    y = one_op.concatenation(builder, rng, [x, x], axis=3)
    assert_exact(builder.build([x], [y]), compiler)


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_any_slice(data: st.DataObject, compiler: HostCompiler) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    begin, end, step = [], [], []
    for size in shape:
        first, last = sorted(data.draw(st.tuples(*(st.integers(0, size),) * 2)))
        first, last = (first, last) if first < last else (0, size)
        stride = data.draw(st.sampled_from([-2, -1, 1, 2, 3]))
        back = stride < 0
        # One before the first value, from the end.
        begin.append(last - 1 if back else first)
        end.append(first - 1 - (size if first == 0 else 0) if back else last)
        step.append(stride)
    options = {"begin": begin, "end": end, "step": step}
    assert_exact(one_op.single(one_op.strided_slice, shape, QUANT, **options), compiler)


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_any_transposition(data: st.DataObject, compiler: HostCompiler) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    order = data.draw(st.permutations(range(len(shape))))
    assert_exact(one_op.single(one_op.transpose, shape, QUANT, order=order), compiler)


def refusal(model: bytes) -> str:
    with pytest.raises(UnsupportedModelError) as caught:
        parse_graph(model, "m", "m")
    return str(caught.value)


def changed(model: bytes, change: Any) -> bytes:
    """The file after `change` of its unpacked form."""
    from ai_edge_litert import schema_py_generated as schema

    builder = ModelBuilder()
    builder.model = schema.ModelT.InitFromPackedBuf(model)
    builder.subgraph = builder.model.subgraphs[0]
    change(builder)
    return builder.build(builder.subgraph.inputs, builder.subgraph.outputs)


def test_refusals() -> None:
    slice_ = one_op.single(one_op.slice_, (4, 4), QUANT, begin=[0, 0], size=[2, 2])

    def beyond(builder: ModelBuilder) -> None:
        builder.model.buffers[1].data = np.array([3, 3], np.int32).view(np.uint8)

    def rescaled(builder: ModelBuilder) -> None:
        builder.subgraph.tensors[-1].quantization.scale = np.array([0.5], np.float32)

    assert "begin and size must be inside the input" in refusal(changed(slice_, beyond))
    assert "must have the same scale and zero point" in refusal(changed(slice_, rescaled))
    parts = splitting("SPLIT_V", (1, 6), 1, [2, 4], given=[2, 3])
    assert "must share the 6 values of axis 1. Received: [2, 3]" in refusal(parts)

    def repeated(builder: ModelBuilder) -> None:
        builder.model.buffers[1].data = np.array([1, 1], np.int32).view(np.uint8)

    turned = one_op.single(one_op.transpose, (3, 3), QUANT, order=(1, 0))
    assert "must hold each axis 0 .. 1 once. Received: [1, 1]" in refusal(changed(turned, repeated))
    none = one_op.single(one_op.tile, (3, 3), QUANT, multiples=(1, 0))
    assert "must not be empty" in refusal(none)
    wide = one_op.single(one_op.blocks, (1, 2, 2, 6), QUANT, kind="DEPTH_TO_SPACE", block=2)
    assert "the block must divide the channels" in refusal(wide)
    many = one_op.single(one_op.transpose, (2,) * 6, QUANT, order=(5, 4, 3, 2, 1, 0))
    assert "along up to 4 axes" in refusal(many)

    def elsewhere(builder: ModelBuilder) -> None:
        builder.subgraph.operators[0].builtinOptions.axis = 4

    joined = joining(one_op.concatenation, [(1, 3), (1, 4)], 1)
    assert "the axis must be in -2 .. 1. Received: 4" in refusal(changed(joined, elsewhere))
    other = joining(one_op.concatenation, [(1, 3), (2, 4)], 1)
    assert "but for the axis, where they add up to it" in refusal(other)
    ellipsis = one_op.single(
        one_op.strided_slice, (4,), QUANT, begin=[0], end=[2], step=[1], ellipsisMask=1
    )
    assert "ellipsis and new-axis masks must be 0" in refusal(ellipsis)
    still = one_op.single(
        one_op.strided_slice, (4,), QUANT, begin=[0], end=[2], step=[0], result=(2,)
    )
    assert "a stride other than 0" in refusal(still)
