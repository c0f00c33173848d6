"""What AVERAGE_POOL_2D and MAX_POOL_2D share."""

from __future__ import annotations

from dataclasses import replace

from pipeline.ops.base import KernelCall
from pipeline.ops.pool_2d import pool_call
from pipeline.records import Graph, Op

# Bytes that a lane of the kernels' sums takes, and the size of the sums of four channels.
MOST_TAPS = 256
_SUMS_BYTES = 8


def dsp_pool_call(op: Op, graph: Graph, function: str) -> KernelCall | None:
    """The call of a kernel with the portable one's parameters; None for fewer than 4 channels."""
    if graph.tensors[op.outputs[0]].shape[3] < 4:
        return None
    return replace(pool_call(op, graph, function), header="dsp/pool_2d_dsp_s8.h")


def sums_call(call: KernelCall, op: Op, graph: Graph, function: str) -> KernelCall | None:
    """The call of a kernel that adds up an image row by row, four channels at a time.

    Args:
        call: of the portable kernel.
        op, graph: the operator and its graph.
        function: of the kernel.
    Returns:
        None where the image has fewer channels, or more pixels than a lane can add up.
    """
    _, height, width, channels = graph.tensors[op.inputs[0]].shape
    if channels < 4 or height * width > MOST_TAPS:
        return None
    scratch_bytes = -(-channels // 4) * _SUMS_BYTES
    return replace(call, function=function, header=f"dsp/{function}.h", scratch_bytes=scratch_bytes)
