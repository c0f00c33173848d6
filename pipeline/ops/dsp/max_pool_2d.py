"""MAX_POOL_2D: four channels at a time."""

from __future__ import annotations

from pipeline.ops.base import KernelCall
from pipeline.ops.dsp.pool_2d import dsp_pool_call
from pipeline.records import Graph, Op


def call(op: Op, graph: Graph) -> KernelCall | None:
    """max_pool_2d_dsp_s8; see `DspModule.call`."""
    return dsp_pool_call(op, graph, "max_pool_2d_dsp_s8")
