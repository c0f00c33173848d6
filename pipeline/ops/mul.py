"""MUL: int8, with broadcasting; either operand may be constant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.broadcast import Broadcast, broadcast_fields, broadcast_of, broadcast_windows
from pipeline.ops.checks import (
    activation_range,
    check_scaled_range,
    require_activation,
    require_counts,
    require_int8,
    scale_of,
    zero_point_of,
)
from pipeline.ops.rows import RowWindow
from pipeline.records import Graph, Op, Requant

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MulAttrs:
    """Attributes of MUL."""

    broadcast: Broadcast
    activation: int


def parse(raw: RawOp) -> MulAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    import tflite

    require_counts(raw, (2, 2))
    require_int8(raw, *(x for x in raw.inputs if x is not None), raw.outputs[0])
    activation = raw.options_as(tflite.MulOptions).FusedActivationFunction()
    return MulAttrs(broadcast=broadcast_of(raw), activation=require_activation(raw, activation))


def macs(op: Op, graph: Graph) -> int:
    """Nothing is accumulated."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
    """See `OpModule.row_windows`."""
    return broadcast_windows(op, graph)


def call(op: Op, graph: Graph) -> KernelCall:
    """mul_s8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, MulAttrs)
    label = label_of(op)
    a, b, output = (graph.tensors[index] for index in (*op.inputs, op.outputs[0]))
    requant = product_factor(op, graph)
    lowest, highest = activation_range(attrs.activation, output)
    return KernelCall(
        function="mul_s8",
        header="mul_s8.h",
        params_type="mul_params",
        fields=fields_of(
            label,
            broadcast=("struct", broadcast_fields(attrs.broadcast, label)),
            a_offset=("int16_t", -zero_point_of(a)),
            b_offset=("int16_t", -zero_point_of(b)),
            output_offset=("int16_t", zero_point_of(output)),
            shift=("int8_t", requant.shift),
            multiplier=("int32_t", requant.multiplier),
            output_min=("int8_t", lowest),
            output_max=("int8_t", highest),
        ),
        constants=(),
        tensors=(*op.inputs, op.outputs[0]),
        rows=attrs.broadcast.rows,
        in_place=True,
    )


def product_factor(op: Op, graph: Graph) -> Requant:
    """What the product of the operands is multiplied by.

    Source: TFLite `MulPrepare` (kernels/mul.cc), where it is a float32.
    """
    scales = [np.float32(scale_of(graph.tensors[index])) for index in (*op.inputs, op.outputs[0])]
    with np.errstate(over="ignore"):
        factor = float(scales[0] * scales[1] / scales[2])
    check_scaled_range(label_of(op), 255 * 255, factor)
    return quantize_multiplier(factor)


def evaluate(op: Op, graph: Graph, a: Int64Array, b: Int64Array) -> Int64Array:
    """The results for operands that broadcast.

    Source: TFLite `MulElementwise` (kernels/internal/reference/integer_ops/mul.h).
    """
    attrs = op.attrs
    assert isinstance(attrs, MulAttrs)
    x, y, output = (graph.tensors[index] for index in (*op.inputs, op.outputs[0]))
    product = (a - zero_point_of(x)) * (b - zero_point_of(y))
    scaled = multiply_by_quantized_multiplier(product, product_factor(op, graph)) + zero_point_of(
        output
    )
    return np.clip(scaled, *activation_range(attrs.activation, output))
