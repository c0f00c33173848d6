"""ADD: int8, with broadcasting; either operand may be constant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.fixed_point import quantize_multiplier
from pipeline.ops.base import Field, KernelCall, RawOp, field_of, fields_of, label_of
from pipeline.ops.checks import (
    activation_range,
    check_scaled_range,
    input_of,
    require,
    require_activation,
    require_counts,
    require_int8,
    scale_of,
    zero_point_of,
)
from pipeline.ops.rows import ONE_ROW, RowWindow, is_image, num_rows, row_bytes
from pipeline.records import Graph, Op, Tensor

# Headroom of the reference (kernels/add.cc, left_shift); the kernel has the same.
LEFT_SHIFT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAttrs:
    """Attributes of ADD: shapes brought to four axes, equal ones merged within a row."""

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
    try:
        broadcast = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        broadcast = ()
    require(
        broadcast == output.shape,
        raw,
        "the shapes of the operands must broadcast to the output's",
        f"{a.shape}, {b.shape} and {output.shape}",
        "The file is damaged; convert the model again.",
    )
    a_shape: tuple[int, ...]
    b_shape: tuple[int, ...]
    if a.shape == b.shape:
        a_shape = b_shape = (1, num_rows(output), 1, row_bytes(output))
    else:
        require(
            len(output.shape) <= 4,
            raw,
            "broadcasting takes up to 4 dimensions",
            output.shape,
            "Reshape the operands to 4 dimensions.",
        )
        a_shape, b_shape = _four_axes(a.shape), _four_axes(b.shape)
    activation = raw.options_as(tflite.AddOptions).FusedActivationFunction()
    return AddAttrs(
        shape=tuple(np.broadcast_shapes(a_shape, b_shape)),
        a_shape=a_shape,
        b_shape=b_shape,
        activation=require_activation(raw, activation),
    )


def _four_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (4 - len(shape)) + shape


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """From one index to the next along each axis, 0 where it is broadcast; see add_s8.h."""
    steps = (shape[1], 1, shape[3], 1)
    return tuple(step if size > 1 else 0 for step, size in zip(steps, shape, strict=True))


def macs(op: Op, graph: Graph) -> int:
    """An addition is no multiply-accumulate."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
    """See `OpModule.row_windows`."""
    output = graph.tensors[op.outputs[0]]
    if not is_image(output):
        return None
    operands = [graph.tensors[index] for index in op.inputs]
    return {
        operand.index: RowWindow() if num_rows(operand) == num_rows(output) else ONE_ROW
        for operand in operands
        if operand.constant is None
    }


def call(op: Op, graph: Graph) -> KernelCall:
    """add_s8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, AddAttrs)
    label = label_of(op)
    a, b = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    output = graph.tensors[op.outputs[0]]
    twice_largest = 2.0 * max(scale_of(a), scale_of(b))
    # Both operands, in units of the output's scale.
    check_scaled_range(label, 255, twice_largest / scale_of(output))
    to_output = quantize_multiplier(twice_largest / ((1 << LEFT_SHIFT) * scale_of(output)))
    lowest, highest = activation_range(attrs.activation, output)
    fields = fields_of(
        label,
        a=("struct", _operand(a, attrs.a_shape, twice_largest, label)),
        b=("struct", _operand(b, attrs.b_shape, twice_largest, label)),
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


def _operand(
    tensor: Tensor, shape: tuple[int, ...], twice_largest: float, label: str
) -> tuple[Field, ...]:
    requant = quantize_multiplier(scale_of(tensor) / twice_largest)
    return (
        field_of("offset", "int16_t", -zero_point_of(tensor), label),
        field_of("shift", "int8_t", requant.shift, label),
        field_of("multiplier", "int32_t", requant.multiplier, label),
        field_of("stride", "int32_t", _strides(shape), label),
        field_of("row_bytes", "int32_t", math.prod(shape[2:]), label),
    )
