"""AVERAGE_POOL_2D: four channels at a time."""

from __future__ import annotations

from pipeline.ops.base import KernelCall
from pipeline.ops.dsp.pool_2d import dsp_pool_call
from pipeline.ops.pool_2d import Pool2DAttrs
from pipeline.records import Graph, Op

# Bytes that a lane of the kernel's sums takes.
_MOST_TAPS = 256


def call(op: Op, graph: Graph) -> KernelCall | None:
    """average_pool_2d_dsp_s8; see `DspModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, Pool2DAttrs)
    if attrs.window.filter_h * attrs.window.filter_w > _MOST_TAPS:
        return None
    return dsp_pool_call(op, graph, "average_pool_2d_dsp_s8")
