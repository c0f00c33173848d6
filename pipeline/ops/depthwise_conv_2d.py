"""DEPTHWISE_CONV_2D: int8, any depth multiplier."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.ops.base import KernelCall, RawOp
from pipeline.ops.checks import constant_of, input_of, require
from pipeline.ops.convolution import (
    ConvolutionAttrs,
    as_contiguous,
    convolution_attrs,
    convolution_call,
    convolution_row_windows,
    image_rows,
    params_fields,
    require_tensors,
)
from pipeline.ops.filters import convolution_constants
from pipeline.ops.rows import RowWindow
from pipeline.records import Graph, Op


def parse(raw: RawOp) -> ConvolutionAttrs:
    """Check shapes, types and options; see `OpModule.parse`.

    The depth multiplier follows from the shapes; TFLite ignores the stored one, too.
    """
    import tflite

    require_tensors(raw)
    x, filter_1hwc = input_of(raw, 0), input_of(raw, 1)
    ones, taps_h, taps_w, channels = filter_1hwc.shape
    require(
        ones == 1 and x.shape[3] > 0 and channels % x.shape[3] == 0,
        raw,
        "the filter must be [1, height, width, a multiple of the input channels]",
        f"input {x.shape}, filter {filter_1hwc.shape}",
        "The file is damaged; convert the model again.",
    )
    return convolution_attrs(
        raw,
        raw.options_as(tflite.DepthwiseConv2DOptions),
        taps=(taps_h, taps_w),
        channel_axis=3,
        groups=x.shape[3],
    )


def macs(op: Op, graph: Graph) -> int:
    """Output elements times taps; padding counts."""
    _, taps_h, taps_w, _ = graph.tensors[op.inputs[1]].shape
    return graph.tensors[op.outputs[0]].num_elements * taps_h * taps_w


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow]:
    """See `OpModule.row_windows`."""
    return convolution_row_windows(op)


def call(op: Op, graph: Graph) -> KernelCall:
    """depthwise_conv_2d_s8, or conv_2d_s8 for one input channel; see `OpModule.call`.

    A depthwise convolution of a single channel is an ordinary one, whose kernel reads a whole
    row of the window at a time: only the filter's layout differs. Weights of four bits take a
    byte each otherwise: there are too few of them to pay for kernels of their own.
    """
    filter_1hwc = constant_of(graph, op.inputs[1])
    filter_ohw = as_contiguous(np.moveaxis(filter_1hwc[0], 2, 0))
    by_channel = filter_ohw.reshape(filter_ohw.shape[0], -1)
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if x.shape[3] == 1:
        return convolution_call(op, graph, filter_ohw[..., np.newaxis])
    depth_multiplier = output.shape[3] // x.shape[3]
    return KernelCall(
        function="depthwise_conv_2d_s8",
        header="depthwise_conv_2d_s8.h",
        params_type="depthwise_conv_2d_params",
        fields=params_fields(
            op, graph, "filter_hwc", depth_multiplier=("uint16_t", depth_multiplier)
        ),
        constants=convolution_constants(
            op, graph, filter_1hwc, by_channel, "[height, width, channels]"
        ),
        tensors=(op.inputs[0], op.outputs[0]),
        rows=image_rows(op, graph),
    )
