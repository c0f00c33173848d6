"""MEAN: four sums at a time."""

from __future__ import annotations

from dataclasses import replace

from pipeline.ops import mean
from pipeline.ops.base import KernelCall
from pipeline.ops.dsp.pool_2d import sums_call
from pipeline.records import Graph, Op


def call(op: Op, graph: Graph) -> KernelCall | None:
    """mean_dsp_s8, or mean_rows_dsp_s8 over the pixels of an image; see `DspModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, mean.MeanAttrs)
    if attrs.inner < 4:
        return None
    if mean.is_global(op, graph):
        return sums_call(mean.global_call(op, graph), op, graph, "mean_rows_dsp_s8")
    return replace(mean.call(op, graph), function="mean_dsp_s8", header="dsp/mean_dsp_s8.h")
