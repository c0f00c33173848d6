"""What slices, splits, tiles and transpositions share: every element is one of the input.

Along each axis of the output, the input is walked with a constant stride.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import require, require_same_quant
from pipeline.ops.rows import RowWindow, is_image, num_rows, row_bytes
from pipeline.records import Graph, Op, Tensor

# Axes that the kernel walks.
_AXES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StridedCopyAttrs:
    """How the output's elements lie in the input.

    Attributes:
        source: position of the copied tensor among the operator's inputs.
        offset: of the output's first element in the input.
        shape: of the output; an axis along which it repeats is two.
        stride: from one element to the next in the input, for each axis of `shape`.
        window: rows of the input that a row of the output is made from; None where an output
            row is made from several rows.
    """

    source: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    window: RowWindow | None


def element_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Elements from one index to the next along each axis of a tensor."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def slice_attrs(
    x: Tensor, source: int, begin: Sequence[int], step: Sequence[int], size: Sequence[int]
) -> StridedCopyAttrs:
    """Every `step`th of an input's elements from `begin` on, `size` of them, for each axis."""
    strides = element_strides(x.shape)
    # A row of the output then is a part of one row of the input, and the rows go down.
    by_rows = is_image(x) and step[1] > 0
    return StridedCopyAttrs(
        source=source,
        offset=sum(first * stride for first, stride in zip(begin, strides, strict=True)),
        shape=tuple(size),
        stride=tuple(factor * stride for factor, stride in zip(step, strides, strict=True)),
        window=RowWindow(stride=step[1], pad=-begin[1]) if by_rows else None,
    )


def require_copy(raw: RawOp, x: Tensor, output: Tensor, shape: tuple[int, ...]) -> None:
    """Check types, quantization and the output's shape."""
    require(
        x.dtype in ("int8", "uint8") and output.dtype == x.dtype,
        raw,
        "input and output must be int8, or both uint8",
        f"{x.dtype} and {output.dtype}",
        "Quantize the model to full int8: espalier deploy MODEL.keras --data SPEC.",
    )
    require_same_quant(raw, x, output)
    require(
        output.shape == shape,
        raw,
        f"the output must be {shape}",
        output.shape,
        "The file is damaged; convert the model again.",
    )


def macs(op: Op, graph: Graph) -> int:
    """Nothing is computed."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
    """See `OpModule.row_windows`."""
    attrs = attrs_of(op)
    if attrs.window is None or not is_image(graph.tensors[op.outputs[0]]):
        return None
    return {op.inputs[attrs.source]: attrs.window}


def call(op: Op, graph: Graph) -> KernelCall:
    """strided_copy_8; see `OpModule.call`."""
    attrs = attrs_of(op)
    x, output = graph.tensors[op.inputs[attrs.source]], graph.tensors[op.outputs[0]]
    first_row = row_stride = 0
    offset, walk = attrs.offset, list(zip(attrs.shape, attrs.stride, strict=True))
    input_rows = output_rows = 1
    if attrs.window is not None and row_windows(op, graph) is not None:
        input_rows, output_rows = num_rows(x), num_rows(output)
        first_row, row_stride = -attrs.window.pad, attrs.window.stride
        offset, walk = offset - first_row * row_bytes(x), walk[2:]
    merged = _merged(walk)
    label = label_of(op)
    return KernelCall(
        function="strided_copy_8",
        header="strided_copy_8.h",
        params_type="strided_copy_params",
        fields=fields_of(
            label,
            first_row=("int32_t", first_row),
            row_stride=("int32_t", row_stride),
            input_row_bytes=("int32_t", x.size_bytes // input_rows),
            output_row_bytes=("int32_t", output.size_bytes // output_rows),
            offset=("int32_t", offset),
            shape=("int32_t", tuple(size for size, _ in merged)),
            stride=("int32_t", tuple(stride for _, stride in merged)),
        ),
        constants=(),
        tensors=(x.index, output.index),
        rows=(input_rows, output_rows),
    )


def _merged(walk: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """(size, stride) of each axis, brought to the kernel's number of axes."""
    merged: list[tuple[int, int]] = []
    for size, stride in walk:
        if size == 1:
            continue
        if merged and merged[-1][1] == size * stride:
            merged[-1] = (merged[-1][0] * size, stride)
        else:
            merged.append((size, stride))
    return [(1, 1)] * (_AXES - len(merged)) + merged


def require_axes(raw: RawOp, attrs: StridedCopyAttrs) -> StridedCopyAttrs:
    """Check that the kernel can walk the input."""
    merged = _merged(list(zip(attrs.shape, attrs.stride, strict=True)))
    require(
        len(merged) <= _AXES,
        raw,
        f"the input may be taken apart along up to {_AXES} axes",
        f"{len(merged)} of {attrs.shape}",
        "Reorder the axes in two steps.",
    )
    return attrs


def attrs_of(op: Op) -> StridedCopyAttrs:
    """The attributes that every operator of this family has."""
    assert isinstance(op.attrs, StridedCopyAttrs)
    return op.attrs
