"""MEAN: four sums at a time."""

from __future__ import annotations

from dataclasses import replace

from pipeline.ops import mean
from pipeline.ops.base import KernelCall
from pipeline.records import Graph, Op


def call(op: Op, graph: Graph) -> KernelCall | None:
    """mean_dsp_s8; see `DspModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, mean.MeanAttrs)
    if attrs.inner < 4:
        return None
    return replace(mean.call(op, graph), function="mean_dsp_s8", header="dsp/mean_dsp_s8.h")
