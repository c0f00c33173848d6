"""DEPTHWISE_CONV_2D: int8, any depth multiplier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
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
from pipeline.ops.conv_2d import (
    as_contiguous,
    convolution_call,
    geometry_fields,
    require_output_channels,
)
from pipeline.ops.filters import convolution_constants, require_filter
from pipeline.ops.window import Window, window_of
from pipeline.records import Graph, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv2DAttrs:
    """Attributes of DEPTHWISE_CONV_2D."""

    window: Window
    depth_multiplier: int
    activation: int


def parse(raw: RawOp) -> DepthwiseConv2DAttrs:
    """Check shapes, types and options; see `OpModule.parse`.

    The depth multiplier follows from the shapes; TFLite ignores the stored one, too.
    """
    import tflite

    require_counts(raw, (2, 3))
    x, filter_, output = input_of(raw, 0), input_of(raw, 1), raw.outputs[0]
    for tensor in (x, filter_, output):
        require_rank(raw, tensor, 4)
    require_int8(raw, x, output)
    require_batch_one(raw, x)
    options = raw.options_as(tflite.DepthwiseConv2DOptions)
    _, taps_h, taps_w, channels = filter_.shape
    require(
        filter_.shape[0] == 1 and x.shape[3] > 0 and channels % x.shape[3] == 0,
        raw,
        "the filter must be [1, height, width, a multiple of the input channels]",
        f"input {x.shape}, filter {filter_.shape}",
        "The file is damaged; convert the model again.",
    )
    require_output_channels(raw, channels)
    require_filter(raw, axis=3, channels=channels)
    window = window_of(
        raw,
        x,
        output,
        taps=(taps_h, taps_w),
        stride=(options.StrideH(), options.StrideW()),
        dilation=(options.DilationHFactor(), options.DilationWFactor()),
        padding=options.Padding(),
    )
    return DepthwiseConv2DAttrs(
        window=window,
        depth_multiplier=channels // x.shape[3],
        activation=require_activation(raw, options.FusedActivationFunction()),
    )


def macs(op: Op, graph: Graph) -> int:
    """Output elements times taps; padding counts."""
    _, taps_h, taps_w, _ = graph.tensors[op.inputs[1]].shape
    return graph.tensors[op.outputs[0]].num_elements * taps_h * taps_w


def call(op: Op, graph: Graph) -> KernelCall:
    """depthwise_conv_2d_s8, or conv_2d_s8 for one input channel; see `OpModule.call`.

    A depthwise convolution of a single channel is an ordinary one, whose kernel reads a whole
    row of the window at a time: only the filter's layout differs.
    """
    attrs = op.attrs
    assert isinstance(attrs, DepthwiseConv2DAttrs)
    filter_1hwc = constant_of(graph, op.inputs[1])
    filter_ohw = as_contiguous(np.moveaxis(filter_1hwc[0], 2, 0))
    by_channel = filter_ohw.reshape(filter_ohw.shape[0], -1)
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if x.shape[3] == 1:
        constants = convolution_constants(
            op, graph, filter_ohw, by_channel, "[out, height, width, 1]"
        )
        return convolution_call(op, graph, attrs.window, 1, attrs.activation, constants)
    lowest, highest = activation_range(attrs.activation, output)
    fields = fields_of(
        label_of(op),
        filter_hwc=("pointer", "filter"),
        bias=("pointer", "bias"),
        multiplier=("pointer", "multiplier"),
        shift=("pointer", "shift"),
        **geometry_fields(attrs.window, x.shape, output.shape),
        depth_multiplier=("uint16_t", attrs.depth_multiplier),
        input_offset=("int16_t", -zero_point_of(x)),
        output_offset=("int16_t", zero_point_of(output)),
        output_min=("int8_t", lowest),
        output_max=("int8_t", highest),
    )
    return KernelCall(
        function="depthwise_conv_2d_s8",
        header="depthwise_conv_2d_s8.h",
        params_type="depthwise_conv_2d_params",
        fields=fields,
        constants=convolution_constants(
            op, graph, filter_1hwc, by_channel, "[height, width, channels]"
        ),
        tensors=(op.inputs[0], op.outputs[0]),
    )
