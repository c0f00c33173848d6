"""ADD and SUB: int8, with broadcasting; either operand may be constant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from pipeline.ops.base import Field, KernelCall, RawOp, field_of, fields_of, label_of
from pipeline.ops.broadcast import broadcast_of, broadcast_windows, operand_strides
from pipeline.ops.checks import (
    activation_range,
    check_scaled_range,
    input_of,
    require_activation,
    require_counts,
    require_int8,
    scale_of,
    zero_point_of,
)
from pipeline.ops.rows import RowWindow
from pipeline.records import Graph, Op, OpKind, Requant, Tensor

Int64Array = npt.NDArray[np.int64]

# Headroom of the reference (kernels/add.cc, left_shift); the kernel has the same.
LEFT_SHIFT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAttrs:
    """Attributes of ADD and SUB: shapes brought to four axes, equal ones merged within a row."""

    shape: tuple[int, ...]
    a_shape: tuple[int, ...]
    b_shape: tuple[int, ...]
    activation: int


def parse(raw: RawOp) -> AddAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    import tflite

    require_counts(raw, (2, 2))
    a, b, output = input_of(raw, 0), input_of(raw, 1), raw.outputs[0]
    require_int8(raw, a, b, output)
    broadcast = broadcast_of(raw)
    options = tflite.AddOptions if raw.kind is OpKind.ADD else tflite.SubOptions
    activation = raw.options_as(options).FusedActivationFunction()
    return AddAttrs(
        shape=broadcast.shape,
        a_shape=broadcast.a_shape,
        b_shape=broadcast.b_shape,
        activation=require_activation(raw, activation),
    )


def macs(op: Op, graph: Graph) -> int:
    """An addition is no multiply-accumulate."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
    """See `OpModule.row_windows`."""
    return broadcast_windows(op, graph)


def call(op: Op, graph: Graph) -> KernelCall:
    """add_s8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, AddAttrs)
    label = label_of(op)
    a, b, output = (graph.tensors[index] for index in (*op.inputs, op.outputs[0]))
    to_a, to_b, to_output = _factors(op, graph)
    lowest, highest = activation_range(attrs.activation, output)
    fields = fields_of(
        label,
        a=("struct", _operand(a, attrs.a_shape, to_a, label)),
        b=("struct", _operand(b, attrs.b_shape, to_b, label)),
        shape=("int32_t", attrs.shape),
        output_offset=("int16_t", zero_point_of(output)),
        output_shift=("int8_t", to_output.shift),
        output_multiplier=("int32_t", to_output.multiplier),
        output_min=("int8_t", lowest),
        output_max=("int8_t", highest),
    )
    return KernelCall(
        function="add_s8",
        header="add_s8.h",
        params_type="add_params",
        fields=fields,
        constants=(),
        tensors=(*op.inputs, op.outputs[0]),
        rows=tuple(math.prod(shape[:2]) for shape in (attrs.a_shape, attrs.b_shape, attrs.shape)),
        in_place=True,
    )


def _factors(op: Op, graph: Graph) -> tuple[Requant, Requant, Requant]:
    """What operands are multiplied by, to a common scale, and their sum; SUB's second is negative.

    Source: TFLite `Prepare` (kernels/add.cc) and `PrepareGeneralSubOp` (kernels/sub.cc).
    """
    a, b, output = (scale_of(graph.tensors[index]) for index in (*op.inputs, op.outputs[0]))
    twice_largest = 2.0 * max(a, b)
    # Both operands, in units of the output's scale. 255 would do for them, but from a factor of
    # 2**20 on the reference ends its process.
    check_scaled_range(label_of(op), 1 << 10, twice_largest / output)
    to_b = quantize_multiplier(b / twice_largest)
    if op.kind is OpKind.SUB:
        to_b = Requant(multiplier=-to_b.multiplier, shift=to_b.shift)
    return (
        quantize_multiplier(a / twice_largest),
        to_b,
        quantize_multiplier(twice_largest / ((1 << LEFT_SHIFT) * output)),
    )


def evaluate(op: Op, graph: Graph, a: Int64Array, b: Int64Array) -> Int64Array:
    """The results for operands that broadcast.

    Source: TFLite `AddElementwise` (kernels/internal/reference/integer_ops/add.h).
    """
    attrs = op.attrs
    assert isinstance(attrs, AddAttrs)
    output = graph.tensors[op.outputs[0]]
    to_a, to_b, to_output = _factors(op, graph)
    scaled = [
        multiply_by_quantized_multiplier(
            (x - zero_point_of(graph.tensors[index])) << LEFT_SHIFT, requant
        )
        for x, index, requant in zip((a, b), op.inputs, (to_a, to_b), strict=True)
    ]
    result = multiply_by_quantized_multiplier(scaled[0] + scaled[1], to_output)
    return np.clip(result + zero_point_of(output), *activation_range(attrs.activation, output))


def _operand(
    tensor: Tensor, shape: tuple[int, ...], requant: Requant, label: str
) -> tuple[Field, ...]:
    return (
        field_of("offset", "int16_t", -zero_point_of(tensor), label),
        field_of("shift", "int8_t", requant.shift, label),
        field_of("multiplier", "int32_t", requant.multiplier, label),
        field_of("stride", "int32_t", operand_strides(shape), label),
        field_of("row_bytes", "int32_t", math.prod(shape[2:]), label),
    )
