"""Networks of random layers, many of whose channels are dead, saturated or unread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tests import one_op
from tests.plan.constant_channels.networks import (
    HIGH,
    LOW,
    change_weights,
)
from tests.small_models import image
from tests.tflite_models import ModelBuilder


def random_network(seed: int, operators: int = 8) -> bytes:
    """Layers in a row with side branches, many of their channels dead, saturated or unread."""
    builder = ModelBuilder()
    rng = np.random.default_rng(seed)
    size, channels = int(rng.integers(3, 7)), int(rng.integers(1, 5))
    x = tensor = image(builder, (1, size, size, channels))
    shapes = {tensor: one_op.shape_of(builder, tensor)}
    for _ in range(operators):
        tensor = _random_layer(builder, rng, tensor, list(shapes))
        shapes[tensor] = one_op.shape_of(builder, tensor)
    read = {index for operator in builder.subgraph.operators for index in operator.inputs}
    last = one_op.fully_connected(
        builder, rng, tensor, outputs=3, inputs=int(np.prod(shapes[tensor])), filter_scale=0.002
    )
    ends = [index for index in shapes if index not in read and index not in (tensor, x)]
    return builder.build([x], [last, *ends[: int(rng.integers(2))]])


def _random_layer(
    builder: ModelBuilder, rng: np.random.Generator, x: int, earlier: Sequence[int]
) -> int:
    shape = one_op.shape_of(builder, x)
    output = (float(rng.uniform(0.03, 0.1)), int(rng.choice([-128, -128, 0, 127, -20])))
    padding, kernel = str(rng.choice(["SAME", "VALID"])), (int(rng.integers(1, 4)),) * 2
    if min(shape[1:3]) < kernel[0]:
        padding = "SAME"
    layer = {
        "kernel": kernel,
        "padding": padding,
        "activation": str(rng.choice(["NONE", "RELU", "RELU6"])),
        "output": output,
        "per_channel": bool(rng.integers(2)),
    }
    alike = [index for index in earlier if one_op.shape_of(builder, index) == shape]
    kind = int(rng.integers(15))
    if kind <= 2:
        groups = int(rng.choice([g for g in (1, 1, 2) if shape[3] % g == 0]))
        channels = groups * int(rng.integers(1, 6 // groups))
        y = one_op.conv_2d(
            builder, rng, x, channels=channels, groups=groups, bias=_biases(rng, channels), **layer
        )
        _clear_some_weights(builder, rng, y)
        return y
    if kind <= 4:
        multiplier = int(rng.integers(1, 3))
        bias = _biases(rng, shape[3] * multiplier)
        return one_op.depthwise_conv_2d(builder, rng, x, multiplier=multiplier, bias=bias, **layer)
    if kind == 5:
        return one_op.add(builder, rng, x, other=int(rng.choice(alike)), output=output)
    if kind == 6:
        pool = str(rng.choice(["MAX_POOL_2D", "AVERAGE_POOL_2D"]))
        return one_op.pool_2d(builder, rng, x, kind=pool, padding="SAME", stride=(1, 1))
    if kind == 7:
        return one_op.pad(builder, rng, x, amounts=[(0, 0), (1, 0), (0, 1), (0, 0)])
    if kind == 8:
        flat = one_op.reshape(builder, rng, x, target=(1, int(np.prod(shape))))
        return one_op.reshape(builder, rng, flat, target=shape)
    if kind == 9:
        function = str(rng.choice(["LOGISTIC", "TANH", "HARD_SWISH", "RELU6"]))
        return one_op.function(builder, rng, x, kind=function)
    if kind == 10:
        gate = (1, 1, 1, int(rng.choice([1, shape[3]])))
        return one_op.binary(
            builder,
            rng,
            x,
            kind=str(rng.choice(["MUL", "SUB", "MAXIMUM", "PRELU"])),
            constant_shape=gate,
            other_quant=one_op.quant_of(builder, x),
            output=one_op.quant_of(builder, x),
        )
    if kind == 11:
        quant = one_op.quant_of(builder, x)
        others = [index for index in alike if one_op.quant_of(builder, index) == quant]
        axis = int(rng.integers(2, 4)) if shape[3] < 6 else 2
        return one_op.concatenation(builder, rng, [x, int(rng.choice(others))], axis=axis)
    if kind == 12:
        size = tuple(int(length) for length in rng.integers(1, 8, size=2))
        resize = str(rng.choice(["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"]))
        return one_op.resize(builder, rng, x, kind=resize, size=size)
    if kind == 13:
        size = (2 * shape[1], shape[2])
        return one_op.transpose_conv(builder, rng, x, channels=2, size=size, stride=(2, 1))
    return _moved(builder, rng, x)


def _moved(builder: ModelBuilder, rng: np.random.Generator, x: int) -> int:
    """A transposition, or a part."""
    shape = one_op.shape_of(builder, x)
    if rng.integers(2):
        order = (0, *(int(axis) + 1 for axis in rng.permutation(3)))
        return one_op.transpose(builder, rng, x, order=order)
    if shape[3] % 2 == 0 and rng.integers(2):
        return one_op.split(builder, rng, x, kind="SPLIT", axis=3, sizes=[shape[3] // 2] * 2)[0]
    if shape[1] % 2 == shape[2] % 2 == 0 and shape[3] < 3 and rng.integers(2):
        return one_op.blocks(builder, rng, x, kind="SPACE_TO_DEPTH", block=2)
    if shape[1] < 4 and rng.integers(2):
        return one_op.tile(builder, rng, x, multiples=(1, 2, 1, int(rng.integers(1, 3))))
    begin = [0, int(rng.integers(shape[1])), 0, int(rng.integers(shape[3]))]
    return one_op.slice_(builder, rng, x, begin=begin, size=[-1] * 4)


def _biases(rng: np.random.Generator, channels: int) -> list[int]:
    values = rng.integers(-1000, 1000, size=channels)
    return np.where(
        rng.random(channels) < 0.5, rng.choice([LOW, HIGH], size=channels), values
    ).tolist()


def _clear_some_weights(builder: ModelBuilder, rng: np.random.Generator, y: int) -> None:
    def clear(weights: npt.NDArray[np.int8]) -> None:
        cleared = rng.random((len(weights), weights.shape[3])) < 0.2
        weights[np.broadcast_to(cleared[:, np.newaxis, np.newaxis], weights.shape)] = 0

    change_weights(builder, y, clear)
