"""Convolutions and dense layers; weights and biases that a caller does not fix are drawn."""

from __future__ import annotations

import numpy as np

from tests.one_op.building import (
    Bias,
    Pair,
    Quant,
    output_of,
    quant_of,
    shape_of,
    sliding,
    window_sizes,
)
from tests.tflite_models import ACTIVATIONS, ModelBuilder, Scales


def _scales(rng: np.random.Generator, channels: int, per_channel: bool, scale: float) -> Scales:
    """Filter scales about `scale`, spread over more than two powers of two."""
    if not per_channel:
        return scale
    return [scale * float(spread) for spread in rng.uniform(0.4, 2.0, size=channels)]


def _bias(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    channels: int,
    bias: Bias,
    scales: Scales,
) -> int:
    if isinstance(bias, int):
        bias = rng.integers(-bias, bias, size=channels, endpoint=True).tolist()
    # The interpreter checks that accumulators and biases have the same scale.
    scale = np.atleast_1d(scales) * quant_of(builder, x)[0]
    return builder.constant("bias", bias, dtype="int32", scale=scale.tolist())


def conv_2d(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    channels: int,
    kernel: Pair = (3, 3),
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: str = "SAME",
    groups: int = 1,
    per_channel: bool = True,
    bias: Bias | None = 1000,
    activation: str = "NONE",
    filter_scale: float = 0.01,
    filter_limits: Pair = (-127, 127),
    filter_dtype: str = "int8",
    output: Quant = (0.1, -5),
) -> int:
    """CONV_2D; a bias of None is an absent one."""
    _, *image, depth = shape_of(builder, x)
    shape = (channels, *kernel, depth // groups)
    weights = rng.integers(*filter_limits, size=shape, endpoint=True)
    scales = _scales(rng, channels, per_channel, filter_scale)
    inputs = [x, builder.constant("filter", weights, dtype=filter_dtype, scale=scales)]
    if bias is not None:
        inputs.append(_bias(builder, rng, x, channels, bias, scales))
    sizes = window_sizes(image, kernel, stride, padding, dilation)
    y = output_of(builder, "CONV_2D", (1, *sizes, channels), output)
    builder.operator(
        "CONV_2D",
        inputs,
        [y],
        "Conv2DOptions",
        **sliding(stride, padding, activation),
        dilationHFactor=dilation[0],
        dilationWFactor=dilation[1],
    )
    return y


def depthwise_conv_2d(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    multiplier: int = 1,
    kernel: Pair = (3, 3),
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: str = "SAME",
    per_channel: bool = True,
    bias: Bias | None = 1000,
    activation: str = "NONE",
    filter_scale: float = 0.01,
    filter_limits: Pair = (-127, 127),
    filter_dtype: str = "int8",
    output: Quant = (0.05, 3),
) -> int:
    """DEPTHWISE_CONV_2D; `multiplier` output channels for each input channel."""
    _, *image, depth = shape_of(builder, x)
    channels = depth * multiplier
    weights = rng.integers(*filter_limits, size=(1, *kernel, channels), endpoint=True)
    scales = _scales(rng, channels, per_channel, filter_scale)
    inputs = [x, builder.constant("filter", weights, dtype=filter_dtype, scale=scales, axis=3)]
    if bias is not None:
        inputs.append(_bias(builder, rng, x, channels, bias, scales))
    sizes = window_sizes(image, kernel, stride, padding, dilation)
    y = output_of(builder, "DEPTHWISE_CONV_2D", (1, *sizes, channels), output)
    builder.operator(
        "DEPTHWISE_CONV_2D",
        inputs,
        [y],
        "DepthwiseConv2DOptions",
        **sliding(stride, padding, activation),
        dilationHFactor=dilation[0],
        dilationWFactor=dilation[1],
        depthMultiplier=multiplier,
    )
    return y


def fully_connected(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    outputs: int,
    inputs: int | None = None,
    per_channel: bool = False,
    bias: Bias | None = 1000,
    activation: str = "NONE",
    keep_num_dims: bool = False,
    filter_scale: float = 0.01,
    filter_limits: Pair = (-127, 127),
    filter_dtype: str = "int8",
    output: Quant = (0.1, 7),
) -> int:
    """FULLY_CONNECTED; `inputs` is the length of a row, by default of the last axis."""
    shape = shape_of(builder, x)
    length = shape[-1] if inputs is None else inputs
    weights = rng.integers(*filter_limits, size=(outputs, length), endpoint=True)
    scales = _scales(rng, outputs, per_channel, filter_scale)
    operands = [x, builder.constant("filter", weights, dtype=filter_dtype, scale=scales)]
    if bias is None:
        operands.append(-1)
    else:
        operands.append(_bias(builder, rng, x, outputs, bias, scales))
    rows = int(np.prod(shape)) // length
    result = (*shape[:-1], outputs) if keep_num_dims else (rows, outputs)
    y = output_of(builder, "FULLY_CONNECTED", result, output)
    builder.operator(
        "FULLY_CONNECTED",
        operands,
        [y],
        "FullyConnectedOptions",
        fusedActivationFunction=ACTIVATIONS[activation],
        keepNumDims=keep_num_dims,
    )
    return y


def transpose_conv(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    channels: int,
    size: Pair,
    kernel: Pair = (3, 3),
    stride: Pair = (2, 2),
    padding: str = "SAME",
    per_channel: bool = True,
    bias: Bias | None = 1000,
    activation: str = "NONE",
    filter_scale: float = 0.01,
    output: Quant = (0.1, -5),
) -> int:
    """TRANSPOSE_CONV to an output of height and width `size`; a bias of None is an absent one."""
    depth = shape_of(builder, x)[3]
    weights = rng.integers(-127, 127, size=(channels, *kernel, depth), endpoint=True)
    scales = _scales(rng, channels, per_channel, filter_scale)
    shape = (1, *size, channels)
    inputs = [
        builder.constant("shape", shape, dtype="int32"),
        builder.constant("filter", weights, scale=scales),
        x,
    ]
    if bias is not None:
        inputs.append(_bias(builder, rng, x, channels, bias, scales))
    y = output_of(builder, "TRANSPOSE_CONV", shape, output)
    builder.operator(
        "TRANSPOSE_CONV",
        inputs,
        [y],
        "TransposeConvOptions",
        **sliding(stride, padding, activation),
    )
    return y
