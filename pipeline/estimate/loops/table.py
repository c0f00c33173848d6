"""Which file counts which kernel's loops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from pipeline.estimate.loops import (
    connected,
    convolution,
    depthwise,
    elementwise,
    moving,
    pooling,
    portable,
)
from pipeline.estimate.runs import KernelRun

Loops = Callable[[KernelRun], Counter[str]]

# C functions of firmware/lib/kernels.
LOOPS: Mapping[str, Loops] = {
    "add_dsp_s8": elementwise.add_dsp,
    "add_s8": elementwise.add,
    "arg_max_s8": pooling.arg_max,
    "average_pool_2d_dsp_s8": pooling.average_pool_2d_dsp,
    "average_pool_2d_s8": pooling.pool_2d,
    "average_rows_dsp_s8": pooling.sum_rows_dsp,
    "average_rows_s8": pooling.sum_rows,
    "concatenation_8": moving.concatenation,
    "conv_2d_3x3x3_floor_dsp_s8": convolution.conv_2d_dsp,
    "conv_2d_bytes_floor_dsp_s8": convolution.conv_2d_dsp,
    "conv_2d_bytes_nearest_dsp_s8": convolution.conv_2d_dsp,
    "conv_2d_halves_floor_dsp_s8": convolution.conv_2d_dsp,
    "conv_2d_halves_nearest_dsp_s8": convolution.conv_2d_dsp,
    "conv_2d_nibbles_floor_dsp_s8": convolution.conv_2d_dsp,
    "conv_2d_nibbles_nearest_dsp_s8": convolution.conv_2d_dsp,
    "conv_2d_s4": portable.conv_2d_s4,
    "conv_2d_s8": portable.conv_2d,
    "conv_2d_sliding_floor_dsp_s8": convolution.conv_2d_dsp,
    "conv_2d_sliding_nearest_dsp_s8": convolution.conv_2d_dsp,
    "depthwise_conv_2d_3x3_dsp_s8": depthwise.depthwise_conv_2d_3x3_dsp,
    "depthwise_conv_2d_3x3_fine_dsp_s8": depthwise.depthwise_conv_2d_3x3_dsp,
    "depthwise_conv_2d_3x3_relu_coarse_dsp_s8": depthwise.depthwise_conv_2d_3x3_dsp,
    "depthwise_conv_2d_3x3_relu_dsp_s8": depthwise.depthwise_conv_2d_3x3_dsp,
    "depthwise_conv_2d_dsp_s8": depthwise.depthwise_conv_2d_dsp,
    "depthwise_conv_2d_s8": portable.depthwise_conv_2d,
    "dequantize_8": elementwise.real_values,
    "flip_sign_8": elementwise.flip_sign,
    "fully_connected_direct_dsp_s8": connected.fully_connected_direct_dsp,
    "fully_connected_double_s8": connected.fully_connected_double,
    "fully_connected_dsp_s8": connected.fully_connected_dsp,
    "fully_connected_nibbles_direct_dsp_s8": connected.fully_connected_nibbles_direct_dsp,
    "fully_connected_nibbles_dsp_s8": connected.fully_connected_nibbles_dsp,
    "fully_connected_s4": connected.fully_connected_s4,
    "fully_connected_s8": connected.fully_connected,
    "lookup_8": elementwise.lookup,
    "max_pool_2d_dsp_s8": pooling.max_pool_2d_dsp,
    "max_pool_2d_s8": pooling.pool_2d,
    "maximum_s8": elementwise.broadcast,
    "mean_dsp_s8": pooling.mean_dsp,
    "mean_rows_dsp_s8": pooling.sum_rows_dsp,
    "mean_rows_s8": pooling.sum_rows,
    "mean_s8": pooling.mean,
    "minimum_s8": elementwise.broadcast,
    "mul_dsp_s8": elementwise.mul_dsp,
    "mul_s8": elementwise.broadcast,
    "pad_s8": moving.pad,
    "prelu_s8": elementwise.broadcast,
    "quantize_f32": elementwise.real_values,
    "reduce_max_s8": pooling.reduce_max,
    "resize_bilinear_s8": moving.resize_bilinear,
    "resize_nearest_neighbor_8": moving.resize_nearest_neighbor,
    "softmax_s8": elementwise.softmax,
    "strided_copy_8": moving.strided_copy,
    "transpose_conv_s8": portable.transpose_conv,
}
