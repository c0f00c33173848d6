"""The operators, as tables: which file handles which kind, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.ops import (
    add,
    arg_max,
    average_pool_2d,
    concatenation,
    conv_2d,
    depth_to_space,
    depthwise_conv_2d,
    dequantize,
    extremes,
    fully_connected,
    lookup,
    max_pool_2d,
    mean,
    mul,
    pad,
    prelu,
    quantize,
    reduce_max,
    reshape,
    resize,
    shape,
    slice,
    softmax,
    split,
    strided_slice,
    tile,
    transpose,
    transpose_conv,
)
from pipeline.ops.base import DspModule, KernelCall, OpModule, RawOp
from pipeline.ops.dsp import add as dsp_add
from pipeline.ops.dsp import average_pool_2d as dsp_average_pool_2d
from pipeline.ops.dsp import conv_2d as dsp_conv_2d
from pipeline.ops.dsp import depthwise_conv_2d as dsp_depthwise_conv_2d
from pipeline.ops.dsp import fully_connected as dsp_fully_connected
from pipeline.ops.dsp import max_pool_2d as dsp_max_pool_2d
from pipeline.ops.dsp import mean as dsp_mean
from pipeline.ops.dsp import mul as dsp_mul
from pipeline.ops.rows import RowWindow, num_rows
from pipeline.records import Array, Graph, KernelTarget, Op, OpKind

# Operators that become a kernel call.
KERNEL_OPS: Mapping[OpKind, OpModule] = {
    OpKind.ADD: add,
    OpKind.ARG_MAX: arg_max,
    OpKind.AVERAGE_POOL_2D: average_pool_2d,
    OpKind.CONCATENATION: concatenation,
    OpKind.CONV_2D: conv_2d,
    OpKind.DEPTHWISE_CONV_2D: depthwise_conv_2d,
    OpKind.DEPTH_TO_SPACE: depth_to_space,
    OpKind.DEQUANTIZE: dequantize,
    OpKind.FULLY_CONNECTED: fully_connected,
    OpKind.HARD_SWISH: lookup,
    OpKind.LEAKY_RELU: lookup,
    OpKind.LOGISTIC: lookup,
    OpKind.MAXIMUM: extremes,
    OpKind.MAX_POOL_2D: max_pool_2d,
    OpKind.MEAN: mean,
    OpKind.MINIMUM: extremes,
    OpKind.MUL: mul,
    OpKind.PACK: concatenation,
    OpKind.PAD: pad,
    OpKind.PRELU: prelu,
    OpKind.QUANTIZE: quantize,
    OpKind.REDUCE_MAX: reduce_max,
    OpKind.RELU: lookup,
    OpKind.RELU6: lookup,
    OpKind.RELU_0_TO_1: lookup,
    OpKind.RELU_N1_TO_1: lookup,
    OpKind.RESIZE_BILINEAR: resize,
    OpKind.RESIZE_NEAREST_NEIGHBOR: resize,
    OpKind.SLICE: slice,
    OpKind.SOFTMAX: softmax,
    OpKind.SPACE_TO_DEPTH: depth_to_space,
    OpKind.SPLIT: split,
    OpKind.SPLIT_V: split,
    OpKind.STRIDED_SLICE: strided_slice,
    OpKind.SUB: add,
    OpKind.TANH: lookup,
    OpKind.TILE: tile,
    OpKind.TRANSPOSE: transpose,
    OpKind.TRANSPOSE_CONV: transpose_conv,
    OpKind.UNPACK: split,
}

# Operators with several outputs, each of which becomes an operator of its own.
SPLIT_KINDS = frozenset({OpKind.SPLIT, OpKind.SPLIT_V, OpKind.UNPACK})

# Operators that only change a shape: each becomes a RESHAPE, which computes nothing.
RESHAPE_KINDS = frozenset({OpKind.EXPAND_DIMS, OpKind.RESHAPE, OpKind.SQUEEZE})

# Operators that are computed when the file is read if their inputs are constant; SHAPE always is.
_FOLDED_OPS: Mapping[OpKind, Callable[[RawOp], Array]] = {
    OpKind.PACK: concatenation.fold,
    OpKind.SHAPE: shape.fold,
    OpKind.STRIDED_SLICE: strided_slice.fold,
}

# Operators with kernels for KernelTarget.DSP beside the portable ones.
DSP_OPS: Mapping[OpKind, DspModule] = {
    OpKind.ADD: dsp_add,
    OpKind.AVERAGE_POOL_2D: dsp_average_pool_2d,
    OpKind.CONV_2D: dsp_conv_2d,
    OpKind.DEPTHWISE_CONV_2D: dsp_depthwise_conv_2d,
    OpKind.FULLY_CONNECTED: dsp_fully_connected,
    OpKind.MAX_POOL_2D: dsp_max_pool_2d,
    OpKind.MEAN: dsp_mean,
    OpKind.MUL: dsp_mul,
}


def fold_op(raw: RawOp) -> Array | None:
    """The value of an operator's output where that is constant, else None."""
    constant = all(tensor is not None and tensor.constant is not None for tensor in raw.inputs)
    if raw.kind in _FOLDED_OPS and (constant or raw.kind is OpKind.SHAPE):
        return _FOLDED_OPS[raw.kind](raw)
    if raw.kind in RESHAPE_KINDS and raw.inputs and raw.inputs[0] is not None:
        value = raw.inputs[0].constant
        if value is not None:
            reshape.parse(raw)
            return value.reshape(raw.outputs[0].shape)
    return None


def parse_op(raw: RawOp) -> tuple[object, ...]:
    """Attributes of an operator that is not folded; one object for each of its outputs."""
    if raw.kind in RESHAPE_KINDS:
        reshape.parse(raw)
        return (None,)
    if raw.kind in SPLIT_KINDS:
        return split.parse(raw)
    return (KERNEL_OPS[raw.kind].parse(raw),)


def macs_of(op: Op, graph: Graph) -> int:
    """Multiply-accumulates of one operator in one inference."""
    return 0 if op.kind is OpKind.RESHAPE else KERNEL_OPS[op.kind].macs(op, graph)


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
    """For each computed input, the rows of it that an output row reads; None for all of it."""
    return None if op.kind is OpKind.RESHAPE else KERNEL_OPS[op.kind].row_windows(op, graph)


def rows_read(op: Op, graph: Graph, first_row: int, end_row: int) -> Mapping[int, range]:
    """Rows of each computed input that rows first_row to end_row - 1 of the output need.

    Args:
        op: the operator.
        graph: its graph.
        first_row, end_row: rows of the output, or of the input whose rows are added up;
            meaningless where the inputs are read whole.
    """
    computed = {index for index in op.inputs if index >= 0} - {
        tensor.index for tensor in graph.tensors if tensor.constant is not None
    }
    windows = row_windows(op, graph)
    heights = {index: num_rows(graph.tensors[index]) for index in sorted(computed)}
    if windows is None:
        return {index: range(height) for index, height in heights.items()}
    return {
        index: windows[index].rows(first_row, end_row, height) for index, height in heights.items()
    }


def rows_written(op: Op, graph: Graph, first_row: int, end_row: int) -> Mapping[int, range]:
    """Rows of each output that a step over rows first_row to end_row - 1 computes."""
    windows = row_windows(op, graph)
    whole = {index: range(num_rows(graph.tensors[index])) for index in op.outputs}
    if windows is None:
        return whole
    for index, window in windows.items():
        if window.accumulates:
            last = end_row == num_rows(graph.tensors[index])
            return whole if last else dict.fromkeys(op.outputs, range(0))
    return {index: range(first_row, end_row) for index in op.outputs}


def kernel_call(op: Op, graph: Graph, target: KernelTarget) -> KernelCall | None:
    """The kernel call of an operator, or None where there is nothing to do.

    Args:
        op: the operator.
        graph: its graph.
        target: which kernels the core can run; where no special one fits, the portable is taken.
    """
    if op.kind is OpKind.RESHAPE:
        return None
    if target is KernelTarget.DSP and op.kind in DSP_OPS:
        call = DSP_OPS[op.kind].call(op, graph)
        if call is not None:
            return call
    return KERNEL_OPS[op.kind].call(op, graph)
