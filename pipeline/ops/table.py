"""The operators, as tables: which file handles which kind, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.ops import (
    add,
    average_pool_2d,
    conv_2d,
    depthwise_conv_2d,
    fully_connected,
    max_pool_2d,
    mean,
    pack,
    pad,
    quantize,
    reshape,
    shape,
    softmax,
    strided_slice,
)
from pipeline.ops.base import KernelCall, OpModule, RawOp
from pipeline.records import Array, Graph, Op, OpKind

# Operators that become a kernel call.
KERNEL_OPS: Mapping[OpKind, OpModule] = {
    OpKind.ADD: add,
    OpKind.AVERAGE_POOL_2D: average_pool_2d,
    OpKind.CONV_2D: conv_2d,
    OpKind.DEPTHWISE_CONV_2D: depthwise_conv_2d,
    OpKind.FULLY_CONNECTED: fully_connected,
    OpKind.MAX_POOL_2D: max_pool_2d,
    OpKind.MEAN: mean,
    OpKind.PAD: pad,
    OpKind.QUANTIZE: quantize,
    OpKind.SOFTMAX: softmax,
}

# Operators that have to be constant: computed when the file is read.
FOLDED_OPS: Mapping[OpKind, Callable[[RawOp], Array]] = {
    OpKind.PACK: pack.fold,
    OpKind.SHAPE: shape.fold,
    OpKind.STRIDED_SLICE: strided_slice.fold,
}

# Kernels that read each element before they write it: output and input may share a buffer
# if they have the same size.
IN_PLACE_OPS = frozenset({OpKind.ADD, OpKind.QUANTIZE, OpKind.SOFTMAX})


def parse_op(raw: RawOp) -> object:
    """Attributes of an operator that is not folded."""
    if raw.kind is OpKind.RESHAPE:
        reshape.parse(raw)
        return None
    return KERNEL_OPS[raw.kind].parse(raw)


def macs_of(op: Op, graph: Graph) -> int:
    """Multiply-accumulates of one operator in one inference."""
    return 0 if op.kind is OpKind.RESHAPE else KERNEL_OPS[op.kind].macs(op, graph)


def kernel_call(op: Op, graph: Graph) -> KernelCall | None:
    """The kernel call of an operator, or None where there is nothing to do."""
    return None if op.kind is OpKind.RESHAPE else KERNEL_OPS[op.kind].call(op, graph)
