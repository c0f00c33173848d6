"""Filters and biases of the layers that multiply: checks, factors, accumulator bounds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.errors import UnsupportedModelError
from pipeline.fixed_point import quantize_multiplier
from pipeline.ops.base import Constant, RawOp, label_of
from pipeline.ops.checks import (
    check_scaled_range,
    constant_of,
    input_of,
    quant_of,
    require,
    require_constant,
    scale_of,
    zero_point_of,
)
from pipeline.records import INT4, Array, Graph, Op, Requant

Int64Array = npt.NDArray[np.int64]


def require_filter(
    raw: RawOp, axis: int, channels: int, dtypes: tuple[str, ...] = ("int8", INT4)
) -> None:
    """Check input 1 as an integer filter that is symmetric, with one scale or one per channel.

    Args:
        raw: the operator; its optional input 2 is checked as an int32 bias.
        axis: channel dimension of the filter.
        channels: number of output channels.
        dtypes: that its weights may have.
    """
    filter_ = input_of(raw, 1)
    way_out = "Quantize the model to full int8 with a current converter."
    require_constant(raw, filter_, "the filter")
    require(
        filter_.dtype in dtypes,
        raw,
        f"the filter must be {' or '.join(dtypes)}",
        filter_.dtype,
        way_out,
    )
    quant = filter_.quant
    require(quant is not None, raw, "the filter must have scales", "none", way_out)
    assert quant is not None
    require(
        len(quant.scale) in (1, channels),
        raw,
        f"the filter must have 1 or {channels} scales",
        len(quant.scale),
        way_out,
    )
    require(
        len(quant.scale) == 1 or quant.axis == axis,
        raw,
        f"the filter's scales must run along dimension {axis}",
        quant.axis,
        way_out,
    )
    require(
        not any(quant.zero_point),
        raw,
        "the filter's zero points must be 0",
        sorted(set(quant.zero_point)),
        way_out,
    )
    bias = raw.inputs[2] if len(raw.inputs) > 2 else None
    if bias is not None:
        require_constant(raw, bias, "the bias")
        require(
            bias.dtype == "int32" and bias.num_elements == channels,
            raw,
            f"the bias must be int32 with {channels} values",
            f"{bias.dtype} {bias.shape}",
            way_out,
        )


def bias_values(op: Op, graph: Graph, channels: int) -> npt.NDArray[np.int32]:
    """The bias, or zeros where the operator has none."""
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        return constant_of(graph, op.inputs[2]).reshape(-1).astype(np.int32)
    return np.zeros(channels, dtype=np.int32)


def real_factors(op: Op, graph: Graph, channels: int) -> tuple[float, ...]:
    """input_scale * filter_scale / output_scale of each channel, in double as TFLite does it."""
    input_scale = scale_of(graph.tensors[op.inputs[0]])
    output_scale = scale_of(graph.tensors[op.outputs[0]])
    scales = quant_of(graph.tensors[op.inputs[1]]).scale
    if len(scales) == 1:
        scales = scales * channels
    return tuple(input_scale * scale / output_scale for scale in scales)


def accumulator_limits(op: Op, graph: Graph, filter_by_channel: Array) -> tuple[int, ...]:
    """Largest magnitude that each channel's accumulator can have, partial sums included.

    Args:
        op: the layer.
        graph: its graph.
        filter_by_channel: [channels, weights of a channel].
    Raises:
        UnsupportedModelError: an accumulator could leave int32.
    """
    zero_point = zero_point_of(graph.tensors[op.inputs[0]])
    reach = max(127 - zero_point, zero_point + 128)
    weights = np.abs(filter_by_channel.astype(np.int64)).sum(axis=1)
    bias = np.abs(bias_values(op, graph, len(weights)).astype(np.int64))
    limits = weights * reach + bias
    if limits.max(initial=0) >= 1 << 31:
        channel = int(limits.argmax())
        raise UnsupportedModelError(
            f"{label_of(op)}: the accumulator of channel {channel} must stay below 2**31. "
            f"Received: up to {int(limits[channel])}. The model's scales are broken "
            "(an untrained network?); train and quantize it again."
        )
    return tuple(int(limit) for limit in limits)


def requant_constants(requants: tuple[Requant, ...]) -> tuple[Constant, Constant]:
    """Multipliers and shifts as arrays of the generated code."""
    multipliers = np.array([requant.multiplier for requant in requants], dtype=np.int32)
    shifts = np.array([requant.shift for requant in requants], dtype=np.int8)
    return (
        Constant(name="multiplier", c_type="int32_t", values=multipliers),
        Constant(name="shift", c_type="int8_t", values=shifts),
    )


def convolution_constants(
    op: Op, graph: Graph, filter_values: Array, filter_by_channel: Array, layout: str
) -> tuple[Constant, ...]:
    """Filter, bias, multipliers and shifts of a convolution.

    Args:
        op: the layer.
        graph: its graph.
        filter_values: in the kernel's layout.
        filter_by_channel: [channels, weights of a channel].
        layout: of filter_values, for the generated comment.
    Raises:
        UnsupportedModelError: the scales are broken.
    """
    channels = len(filter_by_channel)
    limits = accumulator_limits(op, graph, filter_by_channel)
    reals = real_factors(op, graph, channels)
    for limit, real in zip(limits, reals, strict=True):
        check_scaled_range(label_of(op), limit, real)
    requants = tuple(quantize_multiplier(real) for real in reals)
    return (
        Constant(name="filter", c_type="int8_t", values=filter_values, comment=layout),
        Constant(name="bias", c_type="int32_t", values=bias_values(op, graph, channels)),
        *requant_constants(requants),
    )
