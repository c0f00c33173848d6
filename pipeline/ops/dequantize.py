"""DEQUANTIZE: from 8-bit values to the float32 output of a model."""

from __future__ import annotations

from pipeline.ops.base import KernelCall, RawOp
from pipeline.ops.checks import input_of, require_counts
from pipeline.ops.real_values import real_values_call, require_real_values
from pipeline.records import Graph, Op


def parse(raw: RawOp) -> None:
    """Check shapes and types; see `OpModule.parse`. The operator has no attributes."""
    require_counts(raw, (1, 1))
    require_real_values(raw, raw.outputs[0], input_of(raw, 0))


def macs(op: Op, graph: Graph) -> int:
    """Nothing is accumulated."""
    return 0


def row_windows(op: Op, graph: Graph) -> None:
    """The kernel takes whole tensors."""


def call(op: Op, graph: Graph) -> KernelCall:
    """dequantize_8; see `OpModule.call`.

    The reference multiplies in double and rounds to float32: the same as a product of float32,
    since the double one is exact.
    """
    return real_values_call(op, graph, "dequantize_8", op.inputs[0])
