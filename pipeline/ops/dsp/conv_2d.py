"""CONV_2D without groups: windows gathered into columns, times pairs of output channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.ops.base import Constant, KernelCall, fields_of, label_of
from pipeline.ops.checks import activation_range, constant_of, zero_point_of
from pipeline.ops.convolution import attrs_of, image_rows
from pipeline.ops.dsp.accumulators import convolution_accumulators
from pipeline.ops.dsp.channel_pairs import Channels, Kernel, fit, stream
from pipeline.ops.window import Window
from pipeline.records import Array, Graph, Op, Tensor

# Instructions per inference that a byte of flash has to save where weights could be held in one
# byte or in two.
_WORTH_A_BYTE = 16

# Of kernels for halves, whose loop is unrolled to the end.
_MOST_BLOCKS_OF_HALVES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """How a window of values lies in columns (conv_2d_dsp_s8.h).

    Attributes:
        runs: stretches of values that are neighbours in the input.
        run_length: values of a run.
        rest: whether the last run_length % 4 values of each run lie together, at the end.
    """

    runs: int
    run_length: int
    rest: bool

    @property
    def blocks(self) -> int:
        """Blocks of four values."""
        if self.rest:
            return self.runs * (self.run_length // 4) + -(-self.runs * (self.run_length % 4) // 4)
        return self.runs * -(-self.run_length // 4)

    @property
    def lanes(self) -> npt.NDArray[np.intp]:
        """[words, 2], which value of the window lies in each lane; -1: one that does not count."""
        return np.array(list(self._lanes()), dtype=np.intp).reshape(-1, 2)

    def _lanes(self) -> Iterator[int]:
        whole = self.run_length // 4 * 4
        tail = self.run_length - whole
        for run in range(self.runs):
            first = run * self.run_length
            for k in range(first, first + whole, 4):
                yield from (k, k + 2, k + 1, k + 3)
            if tail and not self.rest:
                # The last four values once more: only those count that were not among the others.
                end = first + self.run_length
                last = [k if k >= first + whole else -1 for k in range(end - 4, end)]
                yield from (last[0], last[2], last[1], last[3])
        if self.rest:
            rests = [
                run * self.run_length + k
                for run in range(self.runs)
                for k in range(whole, whole + tail)
            ]
            yield from rests
            yield from [-1] * (-len(rests) % 4)


def call(op: Op, graph: Graph) -> KernelCall | None:
    """The kernel of conv_2d_dsp_s8.h that fits best; see `DspModule.call`."""
    if attrs_of(op).groups != 1:
        return None
    return convolution_call(op, graph, constant_of(graph, op.inputs[1]))


def convolution_call(op: Op, graph: Graph, filter_ohwi: Array) -> KernelCall | None:
    """The same for an operator without groups whose filter is [out, height, width, in]."""
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    columns = choose_columns(attrs_of(op).window, x.shape[3], output.shape[3])
    accumulators = convolution_accumulators(
        op, graph, filter_ohwi.reshape(filter_ohwi.shape[0], -1)
    )
    for kernel in preferred_kernels(columns, output):
        channels = fit(accumulators, kernel)
        if channels is not None:
            return _call(op, graph, columns, kernel, channels)
    return None


def choose_columns(window: Window, channels: int, outputs: int) -> Columns:
    """Lay a window into columns at the least cost.

    Args:
        window: geometry of the layer.
        channels: of the input.
        outputs: channels of the output.
    """
    taps = window.filter_w if window.dilation_w == 1 else 1
    runs = window.filter_h * (window.filter_w // taps)
    length = taps * channels
    together = Columns(runs=runs, run_length=length, rest=True)
    if length % 4 == 0:
        return Columns(runs=runs, run_length=length, rest=False)
    if length < 4:
        return together
    apart = Columns(runs=runs, run_length=length, rest=False)
    # Measured: a block of a pixel takes about 3 instructions for each output channel and 4 to
    # expand, a value that is laid by itself 5.
    more = (apart.blocks - together.blocks) * (3 * outputs + 4)
    return together if 5 * runs * (length % 4) < more else apart


def preferred_kernels(columns: Columns, output: Tensor) -> tuple[Kernel, ...]:
    """The kernels that a layer may take, best first.

    Args:
        columns: of the layer.
        output: its result.
    """
    every = (Kernel.BYTES_FLOOR, Kernel.BYTES_NEAREST)
    halves = (Kernel.HALVES_FLOOR, Kernel.HALVES_NEAREST)
    if columns.blocks > _MOST_BLOCKS_OF_HALVES:
        return every
    # Instructions for one output of a pixel.
    saved = (42 + 70 * columns.blocks / 4) / 6 - (23 + 10 * columns.blocks) / 4
    pixels = output.shape[1] * output.shape[2]
    worth = saved * pixels >= _WORTH_A_BYTE * 4 * columns.blocks
    return (halves[0], every[0], halves[1], every[1]) if worth else every


def _call(op: Op, graph: Graph, columns: Columns, kernel: Kernel, channels: Channels) -> KernelCall:
    attrs = attrs_of(op)
    window = attrs.window
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    lowest, highest = activation_range(attrs.activation, output)
    pixels = 2 if kernel.halves else 3
    geometry = {
        "input_h": x.shape[1],
        "input_w": x.shape[2],
        "input_c": x.shape[3],
        "output_w": output.shape[2],
        "output_c": output.shape[3],
        "filter_h": window.filter_h,
        "filter_w": window.filter_w,
        "stride_h": window.stride_h,
        "stride_w": window.stride_w,
        "dilation_h": window.dilation_h,
        "dilation_w": window.dilation_w,
        "pad_top": window.pad_top,
        "pad_left": window.pad_left,
        "blocks": columns.blocks,
    }
    return KernelCall(
        function=f"conv_2d_{kernel.value}_dsp_s8",
        header="dsp/conv_2d_dsp_s8.h",
        params_type="conv_2d_dsp_params",
        fields=fields_of(
            label_of(op),
            stream=("pointer", "stream"),
            **{name: ("uint16_t", number) for name, number in geometry.items()},
            rest=("uint8_t", int(columns.rest)),
            input_zero_point=("int8_t", zero_point_of(x)),
            output_min=("int8_t", lowest),
            output_max=("int8_t", highest),
        ),
        constants=(
            Constant(
                name="stream",
                c_type="int32_t",
                values=stream(channels, kernel, columns.lanes).astype(np.int32),
                comment="biases, weights and factors of pairs of channels, see channel_pairs.h",
            ),
        ),
        tensors=(op.inputs[0], op.outputs[0]),
        rows=image_rows(op, graph),
        scratch_bytes=8 * columns.runs
        + 8 * pixels * columns.blocks
        + _patch_bytes(op, graph, pixels),
    )


def _patch_bytes(op: Op, graph: Graph, pixels: int) -> int:
    """Size of the copy of what lies below the windows of some pixels, if padding is part of it."""
    window = attrs_of(op).window
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    reach_h = (window.filter_h - 1) * window.dilation_h + 1
    reach_w = (window.filter_w - 1) * window.dilation_w + 1
    end_y = (output.shape[1] - 1) * window.stride_h - window.pad_top + reach_h
    end_x = (output.shape[2] - 1) * window.stride_w - window.pad_left + reach_w
    if window.pad_top == window.pad_left == 0 and end_y <= x.shape[1] and end_x <= x.shape[2]:
        return 0
    return window.filter_h * ((pixels - 1) * window.stride_w + reach_w) * x.shape[3]
