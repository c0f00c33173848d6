"""PRELU: int8; the slopes broadcast to the input, constant or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.broadcast import Broadcast, broadcast_fields, broadcast_of, broadcast_windows
from pipeline.ops.checks import (
    check_scaled_range,
    input_of,
    require,
    require_counts,
    require_int8,
    scale_of,
    zero_point_of,
)
from pipeline.ops.rows import RowWindow
from pipeline.records import Graph, Op, Requant

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreluAttrs:
    """Attributes of PRELU."""

    broadcast: Broadcast


def parse(raw: RawOp) -> PreluAttrs:
    """Check shapes and types; see `OpModule.parse`."""
    require_counts(raw, (2, 2))
    x, alpha, output = input_of(raw, 0), input_of(raw, 1), raw.outputs[0]
    require_int8(raw, x, alpha, output)
    require(
        x.shape == output.shape,
        raw,
        "input and output must have the same shape",
        f"{x.shape} and {output.shape}",
        "The file is damaged; convert the model again.",
    )
    return PreluAttrs(broadcast=broadcast_of(raw))


def macs(op: Op, graph: Graph) -> int:
    """Nothing is accumulated."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
    """See `OpModule.row_windows`."""
    return broadcast_windows(op, graph)


def call(op: Op, graph: Graph) -> KernelCall:
    """prelu_s8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, PreluAttrs)
    label = label_of(op)
    x, alpha, output = (graph.tensors[index] for index in (*op.inputs, op.outputs[0]))
    positive, negative = _factors(op, graph)
    return KernelCall(
        function="prelu_s8",
        header="prelu_s8.h",
        params_type="prelu_params",
        fields=fields_of(
            label,
            broadcast=("struct", broadcast_fields(attrs.broadcast, label)),
            input_offset=("int16_t", -zero_point_of(x)),
            alpha_offset=("int16_t", -zero_point_of(alpha)),
            output_offset=("int16_t", zero_point_of(output)),
            positive_shift=("int8_t", positive.shift),
            negative_shift=("int8_t", negative.shift),
            positive_multiplier=("int32_t", positive.multiplier),
            negative_multiplier=("int32_t", negative.multiplier),
        ),
        constants=(),
        tensors=(*op.inputs, op.outputs[0]),
        rows=attrs.broadcast.rows,
        in_place=True,
    )


def _factors(op: Op, graph: Graph) -> tuple[Requant, Requant]:
    """What positive inputs, and products of negative ones with alpha, are multiplied by.

    Source: TFLite `PreluPrepare` (kernels/activations.cc), where both are float32.
    """
    scales = [np.float32(scale_of(graph.tensors[index])) for index in (*op.inputs, op.outputs[0])]
    with np.errstate(over="ignore"):
        positive, negative = scales[0] / scales[2], scales[0] * scales[1] / scales[2]
    check_scaled_range(label_of(op), 255, float(positive))
    check_scaled_range(label_of(op), 255 * 255, float(negative))
    return quantize_multiplier(float(positive)), quantize_multiplier(float(negative))


def evaluate(op: Op, graph: Graph, a: Int64Array, b: Int64Array) -> Int64Array:
    """The results for inputs and slopes that broadcast.

    Source: TFLite `BroadcastPrelu4DSlow` (kernels/internal/reference/prelu.h).
    """
    x, alpha, output = (graph.tensors[index] for index in (*op.inputs, op.outputs[0]))
    positive, negative = _factors(op, graph)
    above = a - zero_point_of(x)
    scaled = np.where(
        above >= 0,
        multiply_by_quantized_multiplier(above, positive),
        multiply_by_quantized_multiplier(above * (b - zero_point_of(alpha)), negative),
    )
    result: Int64Array = np.clip(scaled + zero_point_of(output), -128, 127)
    return result
