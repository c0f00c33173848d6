"""What AVERAGE_POOL_2D and MAX_POOL_2D share."""

from __future__ import annotations

from dataclasses import replace

from pipeline.ops.base import KernelCall
from pipeline.ops.pool_2d import pool_call
from pipeline.records import Graph, Op


def dsp_pool_call(op: Op, graph: Graph, function: str) -> KernelCall | None:
    """The call of a kernel with the portable one's parameters; None for fewer than 4 channels."""
    if graph.tensors[op.outputs[0]].shape[3] < 4:
        return None
    return replace(pool_call(op, graph, function), header="dsp/pool_2d_dsp_s8.h")
