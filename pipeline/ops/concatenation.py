"""CONCATENATION, and PACK of computed tensors: 8-bit values at one scale, along any axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.ops.base import Constant, KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import input_of, require, require_counts, require_same_quant
from pipeline.ops.rows import RowWindow, is_image, num_rows
from pipeline.records import Array, Graph, Op, OpKind, Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcatenationAttrs:
    """Attributes of CONCATENATION and PACK: the axis, of PACK one that is new."""

    axis: int


def parse(raw: RawOp) -> ConcatenationAttrs:
    """Check shapes, types and the axis; see `OpModule.parse`."""
    import tflite

    packs = raw.kind is OpKind.PACK
    count = max(1, len(raw.inputs))
    require_counts(raw, (count, count))
    inputs = [input_of(raw, place) for place in range(count)]
    way_out = "The file is damaged; convert the model again."
    output = raw.outputs[0]
    for x in inputs:
        require(
            x.dtype in ("int8", "uint8") and x.dtype == output.dtype,
            raw,
            "inputs and output must all be int8, or all uint8",
            f"{x.dtype} and {output.dtype}",
            "Quantize the model to full int8: espalier deploy MODEL.keras --data SPEC.",
        )
        require_same_quant(raw, x, output)
    if packs:
        axis = raw.options_as(tflite.PackOptions).Axis()
    else:
        options = raw.options_as(tflite.ConcatenationOptions)
        axis = options.Axis()
        require(
            options.FusedActivationFunction() == 0,
            raw,
            "there must be no fused activation",
            options.FusedActivationFunction(),
            "Put the activation into a layer of its own.",
        )
    rank = len(output.shape)
    require(-rank <= axis < rank, raw, f"the axis must be in {-rank} .. {rank - 1}", axis, way_out)
    axis %= rank
    shape = _joined([_unsqueezed(x.shape, axis) if packs else x.shape for x in inputs], axis)
    require(
        output.shape == shape,
        raw,
        "the inputs must have the output's shape but for the axis, where they add up to it",
        f"{[x.shape for x in inputs]} and {output.shape} along axis {axis}",
        way_out,
    )
    return ConcatenationAttrs(axis=axis)


def _unsqueezed(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], 1, *shape[axis:])


def _joined(shapes: list[tuple[int, ...]], axis: int) -> tuple[int, ...] | None:
    """The shape of all together; None where they do not go together."""
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(others) > 1 or any(len(shape) <= axis for shape in shapes):
        return None
    whole = sum(shape[axis] for shape in shapes)
    return (*shapes[0][:axis], whole, *shapes[0][axis + 1 :])


def fold(raw: RawOp) -> Array:
    """PACK of constants: shapes put together."""
    import tflite

    values = [input_of(raw, place).constant for place in range(len(raw.inputs))]
    stacked = [value for value in values if value is not None]
    return np.stack(stacked, axis=raw.options_as(tflite.PackOptions).Axis())


def macs(op: Op, graph: Graph) -> int:
    """Nothing is computed."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
    """See `OpModule.row_windows`."""
    if not _by_rows(op, graph):
        return None
    return {index: RowWindow() for index in op.inputs if graph.tensors[index].constant is None}


def _by_rows(op: Op, graph: Graph) -> bool:
    """Whether row y of the output holds row y of each input."""
    attrs = op.attrs
    assert isinstance(attrs, ConcatenationAttrs)
    return (
        op.kind is OpKind.CONCATENATION
        and is_image(graph.tensors[op.outputs[0]])
        and attrs.axis >= 2
    )


def call(op: Op, graph: Graph) -> KernelCall:
    """concatenation_8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, ConcatenationAttrs)
    output = graph.tensors[op.outputs[0]]
    rows = num_rows(output) if _by_rows(op, graph) else 1
    runs = math.prod(output.shape[: attrs.axis]) // rows
    chunks = [_bytes_per_run(graph.tensors[index], rows * runs) for index in op.inputs]
    return KernelCall(
        function="concatenation_8",
        header="concatenation_8.h",
        params_type="concatenation_params",
        fields=fields_of(
            label_of(op),
            chunk=("pointer", "chunk"),
            num_inputs=("int32_t", len(chunks)),
            runs=("int32_t", runs),
            output_row_bytes=("int32_t", output.size_bytes // rows),
        ),
        constants=(
            Constant(
                name="chunk",
                c_type="int32_t",
                values=np.array(chunks, dtype=np.int32),
                comment="bytes of each input",
            ),
        ),
        tensors=(*op.inputs, op.outputs[0]),
        rows=(rows,) * (len(chunks) + 1),
        gathered=len(chunks),
    )


def _bytes_per_run(x: Tensor, runs: int) -> int:
    return x.size_bytes // runs
