"""CONV_2D: int8 convolution, groups and dilation included."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.ops.base import KernelCall, RawOp
from pipeline.ops.checks import constant_of, input_of, require
from pipeline.ops.convolution import (
    ConvolutionAttrs,
    convolution_attrs,
    convolution_call,
    convolution_row_windows,
    require_tensors,
)
from pipeline.ops.rows import RowWindow
from pipeline.records import Graph, Op


def parse(raw: RawOp) -> ConvolutionAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    import tflite

    require_tensors(raw)
    x, filter_ohwi = input_of(raw, 0), input_of(raw, 1)
    channels, taps_h, taps_w, depth = filter_ohwi.shape
    require(
        depth > 0 and x.shape[3] % depth == 0 and channels % (x.shape[3] // depth) == 0,
        raw,
        "input channels must be a multiple of the filter's, output channels of the groups",
        f"input {x.shape}, filter {filter_ohwi.shape}",
        "The file is damaged; convert the model again.",
    )
    return convolution_attrs(
        raw,
        raw.options_as(tflite.Conv2DOptions),
        taps=(taps_h, taps_w),
        channel_axis=0,
        groups=x.shape[3] // depth,
    )


def macs(op: Op, graph: Graph) -> int:
    """Output elements times taps times channels of a group; padding counts."""
    _, taps_h, taps_w, depth = graph.tensors[op.inputs[1]].shape
    return graph.tensors[op.outputs[0]].num_elements * taps_h * taps_w * depth


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow]:
    """See `OpModule.row_windows`."""
    return convolution_row_windows(op)


def call(op: Op, graph: Graph) -> KernelCall:
    """conv_2d_s8 or conv_2d_s4; see `OpModule.call`."""
    return convolution_call(op, graph, constant_of(graph, op.inputs[1]))
