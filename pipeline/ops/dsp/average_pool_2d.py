"""AVERAGE_POOL_2D: four channels at a time."""

from __future__ import annotations

from pipeline.ops import average_pool_2d
from pipeline.ops.base import KernelCall
from pipeline.ops.dsp.pool_2d import MOST_TAPS, dsp_pool_call, sums_call
from pipeline.ops.pool_2d import Pool2DAttrs
from pipeline.records import Graph, Op


def call(op: Op, graph: Graph) -> KernelCall | None:
    """average_pool_2d_dsp_s8, or average_rows_dsp_s8 of a whole image; see `DspModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, Pool2DAttrs)
    if average_pool_2d.is_global(op, graph):
        call = average_pool_2d.global_call(op, graph)
        return sums_call(call, op, graph, "average_rows_dsp_s8")
    if attrs.window.filter_h * attrs.window.filter_w > MOST_TAPS:
        return None
    return dsp_pool_call(op, graph, "average_pool_2d_dsp_s8")
