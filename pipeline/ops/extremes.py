"""MAXIMUM and MINIMUM: int8 at one scale, with broadcasting; either operand may be constant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.ops.base import KernelCall, RawOp, label_of
from pipeline.ops.broadcast import Broadcast, broadcast_fields, broadcast_of, broadcast_windows
from pipeline.ops.checks import input_of, require_counts, require_int8, require_same_quant
from pipeline.ops.rows import RowWindow
from pipeline.records import Graph, Op, OpKind

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtremesAttrs:
    """Attributes of MAXIMUM and MINIMUM."""

    broadcast: Broadcast


def parse(raw: RawOp) -> ExtremesAttrs:
    """Check shapes and types; see `OpModule.parse`."""
    require_counts(raw, (2, 2))
    a, b, output = input_of(raw, 0), input_of(raw, 1), raw.outputs[0]
    require_int8(raw, a, b, output)
    require_same_quant(raw, a, output)
    require_same_quant(raw, b, output)
    return ExtremesAttrs(broadcast=broadcast_of(raw))


def macs(op: Op, graph: Graph) -> int:
    """A comparison multiplies nothing."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
    """See `OpModule.row_windows`."""
    return broadcast_windows(op, graph)


def call(op: Op, graph: Graph) -> KernelCall:
    """maximum_s8 or minimum_s8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, ExtremesAttrs)
    return KernelCall(
        function=f"{op.kind.value.lower()}_s8",
        header="extremes_s8.h",
        params_type="broadcast",
        fields=broadcast_fields(attrs.broadcast, label_of(op)),
        constants=(),
        tensors=(*op.inputs, op.outputs[0]),
        rows=attrs.broadcast.rows,
        in_place=True,
    )


def evaluate(op: Op, graph: Graph, a: Int64Array, b: Int64Array) -> Int64Array:
    """The results for operands that broadcast."""
    return np.maximum(a, b) if op.kind is OpKind.MAXIMUM else np.minimum(a, b)
