"""DEPTHWISE_CONV_2D: a window of 3x3 that slides over rows, and large windows on a plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.ops.base import Constant, KernelCall, fields_of, label_of
from pipeline.ops.checks import activation_range, constant_of, zero_point_of
from pipeline.ops.convolution import as_contiguous, attrs_of
from pipeline.ops.dsp.accumulators import Accumulators, convolution_accumulators
from pipeline.ops.dsp.conv_2d import convolution_call
from pipeline.ops.dsp.depthwise_forms import DepthwiseForm, fit_forms
from pipeline.ops.window import Window
from pipeline.records import Graph, Op, Tensor

# Where the kernel for large windows begins to pay, and what its plane may take in the scratch
# where it works with less.
_MANY_TAPS = 12
_PLANE_BYTES = 1024

# Shifts of results: that of almost all layers, and others for channels that it does not suit:
# after a ReLU those whose results change much with their sums, else those that change little.
_SHIFT = 10
_RELU_SHIFT = 8
_FINE_SHIFT = 13
# From which exponent on a channel needs the latter more often than not.
_FINE_EXPONENT = 11
_VARIANTS = {_SHIFT: "", _RELU_SHIFT: "coarse_", _FINE_SHIFT: "fine_"}

Int64Array = npt.NDArray[np.int64]


def call(op: Op, graph: Graph) -> KernelCall | None:
    """A kernel for windows of 3x3, with a variant for ReLUs, or one for large windows.

    A single channel is left to the kernels of CONV_2D. See `DspModule.call`.
    """
    attrs = attrs_of(op)
    window = attrs.window
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    filter_hwc = constant_of(graph, op.inputs[1])[0]
    if x.shape[3] == 1:
        # An ordinary convolution, as the portable kernels have it, too.
        return convolution_call(op, graph, np.moveaxis(filter_hwc, 2, 0)[..., np.newaxis])
    fits_3x3, fits_any = _fits_3x3(window, x, output), _fits_any(window, output)
    if (
        x.shape[3] != output.shape[3]
        or not (fits_3x3 or fits_any)
        or activation_range(attrs.activation, output) != (-128, 127)
    ):
        return None
    weights = filter_hwc.astype(np.int64)
    accumulators = convolution_accumulators(op, graph, weights.reshape(-1, weights.shape[2]).T)
    forms = _forms(accumulators, of_one_shift=fits_3x3)
    if forms is None:
        return None
    channels = _Channels(weights=weights, bias=accumulators.bias, forms=forms)
    return _call_3x3(op, graph, channels) if fits_3x3 else _call_any(op, graph, channels)


def _forms(accumulators: Accumulators, *, of_one_shift: bool) -> tuple[DepthwiseForm, ...] | None:
    """A form for each channel, with the usual shift if it can be; None if a channel has none."""
    relu = accumulators.zero_point == -128
    usual = (_SHIFT, _RELU_SHIFT if relu else _FINE_SHIFT)
    fine = (accumulators.exponent >= _FINE_EXPONENT) & (not relu)
    if not of_one_shift:
        return fit_forms(accumulators, [usual[::-1] if one else usual for one in fine])
    for shift in usual[::-1] if fine.any() else usual:
        forms = fit_forms(accumulators, [(shift,)] * len(fine))
        if forms is not None:
            return forms
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Channels:
    """What the kernels compute with.

    Attributes:
        weights: [height, width, channels].
        bias: [channels], with what the input's zero point contributes.
        forms: of each channel.
    """

    weights: Int64Array
    bias: Int64Array
    forms: tuple[DepthwiseForm, ...]

    @property
    def scale(self) -> Int64Array:
        """What weights and biases are multiplied by."""
        return np.array([1 << form.prescale for form in self.forms])

    @property
    def scaled_bias(self) -> Int64Array:
        """The bias as the kernels add it."""
        offsets: Int64Array = np.array([form.offset for form in self.forms])
        return self.bias * self.scale + offsets

    @property
    def multiplier(self) -> Int64Array:
        """Of the requantization."""
        return np.array([form.multiplier for form in self.forms])

    @property
    def rounding(self) -> Int64Array:
        """For sums that are not negative."""
        return np.array([form.rounding for form in self.forms])

    @property
    def negative_rounding(self) -> Int64Array:
        """For sums that are."""
        return np.array([form.negative_rounding for form in self.forms])


def _call_3x3(op: Op, graph: Graph, channels: _Channels) -> KernelCall:
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    # A ReLU leaves a zero point of -128, and one rounding for both signs.
    relu = zero_point_of(output) == -128
    words = _taps_3x3(channels)
    variant = ("relu_" if relu else "") + _VARIANTS[channels.forms[0].shift]
    return KernelCall(
        function=f"depthwise_conv_2d_3x3_{variant}dsp_s8",
        header="dsp/depthwise_conv_2d_3x3_dsp_s8.h",
        params_type="depthwise_conv_2d_3x3_dsp_params",
        fields=fields_of(
            label_of(op),
            taps=("pointer", "taps"),
            **_geometry(op, graph, "stride_h", "stride_w", "pad_top", "pad_left"),
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


def _call_any(op: Op, graph: Graph, channels: _Channels) -> KernelCall:
    window = attrs_of(op).window
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    pairs = -(-window.filter_w // 2)
    # Outputs are computed four at a time, also behind a row's last.
    width = -(-output.shape[2] // 4) * 4
    columns = max(window.pad_left + x.shape[2], (width - 1) * window.stride_w + 2 * pairs)
    columns += columns % 2
    reach = window.rows.reach
    needed = reach + (output.shape[1] - 1) * window.stride_h
    plane_rows = min(needed, max(reach, _PLANE_BYTES // (2 * columns)))
    constants = np.stack(
        [
            channels.scaled_bias,
            channels.multiplier,
            channels.rounding,
            channels.negative_rounding - channels.rounding,
            np.array([form.shift | form.prescale << 8 for form in channels.forms]),
        ],
        axis=1,
    )
    return KernelCall(
        function="depthwise_conv_2d_dsp_s8",
        header="dsp/depthwise_conv_2d_dsp_s8.h",
        params_type="depthwise_conv_2d_dsp_params",
        fields=fields_of(
            label_of(op),
            filter_chw=("pointer", "filter"),
            constants=("pointer", "constants"),
            **_geometry(
                op,
                graph,
                *("filter_h", "filter_w", "stride_h", "stride_w", "dilation_h"),
                *("pad_top", "pad_left"),
            ),
            plane_rows=("uint16_t", plane_rows),
            plane_columns=("uint16_t", columns),
            input_zero_point=("int8_t", zero_point_of(x)),
        ),
        constants=(
            Constant(
                name="filter",
                c_type="int8_t",
                values=as_contiguous(np.moveaxis(channels.weights, 2, 0).astype(np.int8)),
                comment="[channels, height, width]",
            ),
            Constant(
                name="constants",
                c_type="int32_t",
                values=constants.astype(np.int32),
                comment="[channels]: bias, multiplier, rounding, if negative, shifts",
            ),
        ),
        tensors=(op.inputs[0], op.outputs[0]),
        rows=(x.shape[1], output.shape[1]),
        scratch_bytes=4 * window.filter_h * pairs + 2 * plane_rows * columns,
    )


def _geometry(op: Op, graph: Graph, *names: str) -> dict[str, tuple[str, int]]:
    """Fields of the parameters: sizes, and `names` of the window."""
    window = attrs_of(op).window
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    sizes = {
        "input_h": x.shape[1],
        "input_w": x.shape[2],
        "output_w": output.shape[2],
        "channels": x.shape[3],
        **{name: getattr(window, name) for name in names},
    }
    return {name: ("uint16_t", size) for name, size in sizes.items()}


def _fits_any(window: Window, output: Tensor) -> bool:
    """Whether the kernel for large windows takes the geometry, and is worth its preparations."""
    taps = window.filter_h * window.filter_w
    return window.dilation_w == 1 and taps >= _MANY_TAPS and output.shape[2] >= 4


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


def _taps_3x3(channels: _Channels) -> npt.NDArray[np.int32]:
    """The constants [channels, 9]; see depthwise_conv_2d_3x3_dsp_s8.h."""
    w = channels.weights * channels.scale
    columns = [
        *(_lanes(w[0, x], w[1, x]) for x in range(3)),
        _lanes(w[2, 0], w[2, 1]),
        _lanes(w[2, 2], np.full(len(channels.forms), len(channels.forms))),
        channels.scaled_bias,
        channels.multiplier,
        channels.rounding,
        channels.negative_rounding,
    ]
    return np.stack(columns, axis=1).astype(np.int32)


def _lanes(bottom: Int64Array, top: Int64Array) -> Int64Array:
    """Two int16 values as one int32."""
    return (top << 16) | (bottom & 0xFFFF)
