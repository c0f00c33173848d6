"""DEPTHWISE_CONV_2D: a window of 3x3 that slides over the image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.fixed_point import FloorForm, floor_form, quantize_multiplier
from pipeline.ops.base import Constant, KernelCall, fields_of, label_of
from pipeline.ops.checks import activation_range, check_scaled_range, constant_of, zero_point_of
from pipeline.ops.convolution import attrs_of
from pipeline.ops.filters import accumulator_limits, bias_values, real_factors
from pipeline.ops.window import Window
from pipeline.records import Graph, Op, Tensor

# Of the kernels' requantization.
_SHIFT = 10

Int64Array = npt.NDArray[np.int64]


def call(op: Op, graph: Graph) -> KernelCall | None:
    """depthwise_conv_2d_3x3_dsp_s8, or its variant for ReLUs; see `DspModule.call`."""
    attrs = attrs_of(op)
    window = attrs.window
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if not (
        x.shape[3] == output.shape[3]
        and _fits_3x3(window, x, output)
        and activation_range(attrs.activation, output) == (-128, 127)
    ):
        return None
    weights = constant_of(graph, op.inputs[1])[0].astype(np.int64)
    bias = _folded_bias(op, graph, weights)
    forms = _forms(op, graph, weights, bias)
    if forms is None:
        return None
    # A ReLU leaves a zero point of -128, and one rounding for both signs.
    relu = zero_point_of(output) == -128
    words = _taps_3x3(weights, bias, forms)
    return KernelCall(
        function="depthwise_conv_2d_3x3_relu_dsp_s8" if relu else "depthwise_conv_2d_3x3_dsp_s8",
        header="dsp/depthwise_conv_2d_3x3_dsp_s8.h",
        params_type="depthwise_conv_2d_3x3_dsp_params",
        fields=fields_of(
            label_of(op),
            taps=("pointer", "taps"),
            input_h=("uint16_t", x.shape[1]),
            input_w=("uint16_t", x.shape[2]),
            output_w=("uint16_t", output.shape[2]),
            channels=("uint16_t", x.shape[3]),
            stride_h=("uint16_t", window.stride_h),
            stride_w=("uint16_t", window.stride_w),
            pad_top=("uint16_t", window.pad_top),
            pad_left=("uint16_t", window.pad_left),
            input_zero_point=("int8_t", zero_point_of(x)),
        ),
        constants=(
            Constant(
                name="taps",
                c_type="int32_t",
                values=words[:, :8] if relu else words,
                comment="[channels]: 9 weights in pairs, bias, multiplier, rounding",
            ),
        ),
        tensors=(op.inputs[0], op.outputs[0]),
        rows=(x.shape[1], output.shape[1]),
    )


def _fits_3x3(window: Window, x: Tensor, output: Tensor) -> bool:
    """Whether the sliding kernel takes the geometry."""
    # Rows below the image, and columns beside it, that the last windows reach.
    below = (output.shape[1] - 1) * window.stride_h - window.pad_top + 3 - x.shape[1]
    beside = (output.shape[2] - 1) * window.stride_w - window.pad_left + 3 - x.shape[2]
    return (
        (window.filter_h, window.filter_w, window.dilation_h, window.dilation_w) == (3, 3, 1, 1)
        and window.stride_w <= 2
        and x.shape[1] >= 3
        and x.shape[3] < 1 << 15
        and max(window.pad_top, window.pad_left, below, beside) <= 1
    )


def _forms(
    op: Op, graph: Graph, weights: Int64Array, bias: Int64Array
) -> tuple[FloorForm, ...] | None:
    """The requantization of each channel; None if one has none.

    Args:
        op, graph: the layer.
        weights: [height, width, channels].
        bias: from `_folded_bias`.
    """
    by_channel = weights.reshape(-1, weights.shape[2]).T
    zero_point = zero_point_of(graph.tensors[op.outputs[0]])
    forms = []
    for channel, start, limit, real in zip(
        by_channel,
        bias.tolist(),
        accumulator_limits(op, graph, by_channel),
        real_factors(op, graph, len(by_channel)),
        strict=True,
    ):
        check_scaled_range(label_of(op), limit, real)
        ends = np.stack([channel * -128, channel * 127])
        # Weights are held in 16 bits.
        room = 15 - max(int(channel.max()).bit_length(), int(-1 - channel.min()).bit_length())
        form = floor_form(
            quantize_multiplier(real),
            zero_point=zero_point,
            reach=(start + int(ends.min(axis=0).sum()), start + int(ends.max(axis=0).sum())),
            shift=_SHIFT,
            most_prescale=room,
        )
        if form is None:
            return None
        forms.append(form)
    return tuple(forms)


def _folded_bias(op: Op, graph: Graph, weights: Int64Array) -> Int64Array:
    """The bias, less what the input's zero point contributes to every sum."""
    zero_point = zero_point_of(graph.tensors[op.inputs[0]])
    sums: Int64Array = weights.sum(axis=(0, 1))
    return bias_values(op, graph, len(sums)).astype(np.int64) - zero_point * sums


def _taps_3x3(
    weights: Int64Array, bias: Int64Array, forms: tuple[FloorForm, ...]
) -> npt.NDArray[np.int32]:
    """The constants [channels, 9]; see depthwise_conv_2d_3x3_dsp_s8.h."""
    scale = np.array([1 << form.prescale for form in forms])
    w = weights * scale
    channels = np.full(len(forms), len(forms))
    columns = [
        *(_lanes(w[0, x], w[1, x]) for x in range(3)),
        _lanes(w[2, 0], w[2, 1]),
        _lanes(w[2, 2], channels),
        bias * scale + np.array([form.offset for form in forms]),
        np.array([form.multiplier for form in forms]),
        np.array([form.rounding for form in forms]),
        np.array([form.negative_rounding for form in forms]),
    ]
    return np.stack(columns, axis=1).astype(np.int32)


def _lanes(bottom: Int64Array, top: Int64Array) -> Int64Array:
    """Two int16 values as one int32."""
    return (top << 16) | (bottom & 0xFFFF)
