"""TRANSPOSE_CONV: int8, per-channel scales; the output's shape has to be constant."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from pipeline.ops.base import FieldValue, KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import (
    activation_range,
    constant_of,
    input_of,
    require,
    require_activation,
    require_batch_one,
    require_constant,
    require_counts,
    require_int8,
    require_rank,
    zero_point_of,
)
from pipeline.ops.filters import convolution_constants, require_filter
from pipeline.ops.window import image_sizes, output_and_padding
from pipeline.records import Graph, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class TransposeConvAttrs:
    """Attributes of TRANSPOSE_CONV: steps and padding of the convolution that it turns round."""

    stride_h: int
    stride_w: int
    pad_top: int
    pad_left: int
    activation: int


def parse(raw: RawOp) -> TransposeConvAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    import tflite

    require_counts(raw, (3, 4))
    filter_, x, output = input_of(raw, 1), input_of(raw, 2), raw.outputs[0]
    for tensor in (filter_, x, output):
        require_rank(raw, tensor, 4)
    require_int8(raw, x, output)
    require_batch_one(raw, x)
    channels, taps_h, taps_w, depth = filter_.shape
    shape = np.ravel(require_constant(raw, input_of(raw, 0), "the output's shape")).tolist()
    way_out = "The file is damaged; convert the model again."
    require(
        tuple(shape) == output.shape and output.shape[0] == 1 and output.shape[3] == channels,
        raw,
        f"the output must be [1, height, width, {channels}] as its shape says",
        f"{output.shape} and {shape}",
        way_out,
    )
    require(
        depth == x.shape[3],
        raw,
        "the filter must have as many channels as the input",
        f"{filter_.shape} and {x.shape}",
        way_out,
    )
    require_filter(_as_convolution(raw), axis=0, channels=channels, dtypes=("int8",))
    options = raw.options_as(tflite.TransposeConvOptions)
    strides = options.StrideH(), options.StrideW()
    require(
        min(strides) >= 1 and options.Padding() in (0, 1),
        raw,
        "stride must be at least 1, padding SAME or VALID",
        f"{strides} and {options.Padding()}",
        way_out,
    )
    # A convolution with these options makes the input of the output.
    (height, top), (width, left) = (
        output_and_padding(options.Padding(), output.shape[axis], taps, stride, 1)
        for axis, taps, stride in ((1, taps_h, strides[0]), (2, taps_w, strides[1]))
    )
    require(
        x.shape[1:3] == (height, width),
        raw,
        f"the input of such an output must be {height} x {width}",
        x.shape,
        way_out,
    )
    return TransposeConvAttrs(
        stride_h=strides[0],
        stride_w=strides[1],
        pad_top=top,
        pad_left=left,
        activation=require_activation(raw, options.FusedActivationFunction()),
    )


def _as_convolution(raw: RawOp) -> RawOp:
    """The operator with its inputs in a convolution's order: input, filter, bias."""
    return dataclasses.replace(raw, inputs=(raw.inputs[2], raw.inputs[1], *raw.inputs[3:]))


def macs(op: Op, graph: Graph) -> int:
    """Input elements times taps times output channels; those that fall outside count."""
    channels, taps_h, taps_w, _ = graph.tensors[op.inputs[1]].shape
    return graph.tensors[op.inputs[2]].num_elements * taps_h * taps_w * channels


def row_windows(op: Op, graph: Graph) -> None:
    """Read whole: the rows behind an output row do not follow each other in even steps."""


def call(op: Op, graph: Graph) -> KernelCall:
    """transpose_conv_s8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, TransposeConvAttrs)
    layer = dataclasses.replace(op, inputs=(op.inputs[2], op.inputs[1], *op.inputs[3:]))
    filter_ohwi = constant_of(graph, op.inputs[1])
    x, output = graph.tensors[op.inputs[2]], graph.tensors[op.outputs[0]]
    by_channel = filter_ohwi.reshape(filter_ohwi.shape[0], -1)
    lowest, highest = activation_range(attrs.activation, output)
    geometry = {
        **image_sizes(x, output),
        "filter_h": filter_ohwi.shape[1],
        "filter_w": filter_ohwi.shape[2],
        "stride_h": attrs.stride_h,
        "stride_w": attrs.stride_w,
        "pad_top": attrs.pad_top,
        "pad_left": attrs.pad_left,
    }
    pointers: dict[str, tuple[str, FieldValue]] = {
        "filter_ohwi": ("pointer", "filter"),
        **{name: ("pointer", name) for name in ("bias", "multiplier", "shift")},
    }
    return KernelCall(
        function="transpose_conv_s8",
        header="transpose_conv_s8.h",
        params_type="transpose_conv_params",
        fields=fields_of(
            label_of(op),
            **pointers,
            **{name: ("uint16_t", number) for name, number in geometry.items()},
            input_offset=("int16_t", -zero_point_of(x)),
            output_offset=("int16_t", zero_point_of(output)),
            output_min=("int8_t", lowest),
            output_max=("int8_t", highest),
        ),
        constants=convolution_constants(
            layer, graph, filter_ohwi, by_channel, "[out, height, width, in]"
        ),
        tensors=(x.index, output.index),
        rows=(x.shape[1], output.shape[1]),
    )
