"""What CONV_2D and DEPTHWISE_CONV_2D share: checks, geometry, parameters of the kernels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.ops.base import Field, FieldValue, KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import (
    activation_range,
    input_of,
    require,
    require_activation,
    require_batch_one,
    require_counts,
    require_int8,
    require_rank,
    zero_point_of,
)
from pipeline.ops.filters import convolution_constants, require_filter
from pipeline.ops.nibbles import has_int4_filter, pair_channels
from pipeline.ops.rows import RowWindow, num_rows
from pipeline.ops.window import Window, image_sizes, window_of
from pipeline.records import Array, Graph, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionAttrs:
    """Attributes of both operators.

    Attributes:
        window: geometry.
        groups: of channels that do not mix; a depthwise convolution has one per input channel.
        activation: TFLite's code of the fused activation.
    """

    window: Window
    groups: int
    activation: int


def require_tensors(raw: RawOp) -> None:
    """Check the number, ranks and types of inputs and output, all but the filter's shape."""
    require_counts(raw, (2, 3))
    x, output = input_of(raw, 0), raw.outputs[0]
    for tensor in (x, input_of(raw, 1), output):
        require_rank(raw, tensor, 4)
    require_int8(raw, x, output)
    require_batch_one(raw, x)


def convolution_attrs(
    raw: RawOp, options: Any, *, taps: tuple[int, int], channel_axis: int, groups: int
) -> ConvolutionAttrs:
    """Check the filter and the output, and resolve the geometry.

    Args:
        raw: the operator, after `require_tensors`.
        options: its flatbuffer options.
        taps: (vertical, horizontal) of the filter.
        channel_axis: the filter's dimension of output channels.
        groups: of channels.
    Raises:
        UnsupportedModelError: something does not fit.
    """
    output = raw.outputs[0]
    channels = input_of(raw, 1).shape[channel_axis]
    require(
        output.shape[0] == 1 and output.shape[3] == channels,
        raw,
        f"the output must be [1, height, width, {channels}]",
        output.shape,
        "The file is damaged; convert the model again.",
    )
    require_filter(raw, axis=channel_axis, channels=channels)
    window = window_of(
        raw,
        input_of(raw, 0),
        output,
        taps=taps,
        stride=(options.StrideH(), options.StrideW()),
        dilation=(options.DilationHFactor(), options.DilationWFactor()),
        padding=options.Padding(),
    )
    activation = require_activation(raw, options.FusedActivationFunction())
    return ConvolutionAttrs(window=window, groups=groups, activation=activation)


def attrs_of(op: Op) -> ConvolutionAttrs:
    """The attributes that `convolution_attrs` made."""
    assert isinstance(op.attrs, ConvolutionAttrs)
    return op.attrs


def convolution_row_windows(op: Op) -> Mapping[int, RowWindow]:
    """See `OpModule.row_windows`."""
    return {op.inputs[0]: attrs_of(op).window.rows}


def convolution_call(op: Op, graph: Graph, filter_ohwi: Array) -> KernelCall:
    """The call of conv_2d_s8, or of conv_2d_s4 for weights of four bits.

    Args:
        op, graph: the layer.
        filter_ohwi: [out, height, width, in / groups].
    Raises:
        UnsupportedModelError: the scales are broken.
    """
    by_channel = filter_ohwi.reshape(filter_ohwi.shape[0], -1)
    values, layout, function = filter_ohwi, "[out, height, width, in]", "conv_2d_s8"
    if has_int4_filter(op, graph):
        values = pair_channels(by_channel, attrs_of(op).groups)
        layout, function = "[pairs of out, height, width, in]", "conv_2d_s4"
    constants = convolution_constants(op, graph, values, by_channel, layout)
    return KernelCall(
        function=function,
        header=f"{function}.h",
        params_type="conv_2d_params",
        fields=params_fields(op, graph, "filter_ohwi", groups=("uint16_t", attrs_of(op).groups)),
        constants=constants,
        tensors=(op.inputs[0], op.outputs[0]),
        rows=image_rows(op, graph),
    )


def image_rows(op: Op, graph: Graph) -> tuple[int, int]:
    """`KernelCall.rows` of a kernel from one image to another."""
    return num_rows(graph.tensors[op.inputs[0]]), num_rows(graph.tensors[op.outputs[0]])


def params_fields(
    op: Op, graph: Graph, filter_name: str, **own: tuple[str, FieldValue]
) -> tuple[Field, ...]:
    """The fields of a convolution kernel's struct; `own` are the ones of this kernel alone."""
    attrs = attrs_of(op)
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    lowest, highest = activation_range(attrs.activation, output)
    window = attrs.window
    geometry = {
        **image_sizes(x, output),
        "filter_h": window.filter_h,
        "filter_w": window.filter_w,
        "stride_h": window.stride_h,
        "stride_w": window.stride_w,
        "dilation_h": window.dilation_h,
        "dilation_w": window.dilation_w,
        "pad_top": window.pad_top,
        "pad_left": window.pad_left,
    }
    pointers: dict[str, tuple[str, FieldValue]] = {filter_name: ("pointer", "filter")}
    return fields_of(
        label_of(op),
        **pointers,
        bias=("pointer", "bias"),
        multiplier=("pointer", "multiplier"),
        shift=("pointer", "shift"),
        **{name: ("uint16_t", number) for name, number in geometry.items()},
        **own,
        input_offset=("int16_t", -zero_point_of(x)),
        output_offset=("int16_t", zero_point_of(output)),
        output_min=("int8_t", lowest),
        output_max=("int8_t", highest),
    )


def as_contiguous(values: Array) -> Array:
    """A read-only contiguous copy, for filters whose layout was changed."""
    copy = np.ascontiguousarray(values)
    copy.flags.writeable = False
    return copy
