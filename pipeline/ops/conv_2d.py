"""CONV_2D: int8 convolution, groups and dilation included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.ops.base import Constant, KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import (
    activation_range,
    constant_of,
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
from pipeline.ops.window import Window, window_of
from pipeline.records import Array, Graph, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2DAttrs:
    """Attributes of CONV_2D."""

    window: Window
    groups: int
    activation: int


def parse(raw: RawOp) -> Conv2DAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    import tflite

    require_counts(raw, (2, 3))
    x, filter_, output = input_of(raw, 0), input_of(raw, 1), raw.outputs[0]
    for tensor in (x, filter_, output):
        require_rank(raw, tensor, 4)
    require_int8(raw, x, output)
    require_batch_one(raw, x)
    options = raw.options_as(tflite.Conv2DOptions)
    channels, taps_h, taps_w, depth = filter_.shape
    require(
        depth > 0 and x.shape[3] % depth == 0 and channels % (x.shape[3] // depth) == 0,
        raw,
        "input channels must be a multiple of the filter's, output channels of the groups",
        f"input {x.shape}, filter {filter_.shape}",
        "The file is damaged; convert the model again.",
    )
    require_output_channels(raw, channels)
    require_filter(raw, axis=0, channels=channels)
    window = window_of(
        raw,
        x,
        output,
        taps=(taps_h, taps_w),
        stride=(options.StrideH(), options.StrideW()),
        dilation=(options.DilationHFactor(), options.DilationWFactor()),
        padding=options.Padding(),
    )
    return Conv2DAttrs(
        window=window,
        groups=x.shape[3] // depth,
        activation=require_activation(raw, options.FusedActivationFunction()),
    )


def require_output_channels(raw: RawOp, channels: int) -> None:
    """Check that the output has as many channels as the filter, and batch 1."""
    output = raw.outputs[0]
    require(
        output.shape[0] == 1 and output.shape[3] == channels,
        raw,
        f"the output must be [1, height, width, {channels}]",
        output.shape,
        "The file is damaged; convert the model again.",
    )


def macs(op: Op, graph: Graph) -> int:
    """Output elements times taps times channels of a group; padding counts."""
    _, taps_h, taps_w, depth = graph.tensors[op.inputs[1]].shape
    return graph.tensors[op.outputs[0]].num_elements * taps_h * taps_w * depth


def call(op: Op, graph: Graph) -> KernelCall:
    """conv_2d_s8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, Conv2DAttrs)
    filter_ohwi = constant_of(graph, op.inputs[1])
    by_channel = filter_ohwi.reshape(filter_ohwi.shape[0], -1)
    constants = convolution_constants(
        op, graph, filter_ohwi, by_channel, "[out, height, width, in]"
    )
    return convolution_call(op, graph, attrs.window, attrs.groups, attrs.activation, constants)


def convolution_call(
    op: Op,
    graph: Graph,
    window: Window,
    groups: int,
    activation: int,
    constants: tuple[Constant, ...],
) -> KernelCall:
    """The call of conv_2d_s8 for any operator that is a convolution."""
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    lowest, highest = activation_range(activation, output)
    fields = fields_of(
        label_of(op),
        filter_ohwi=("pointer", "filter"),
        bias=("pointer", "bias"),
        multiplier=("pointer", "multiplier"),
        shift=("pointer", "shift"),
        **geometry_fields(window, x.shape, output.shape),
        groups=("uint16_t", groups),
        input_offset=("int16_t", -zero_point_of(x)),
        output_offset=("int16_t", zero_point_of(output)),
        output_min=("int8_t", lowest),
        output_max=("int8_t", highest),
    )
    return KernelCall(
        function="conv_2d_s8",
        header="conv_2d_s8.h",
        params_type="conv_2d_params",
        fields=fields,
        constants=constants,
        tensors=(op.inputs[0], op.outputs[0]),
    )


def geometry_fields(
    window: Window, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
) -> dict[str, tuple[str, int]]:
    """Shapes, strides, dilations and padding as struct fields."""
    numbers = {
        "input_h": input_shape[1],
        "input_w": input_shape[2],
        "input_c": input_shape[3],
        "output_h": output_shape[1],
        "output_w": output_shape[2],
        "output_c": output_shape[3],
        "filter_h": window.filter_h,
        "filter_w": window.filter_w,
        "stride_h": window.stride_h,
        "stride_w": window.stride_w,
        "dilation_h": window.dilation_h,
        "dilation_w": window.dilation_w,
        "pad_top": window.pad_top,
        "pad_left": window.pad_left,
    }
    return {name: ("uint16_t", number) for name, number in numbers.items()}


def as_contiguous(values: Array) -> Array:
    """A read-only contiguous copy, for constants whose layout was changed."""
    copy = np.ascontiguousarray(values)
    copy.flags.writeable = False
    return copy
