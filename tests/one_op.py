"""Operators of int8 models with random weights: alone in a .tflite file, or added to a graph.

Each function adds one operator to a `ModelBuilder` and returns the index of its output. What a
caller does not fix (weights, biases) is drawn from `rng`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tests.tflite_models import ACTIVATIONS, PADDINGS, ModelBuilder, Scales

# Quantization (scale, zero point) of a tensor.
Quant = tuple[float, int]

Pair = tuple[int, int]

# Values of a bias, or the largest magnitude of random ones.
Bias = int | Sequence[int]

SOFTMAX_QUANT: Quant = (1 / 256, -128)


def single(
    add: Callable[..., int], shape: Sequence[int], quant: Quant, *, seed: int = 0, **options: object
) -> bytes:
    """A model of one operator on one int8 input; `options` go to the function `add`."""
    builder = ModelBuilder()
    x = builder.tensor("input", shape, scale=quant[0], zero_point=quant[1])
    y = add(builder, np.random.default_rng(seed), x, **options)
    return builder.build([x], [y])


def shape_of(builder: ModelBuilder, index: int) -> tuple[int, ...]:
    """Shape of a tensor in a builder."""
    return tuple(builder.subgraph.tensors[index].shape)


def quant_of(builder: ModelBuilder, index: int) -> Quant:
    """Quantization of a per-tensor quantized tensor in a builder."""
    quant = builder.subgraph.tensors[index].quantization
    return float(quant.scale[0]), int(quant.zeroPoint[0])


def output_size(size: int, taps: int, stride: int, dilation: int, padding: str) -> int:
    """Output size of a sliding window along one axis."""
    if padding == "SAME":
        return -(-size // stride)
    return (size - (taps - 1) * dilation - 1) // stride + 1


def _output(builder: ModelBuilder, kind: str, shape: Sequence[int], quant: Quant) -> int:
    name = f"{kind.lower()}_{len(builder.subgraph.operators)}"
    return builder.tensor(name, shape, scale=quant[0], zero_point=quant[1])


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
    _, height, width, depth = shape_of(builder, x)
    shape = (channels, *kernel, depth // groups)
    weights = rng.integers(*filter_limits, size=shape, endpoint=True)
    scales = _scales(rng, channels, per_channel, filter_scale)
    inputs = [x, builder.constant("filter", weights, dtype=filter_dtype, scale=scales)]
    if bias is not None:
        inputs.append(_bias(builder, rng, x, channels, bias, scales))
    sizes = [
        output_size(size, kernel[axis], stride[axis], dilation[axis], padding)
        for axis, size in enumerate((height, width))
    ]
    y = _output(builder, "CONV_2D", (1, *sizes, channels), output)
    builder.operator(
        "CONV_2D",
        inputs,
        [y],
        "Conv2DOptions",
        padding=PADDINGS[padding],
        strideH=stride[0],
        strideW=stride[1],
        dilationHFactor=dilation[0],
        dilationWFactor=dilation[1],
        fusedActivationFunction=ACTIVATIONS[activation],
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
    _, height, width, depth = shape_of(builder, x)
    channels = depth * multiplier
    weights = rng.integers(*filter_limits, size=(1, *kernel, channels), endpoint=True)
    scales = _scales(rng, channels, per_channel, filter_scale)
    inputs = [x, builder.constant("filter", weights, dtype=filter_dtype, scale=scales, axis=3)]
    if bias is not None:
        inputs.append(_bias(builder, rng, x, channels, bias, scales))
    sizes = [
        output_size(size, kernel[axis], stride[axis], dilation[axis], padding)
        for axis, size in enumerate((height, width))
    ]
    y = _output(builder, "DEPTHWISE_CONV_2D", (1, *sizes, channels), output)
    builder.operator(
        "DEPTHWISE_CONV_2D",
        inputs,
        [y],
        "DepthwiseConv2DOptions",
        padding=PADDINGS[padding],
        strideH=stride[0],
        strideW=stride[1],
        dilationHFactor=dilation[0],
        dilationWFactor=dilation[1],
        depthMultiplier=multiplier,
        fusedActivationFunction=ACTIVATIONS[activation],
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
    y = _output(builder, "FULLY_CONNECTED", result, output)
    builder.operator(
        "FULLY_CONNECTED",
        operands,
        [y],
        "FullyConnectedOptions",
        fusedActivationFunction=ACTIVATIONS[activation],
        keepNumDims=keep_num_dims,
    )
    return y


def add(builder: ModelBuilder, rng: np.random.Generator, x: int, **options: Any) -> int:
    """ADD; see `binary`."""
    return binary(builder, rng, x, kind="ADD", **options)


# Options tables of operators on two operands; PRELU has none.
_BINARY_OPTIONS: Mapping[str, str] = {
    "ADD": "AddOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MUL": "MulOptions",
    "SUB": "SubOptions",
}


# Those of them that take a fused activation.
_FUSING = frozenset({"ADD", "MUL", "SUB"})


def binary(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    kind: str,
    other: int | None = None,
    constant_shape: Sequence[int] | None = None,
    other_quant: Quant = (0.07, 4),
    swap: bool = False,
    activation: str = "NONE",
    output: Quant = (0.1, -3),
) -> int:
    """ADD and its kin of `x` and another tensor, a random constant, or itself.

    Args:
        builder: gets the operator.
        rng: draws the constant.
        x: the first operand.
        kind: of the operator.
        other: the second operand; `x` where there is no constant either.
        constant_shape: of a constant second operand.
        other_quant: of the constant.
        swap: whether the operands change places.
        activation: of operators that have one.
        output: quantization.
    """
    if constant_shape is not None:
        values = rng.integers(-128, 127, size=tuple(constant_shape), endpoint=True)
        scale, zero_point = other_quant
        other = builder.constant("operand", values, scale=scale, zero_point=zero_point)
    elif other is None:
        other = x
    shape = np.broadcast_shapes(shape_of(builder, x), shape_of(builder, other))
    y = _output(builder, kind, shape, output)
    operands = [other, x] if swap else [x, other]
    options = _BINARY_OPTIONS.get(kind)
    fused = {"fusedActivationFunction": ACTIVATIONS[activation]}
    builder.operator(kind, operands, [y], options, **(fused if kind in _FUSING else {}))
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
    y = _output(builder, "TRANSPOSE_CONV", shape, output)
    builder.operator(
        "TRANSPOSE_CONV",
        inputs,
        [y],
        "TransposeConvOptions",
        padding=PADDINGS[padding],
        strideH=stride[0],
        strideW=stride[1],
        fusedActivationFunction=ACTIVATIONS[activation],
    )
    return y


def resize(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    kind: str,
    size: Pair,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> int:
    """RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR to another height and width."""
    shape = (1, *size, shape_of(builder, x)[3])
    name = "ResizeBilinear" if kind == "RESIZE_BILINEAR" else "ResizeNearestNeighbor"
    places = {"alignCorners": align_corners, "halfPixelCenters": half_pixel_centers}
    inputs = [x, builder.constant("size", size, dtype="int32")]
    return _moved(builder, x, kind, inputs, shape, f"{name}Options", **places)


def pool_2d(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    kind: str,
    kernel: Pair = (2, 2),
    stride: Pair = (2, 2),
    padding: str = "VALID",
    activation: str = "NONE",
) -> int:
    """AVERAGE_POOL_2D or MAX_POOL_2D, with the input's quantization."""
    _, height, width, depth = shape_of(builder, x)
    sizes = [
        output_size(size, taps, step, 1, padding)
        for size, taps, step in zip((height, width), kernel, stride, strict=True)
    ]
    y = _output(builder, kind, (1, *sizes, depth), quant_of(builder, x))
    builder.operator(
        kind,
        [x],
        [y],
        "Pool2DOptions",
        padding=PADDINGS[padding],
        strideH=stride[0],
        strideW=stride[1],
        filterHeight=kernel[0],
        filterWidth=kernel[1],
        fusedActivationFunction=ACTIVATIONS[activation],
    )
    return y


def mean(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    kind: str = "MEAN",
    axes: Sequence[int] = (1, 2),
    keep_dims: bool = False,
    output: Quant | None = None,
) -> int:
    """MEAN or REDUCE_MAX; without `output` the input's quantization."""
    shape = shape_of(builder, x)
    reduced = {axis % len(shape) for axis in axes}
    result = [
        1 if axis in reduced else size
        for axis, size in enumerate(shape)
        if keep_dims or axis not in reduced
    ]
    y = _output(builder, kind, result, output or quant_of(builder, x))
    indices = builder.constant("axes", np.asarray(axes), dtype="int32")
    builder.operator(kind, [x, indices], [y], "ReducerOptions", keepDims=keep_dims)
    return y


def pad(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    amounts: Sequence[Pair],
    dtype: str = "int32",
) -> int:
    """PAD with (before, after) for each axis."""
    shape = shape_of(builder, x)
    result = [size + sum(pair) for size, pair in zip(shape, amounts, strict=True)]
    y = _output(builder, "PAD", result, quant_of(builder, x))
    paddings = builder.constant("paddings", np.asarray(amounts), dtype=dtype)
    builder.operator("PAD", [x, paddings], [y], "PadOptions")
    return y


def softmax(builder: ModelBuilder, rng: np.random.Generator, x: int, *, beta: float = 1.0) -> int:
    """SOFTMAX over the last axis."""
    y = _output(builder, "SOFTMAX", shape_of(builder, x), SOFTMAX_QUANT)
    builder.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=beta)
    return y


def quantize(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    dtype: str = "int8",
    output: Quant,
) -> int:
    """QUANTIZE to another 8-bit quantization."""
    name = f"quantize_{len(builder.subgraph.operators)}"
    scale, zero_point = output
    shape = shape_of(builder, x)
    y = builder.tensor(name, shape, dtype=dtype, scale=scale, zero_point=zero_point)
    builder.operator("QUANTIZE", [x], [y], "QuantizeOptions")
    return y


# The one quantization of the output that the reference takes.
FUNCTION_QUANTS: Mapping[str, Quant] = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}


def function(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    kind: str,
    alpha: float | None = None,
    output: Quant | None = None,
) -> int:
    """An elementwise function such as TANH; `alpha` is LEAKY_RELU's slope."""
    y = _output(
        builder,
        kind,
        shape_of(builder, x),
        output or FUNCTION_QUANTS.get(kind, quant_of(builder, x)),
    )
    if alpha is None:
        builder.operator(kind, [x], [y])
    else:
        builder.operator(kind, [x], [y], "LeakyReluOptions", alpha=alpha)
    return y


def _moved(
    builder: ModelBuilder,
    x: int,
    kind: str,
    inputs: Sequence[int],
    shape: Sequence[int],
    options: str | None = None,
    **values: object,
) -> int:
    """An operator with one output that holds values of x, at its quantization."""
    y = _output(builder, kind, shape, quant_of(builder, x))
    builder.operator(kind, inputs, [y], options, **values)
    return y


def slice_(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    begin: Sequence[int],
    size: Sequence[int],
) -> int:
    """SLICE; a size of -1 is all that is left."""
    sizes = zip(shape_of(builder, x), begin, size, strict=True)
    shape = [length - first if count < 0 else count for length, first, count in sizes]
    limits = [builder.constant("limit", values, dtype="int32") for values in (begin, size)]
    return _moved(builder, x, "SLICE", [x, *limits], shape, "SliceOptions")


def strided_slice(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    begin: Sequence[int],
    end: Sequence[int],
    step: Sequence[int],
    result: Sequence[int] | None = None,
    **masks: int,
) -> int:
    """STRIDED_SLICE; `result` is the output's shape where masks change what the limits say."""
    if result is None:
        slices = tuple(slice(*limits) for limits in zip(begin, end, step, strict=True))
        result = np.empty(shape_of(builder, x))[slices].shape
    limits = [builder.constant("limit", values, dtype="int32") for values in (begin, end, step)]
    options = "StridedSliceOptions"
    return _moved(builder, x, "STRIDED_SLICE", [x, *limits], result, options, **masks)


def split(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    kind: str,
    axis: int,
    sizes: Sequence[int],
    given: Sequence[int] | None = None,
) -> list[int]:
    """SPLIT, SPLIT_V or UNPACK into parts of these sizes; `given` is what the file says."""
    shape = list(shape_of(builder, x))
    outputs: list[int] = []
    for size in sizes:
        part = [*shape]
        part[axis] = size
        if kind == "UNPACK":
            del part[axis]
        outputs.append(_output(builder, f"{kind}_{len(outputs)}", part, quant_of(builder, x)))
    place = builder.constant("axis", axis if kind == "SPLIT" else [axis], dtype="int32")
    if kind == "SPLIT":
        builder.operator(kind, [place, x], outputs, "SplitOptions", numSplits=len(sizes))
    elif kind == "SPLIT_V":
        lengths = builder.constant("sizes", given or sizes, dtype="int32")
        inputs = [x, lengths, builder.constant("axis", axis, dtype="int32")]
        builder.operator(kind, inputs, outputs, "SplitVOptions", numSplits=len(sizes))
    else:
        builder.operator(kind, [x], outputs, "UnpackOptions", num=len(sizes), axis=axis)
    return outputs


def transpose(
    builder: ModelBuilder, rng: np.random.Generator, x: int, *, order: Sequence[int]
) -> int:
    """TRANSPOSE."""
    shape = [shape_of(builder, x)[axis] for axis in order]
    permutation = builder.constant("order", order, dtype="int32")
    return _moved(builder, x, "TRANSPOSE", [x, permutation], shape, "TransposeOptions")


def tile(
    builder: ModelBuilder, rng: np.random.Generator, x: int, *, multiples: Sequence[int]
) -> int:
    """TILE."""
    sizes = zip(shape_of(builder, x), multiples, strict=True)
    times = builder.constant("multiples", multiples, dtype="int32")
    return _moved(builder, x, "TILE", [x, times], [size * m for size, m in sizes])


def blocks(
    builder: ModelBuilder, rng: np.random.Generator, x: int, *, kind: str, block: int
) -> int:
    """DEPTH_TO_SPACE or SPACE_TO_DEPTH."""
    _, height, width, channels = shape_of(builder, x)
    if kind == "DEPTH_TO_SPACE":
        shape = (1, height * block, width * block, channels // block**2)
        return _moved(builder, x, kind, [x], shape, "DepthToSpaceOptions", blockSize=block)
    shape = (1, height // block, width // block, channels * block**2)
    return _moved(builder, x, kind, [x], shape, "SpaceToDepthOptions", blockSize=block)


def concatenation(
    builder: ModelBuilder, rng: np.random.Generator, inputs: Sequence[int], *, axis: int
) -> int:
    """CONCATENATION of tensors."""
    shapes = [shape_of(builder, x) for x in inputs]
    whole = list(shapes[0])
    whole[axis] = sum(shape[axis] for shape in shapes)
    options = "ConcatenationOptions"
    return _moved(builder, inputs[0], "CONCATENATION", inputs, whole, options, axis=axis)


def pack(
    builder: ModelBuilder, rng: np.random.Generator, inputs: Sequence[int], *, axis: int
) -> int:
    """PACK of tensors along a new axis."""
    shape = list(shape_of(builder, inputs[0]))
    shape.insert(axis if axis >= 0 else len(shape) + 1 + axis, len(inputs))
    values = {"axis": axis, "valuesCount": len(inputs)}
    return _moved(builder, inputs[0], "PACK", inputs, shape, "PackOptions", **values)


def dequantize(builder: ModelBuilder, rng: np.random.Generator, x: int) -> int:
    """DEQUANTIZE to float32."""
    name = f"dequantize_{len(builder.subgraph.operators)}"
    y = builder.tensor(name, shape_of(builder, x), dtype="float32")
    builder.operator("DEQUANTIZE", [x], [y], "DequantizeOptions")
    return y


def arg_max(
    builder: ModelBuilder, rng: np.random.Generator, x: int, *, axis: int, dtype: str = "int64"
) -> int:
    """ARG_MAX to int32 or int64."""
    shape = list(shape_of(builder, x))
    del shape[axis]
    y = builder.tensor(f"arg_max_{len(builder.subgraph.operators)}", shape, dtype=dtype)
    place = builder.constant("axis", axis, dtype="int32")
    code = {"int32": 2, "int64": 4}[dtype]
    builder.operator("ARG_MAX", [x, place], [y], "ArgMaxOptions", outputType=code)
    return y


def reshape(
    builder: ModelBuilder, rng: np.random.Generator, x: int, *, target: Sequence[int]
) -> int:
    """RESHAPE to a constant shape."""
    y = _output(builder, "RESHAPE", target, quant_of(builder, x))
    shape = builder.constant("shape", np.asarray(target), dtype="int32")
    builder.operator("RESHAPE", [x, shape], [y], "ReshapeOptions", newShape=list(target))
    return y
