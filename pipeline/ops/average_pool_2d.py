"""AVERAGE_POOL_2D: int8, input and output at the same scale."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.ops.base import KernelCall, RawOp
from pipeline.ops.pool_2d import Pool2DAttrs, parse_pool, pool_call, pool_row_windows
from pipeline.ops.rows import RowWindow
from pipeline.records import Graph, Op


def parse(raw: RawOp) -> Pool2DAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    return parse_pool(raw)


def macs(op: Op, graph: Graph) -> int:
    """Pooling multiplies nothing."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow]:
    """See `OpModule.row_windows`."""
    return pool_row_windows(op)


def call(op: Op, graph: Graph) -> KernelCall:
    """average_pool_2d_s8; see `OpModule.call`."""
    return pool_call(op, graph, "average_pool_2d_s8")
