"""Small graphs of several operators: what networks look like, in a few hundred bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests import one_op
from tests.tflite_models import ModelBuilder

IMAGE_QUANT: one_op.Quant = (1 / 128, 0)
RELU6_QUANT: one_op.Quant = (6 / 255, -128)


def image(builder: ModelBuilder, shape: tuple[int, ...] = (1, 6, 6, 3)) -> int:
    """An int8 input."""
    return builder.tensor("image", shape, scale=IMAGE_QUANT[0], zero_point=IMAGE_QUANT[1])


def residual_network() -> bytes:
    """A person detector in small: stem, depthwise block, residual, mean, dense, softmax."""
    builder = ModelBuilder()
    rng = np.random.default_rng(5)
    x = image(builder)
    padded = one_op.pad(builder, rng, x, amounts=[(0, 0), (0, 1), (0, 1), (0, 0)])
    stem = one_op.conv_2d(
        builder,
        rng,
        padded,
        channels=4,
        stride=(2, 2),
        padding="VALID",
        activation="RELU6",
        output=RELU6_QUANT,
    )
    deep = one_op.depthwise_conv_2d(builder, rng, stem, activation="RELU6", output=RELU6_QUANT)
    thin = one_op.conv_2d(builder, rng, deep, channels=4, kernel=(1, 1), output=(0.03, 5))
    total = one_op.add(builder, rng, stem, other=thin, output=(0.04, -9))
    mean = one_op.mean(builder, rng, total, output=(0.04, -9))
    dense = one_op.fully_connected(builder, rng, mean, outputs=2, output=(0.05, 1))
    y = one_op.softmax(builder, rng, dense)
    return builder.build([x], [y])


def pooling_network() -> bytes:
    """uint8 in and out, poolings, a constant operand, a reshape, no softmax."""
    builder = ModelBuilder()
    rng = np.random.default_rng(6)
    x = builder.tensor("pixels", (1, 6, 6, 3), dtype="uint8", scale=1 / 255)
    centred = one_op.quantize(builder, rng, x, output=(1 / 255, -128))
    largest = one_op.pool_2d(builder, rng, centred, kind="MAX_POOL_2D")
    shifted = one_op.add(builder, rng, largest, constant_shape=(3,), output=(0.02, 3))
    average = one_op.pool_2d(
        builder, rng, shifted, kind="AVERAGE_POOL_2D", kernel=(3, 3), padding="SAME"
    )
    flat = one_op.reshape(builder, rng, average, target=(1, 12))
    dense = one_op.fully_connected(builder, rng, flat, outputs=5)
    y = one_op.quantize(builder, rng, dense, dtype="uint8", output=(0.1, 120))
    return builder.build([x], [y])


def dead_network() -> bytes:
    """Two layers, of whose first one two of four channels are the same for every input."""
    builder = ModelBuilder()
    rng = np.random.default_rng(7)
    x = image(builder)
    # A bias below every accumulator is a ReLU at 0, one far above it a ReLU6 at its end.
    bias = [0, -(10**6), 9, 10**6]
    dead = one_op.conv_2d(
        builder, rng, x, channels=4, bias=bias, activation="RELU6", output=RELU6_QUANT
    )
    y = one_op.conv_2d(builder, rng, dead, channels=2, kernel=(1, 1))
    return builder.build([x], [y])


def branching_network(seed: int, operators: int = 14) -> bytes:
    """A random graph: inputs of one shape, operators that keep it, several outputs.

    Every tensor that nobody reads is an output, and so is one that is read.
    """
    builder = ModelBuilder()
    rng = np.random.default_rng(seed)
    shape = (1, 4, 4, 3)
    inputs = [
        builder.tensor(f"input_{place}", shape, scale=0.05, zero_point=int(rng.integers(-9, 9)))
        for place in range(int(rng.integers(1, 4)))
    ]
    tensors = list(inputs)
    read: set[int] = set()
    for _ in range(operators):
        # Mostly recent tensors, now and then one from long ago.
        x, other = (tensors[-1 - int(rng.integers(min(n, len(tensors))))] for n in (3, 99))
        kind = int(rng.integers(7))
        output = (float(rng.uniform(0.04, 0.07)), int(rng.integers(-20, 20)))
        if kind in (0, 1, 2):
            y = one_op.add(builder, rng, x, other=other, output=output)
            read.add(other)
        elif kind == 3:
            y = one_op.conv_2d(builder, rng, x, channels=3, output=output)
        elif kind == 4:
            y = one_op.quantize(builder, rng, x, output=output)
        elif kind == 5:
            flat = one_op.reshape(builder, rng, x, target=(1, 48))
            y = one_op.reshape(builder, rng, flat, target=shape)
        else:
            y = one_op.depthwise_conv_2d(builder, rng, x, output=output)
        read.add(x)
        tensors.append(y)
    computed = tensors[len(inputs) :]
    outputs = [tensor for tensor in computed if tensor not in read]
    outputs.append(computed[int(rng.integers(len(computed)))])
    return builder.build(inputs, list(dict.fromkeys(outputs)))


def image_network(seed: int, operators: int = 12) -> bytes:
    """A random graph of operators over images that shrink: everything that can run row by row.

    Windows of all shapes, strides and dilations, residuals, broadcasts, padding, views, and at
    times an operator that sees its input whole; several outputs.
    """
    builder = ModelBuilder()
    rng = np.random.default_rng(seed)
    height, width = (int(size) for size in rng.integers(6, 15, size=2))
    x = image(builder, (1, height, width, int(rng.integers(1, 5))))
    tensors = [x]
    read: set[int] = set()
    for _ in range(operators):
        x = tensors[-1 - int(rng.integers(min(3, len(tensors))))]
        read.add(x)
        tensors.append(_image_operator(builder, rng, x, tensors, read))
    outputs = [tensor for tensor in tensors[1:] if tensor not in read]
    outputs.append(tensors[1 + int(rng.integers(operators))])
    return builder.build([tensors[0]], list(dict.fromkeys(outputs)))


def _image_operator(
    builder: ModelBuilder, rng: np.random.Generator, x: int, tensors: list[int], read: set[int]
) -> int:
    """A random operator on the image `x`, whose result is an image."""
    _, height, width, depth = one_op.shape_of(builder, x)
    output = (float(rng.uniform(0.04, 0.07)), int(rng.integers(-20, 20)))

    def window(largest: int) -> dict[str, Any]:
        padding = "SAME" if rng.integers(3) else "VALID"
        kernel, stride = [], []
        for size in (height, width):
            kernel.append(int(rng.integers(1, min(largest, size) + 1)))
            stride.append(int(rng.integers(1, 3)) if size > 3 else 1)
        return {"kernel": tuple(kernel), "stride": tuple(stride), "padding": padding}

    kind = int(rng.integers(9))
    if kind in (0, 1):
        channels = int(rng.integers(1, 6))
        return one_op.conv_2d(builder, rng, x, channels=channels, output=output, **window(4))
    if kind == 2:
        return one_op.depthwise_conv_2d(builder, rng, x, output=output, **window(5))
    if kind == 3:
        pool = ("MAX_POOL_2D", "AVERAGE_POOL_2D")[int(rng.integers(2))]
        return one_op.pool_2d(builder, rng, x, kind=pool, **window(3))
    if kind == 4 and height * width < 200:
        amounts = [(0, 0), *(tuple(rng.integers(0, 3, size=2)) for _ in range(2)), (0, 0)]
        return one_op.pad(builder, rng, x, amounts=amounts)
    if kind == 5:
        flat = one_op.reshape(builder, rng, x, target=(1, height * width * depth))
        target = (1, width, height, depth) if rng.integers(2) else (1, height, width, depth)
        return one_op.reshape(builder, rng, flat, target=target)
    if kind == 6 and rng.integers(3) == 0:
        mean = one_op.mean(builder, rng, x, keep_dims=True)
        return one_op.add(builder, rng, x, other=mean, output=output)
    if kind == 7 and rng.integers(2):
        return one_op.quantize(builder, rng, x, output=output)
    alike = [t for t in tensors if one_op.shape_of(builder, t) == (1, height, width, depth)]
    other = alike[int(rng.integers(len(alike)))]
    read.add(other)
    return one_op.add(builder, rng, x, other=other, output=output)


SMALL_MODELS = {"residual": residual_network, "pooling": pooling_network}
