"""REDUCE_MAX: int8 at one scale, over axes that are neighbours."""

from __future__ import annotations

from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import input_of, require_same_quant
from pipeline.ops.mean import MeanAttrs
from pipeline.ops.mean import parse as parse_axes
from pipeline.records import Graph, Op


def parse(raw: RawOp) -> MeanAttrs:
    """Check shapes, types and axes, as of a MEAN; see `OpModule.parse`."""
    attrs = parse_axes(raw)
    require_same_quant(raw, input_of(raw, 0), raw.outputs[0])
    return attrs


def macs(op: Op, graph: Graph) -> int:
    """A comparison multiplies nothing."""
    return 0


def row_windows(op: Op, graph: Graph) -> None:
    """The kernel takes whole tensors."""


def call(op: Op, graph: Graph) -> KernelCall:
    """reduce_max_s8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, MeanAttrs)
    return KernelCall(
        function="reduce_max_s8",
        header="reduce_max_s8.h",
        params_type="reduce_max_params",
        fields=fields_of(
            label_of(op),
            outer=("uint32_t", attrs.outer),
            reduced=("uint32_t", attrs.reduced),
            inner=("uint32_t", attrs.inner),
        ),
        constants=(),
        tensors=(op.inputs[0], op.outputs[0]),
    )
