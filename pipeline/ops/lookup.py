"""Elementwise functions of one int8 tensor: any of them is a table of 256 values.

LOGISTIC, TANH, RELU and its kin, LEAKY_RELU, HARD_SWISH. The files beside this one say how the
reference computes each function; `parse` does so for every value that an input can have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.ops import hard_swish, leaky_relu, logistic, relu, tanh
from pipeline.ops.base import Constant, KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import input_of, require, require_counts, require_int8
from pipeline.ops.rows import RowWindow, num_rows
from pipeline.records import Graph, Op, OpKind

Int64Array = npt.NDArray[np.int64]

# Outputs for the inputs -128 to 127, before they are clamped to int8.
_FUNCTIONS: Mapping[OpKind, Callable[[RawOp], Int64Array]] = {
    OpKind.HARD_SWISH: hard_swish.values,
    OpKind.LEAKY_RELU: leaky_relu.values,
    OpKind.LOGISTIC: logistic.values,
    OpKind.RELU: relu.values,
    OpKind.RELU6: relu.values,
    OpKind.RELU_0_TO_1: relu.values,
    OpKind.RELU_N1_TO_1: relu.values,
    OpKind.TANH: tanh.values,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupAttrs:
    """Attributes of an elementwise function: its int8 results for the inputs -128 to 127."""

    table: tuple[int, ...]


def parse(raw: RawOp) -> LookupAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    require_counts(raw, (1, 1))
    x, output = input_of(raw, 0), raw.outputs[0]
    require_int8(raw, x, output)
    require(
        x.shape == output.shape,
        raw,
        "input and output must have the same shape",
        f"{x.shape} and {output.shape}",
        "The file is damaged; convert the model again.",
    )
    values = np.clip(_FUNCTIONS[raw.kind](raw), -128, 127)
    return LookupAttrs(table=tuple(values.tolist()))


def macs(op: Op, graph: Graph) -> int:
    """A look-up multiplies nothing."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow]:
    """Row by row; see `OpModule.row_windows`."""
    return {op.inputs[0]: RowWindow()}


def call(op: Op, graph: Graph) -> KernelCall:
    """lookup_8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, LookupAttrs)
    by_bits = np.roll(np.array(attrs.table, dtype=np.int8), -128).view(np.uint8)
    return lookup_call(op, graph, by_bits, num_rows(graph.tensors[op.inputs[0]]))


def lookup_call(op: Op, graph: Graph, table: npt.NDArray[np.uint8], rows: int) -> KernelCall:
    """The call of lookup_8.

    Args:
        op: the operator.
        graph: its graph.
        table: output bits [256] for each pattern of input bits.
        rows: of input and output.
    """
    x = graph.tensors[op.inputs[0]]
    return KernelCall(
        function="lookup_8",
        header="lookup_8.h",
        params_type="lookup_params",
        fields=fields_of(
            label_of(op),
            table=("pointer", "table"),
            row_bytes=("int32_t", x.size_bytes // rows),
        ),
        constants=(Constant(name="table", c_type="uint8_t", values=table),),
        tensors=(op.inputs[0], op.outputs[0]),
        rows=(rows, rows),
        in_place=True,
    )
