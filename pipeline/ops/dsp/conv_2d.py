"""CONV_2D without groups: windows in columns, times pairs of output channels."""

from __future__ import annotations

import numpy as np

from pipeline.ops.base import Constant, KernelCall, fields_of, label_of
from pipeline.ops.checks import activation_range, constant_of, zero_point_of
from pipeline.ops.convolution import attrs_of, image_rows
from pipeline.ops.dsp.accumulators import convolution_accumulators
from pipeline.ops.dsp.channel_pairs import Channels, Kernel, fit, stream
from pipeline.ops.dsp.columns import Columns, choose_columns
from pipeline.ops.nibbles import has_int4_filter
from pipeline.records import Array, Graph, Op, Tensor

# Instructions per inference that a byte of flash has to save where weights could be held in one
# byte or in two.
_WORTH_A_BYTE = 16

# Of kernels for halves, whose loop is unrolled to the end.
_MOST_BLOCKS_OF_HALVES = 8

# For weights of four bits, if they fit; windows do not slide under them.
_KERNELS_OF_NIBBLES = (Kernel.NIBBLES_FLOOR, Kernel.NIBBLES_NEAREST)

# Scratch for columns, unless one group of pixels takes more: a call for each costs 70 instructions.
_COLUMNS_BYTES = 512


def call(op: Op, graph: Graph) -> KernelCall | None:
    """The kernel of conv_2d_dsp_s8.h that fits best; see `DspModule.call`."""
    if attrs_of(op).groups != 1:
        return None
    return convolution_call(op, graph, constant_of(graph, op.inputs[1]))


def convolution_call(op: Op, graph: Graph, filter_ohwi: Array) -> KernelCall | None:
    """The same for an operator without groups whose filter is [out, height, width, in]."""
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    window, width = attrs_of(op).window, output.shape[2]
    int4 = has_int4_filter(op, graph)
    accumulators = convolution_accumulators(
        op, graph, filter_ohwi.reshape(filter_ohwi.shape[0], -1)
    )
    for slides in (False, True) if int4 else (True,):
        columns = choose_columns(window, x.shape[3], output.shape[3], width, slides=slides)
        kernels = preferred_kernels(columns, output) if slides else _KERNELS_OF_NIBBLES
        for kernel in kernels:
            channels = fit(accumulators, kernel)
            if channels is not None:
                return _call(op, graph, columns, kernel, channels)
    return None


def preferred_kernels(columns: Columns, output: Tensor) -> tuple[Kernel, ...]:
    """The kernels that a layer may take, best first.

    Args:
        columns: of the layer.
        output: its result.
    """
    if columns.sliding:
        return (Kernel.SLIDING_FLOOR, Kernel.SLIDING_NEAREST)
    if columns.blocks > _MOST_BLOCKS_OF_HALVES:
        return (Kernel.BYTES_FLOOR, Kernel.BYTES_NEAREST)
    # Instructions for one output of a pixel.
    saved = (42 + 70 * columns.blocks / 4) / 6 - (23 + 10 * columns.blocks) / 4
    pixels = output.shape[1] * output.shape[2]
    if saved * pixels < _WORTH_A_BYTE * 4 * columns.blocks:
        return (Kernel.BYTES_FLOOR, Kernel.BYTES_NEAREST)
    return (
        Kernel.HALVES_FLOOR,
        Kernel.BYTES_FLOOR,
        Kernel.HALVES_NEAREST,
        Kernel.BYTES_NEAREST,
    )


def _call(op: Op, graph: Graph, columns: Columns, kernel: Kernel, channels: Channels) -> KernelCall:
    attrs = attrs_of(op)
    window = attrs.window
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    lowest, highest = activation_range(attrs.activation, output)
    pixels = 2 if kernel.halves else 3
    group_bytes = (pixels + 2 * columns.sliding) * 8 * columns.blocks
    # Pixels that follow each other: of a row, or of the image.
    pointwise = (window.reach_h, window.reach_w, window.stride_h, window.stride_w) == (1, 1, 1, 1)
    following = output.shape[2] * (output.shape[1] if pointwise else 1)
    most = min(255, -(-following // pixels))
    groups = max(1, min(_COLUMNS_BYTES // group_bytes, most))
    tail = columns.run_length % 4
    geometry = {
        "input_h": x.shape[1],
        "input_w": x.shape[2],
        "input_c": x.shape[3],
        "output_w": output.shape[2],
        "output_c": output.shape[3],
        "stride_h": window.stride_h,
        "stride_w": window.stride_w,
        "pad_top": window.pad_top,
        "pad_left": window.pad_left,
        "reach_h": window.reach_h,
        "reach_w": window.reach_w,
        "rows": window.filter_h,
        "row_step": window.dilation_h,
        "runs": columns.row_runs,
        "run_step": window.dilation_w * x.shape[3],
        "run_blocks": columns.run_length // 4,
        "blocks": columns.blocks,
    }
    small = {
        "back": 4 - tail if tail and not columns.rest else 0,
        "singles": tail if columns.rest else 0,
        "groups": groups,
    }
    return KernelCall(
        function=f"conv_2d_{_variant(columns, kernel)}_dsp_s8",
        header="dsp/conv_2d_dsp_s8.h",
        params_type="conv_2d_dsp_params",
        fields=fields_of(
            label_of(op),
            stream=("pointer", "stream"),
            **{name: ("uint16_t", number) for name, number in geometry.items()},
            **{name: ("uint8_t", number) for name, number in small.items()},
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
        scratch_bytes=8 * columns.runs + groups * group_bytes + _patch_bytes(op, graph, pixels),
    )


def _variant(columns: Columns, kernel: Kernel) -> str:
    """The middle of the function's name: its kernel, or its kernel's for pictures in colour."""
    colour = (columns.runs, columns.run_length, columns.rest) == (3, 9, True)
    return "3x3x3_floor" if colour and kernel is Kernel.HALVES_FLOOR else kernel.value


def _patch_bytes(op: Op, graph: Graph, pixels: int) -> int:
    """Size of the copy of what lies below the windows of some pixels, if padding is part of it."""
    window = attrs_of(op).window
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    end_y = (output.shape[1] - 1) * window.stride_h - window.pad_top + window.reach_h
    end_x = (output.shape[2] - 1) * window.stride_w - window.pad_left + window.reach_w
    if window.pad_top == window.pad_left == 0 and end_y <= x.shape[1] and end_x <= x.shape[2]:
        return 0
    return window.filter_h * ((pixels - 1) * window.stride_w + window.reach_w) * x.shape[3]
