"""Random int8 models: one operator, or a graph of several, with whatever TFLite allows.

Everything that decides a model is drawn one value at a time, so that a seeded generator can make
thousands of them and hypothesis can shrink one. Only the values of weights come from a NumPy
generator, whose seed is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from tests import one_op
from tests.one_op import Pair, Quant, quant_of, shape_of
from tests.tflite_models import ModelBuilder

T = TypeVar("T")

# Most tensors stay below; large ones only take time.
_MAX_VALUES = 3000
_MAX_WEIGHTS = 4000


class Draw(Protocol):
    """Where random decisions come from; the first choice is the plainest."""

    def integer(self, low: int, high: int) -> int:
        """A number, both ends included."""

    def real(self, low: float, high: float) -> float:
        """A number, evenly spread."""

    def pick(self, options: Sequence[T]) -> T:
        """One of several."""


class SeededDraw:
    """Decisions of a NumPy generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def integer(self, low: int, high: int) -> int:
        """See `Draw`."""
        return int(self._rng.integers(low, high, endpoint=True))

    def real(self, low: float, high: float) -> float:
        """See `Draw`."""
        return float(self._rng.uniform(low, high))

    def pick(self, options: Sequence[T]) -> T:
        """See `Draw`."""
        return options[int(self._rng.integers(len(options)))]


class _Maker:
    """A model in the making.

    Args:
        draw: makes the decisions.
    """

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.builder = ModelBuilder()
        self.rng = np.random.default_rng(draw.integer(0, 2**32 - 1))

    def once_in(self, times: int) -> bool:
        """True once in so many times."""
        return self.draw.integer(1, times) == times

    def zero_point(self) -> int:
        """Any, and its ends and 0 more often."""
        return self.draw.pick((0, -128, 127, self.draw.integer(-128, 127)))

    def scale(self, usual: float) -> float:
        """About the usual one, and sometimes far away."""
        spread = 12.0 if self.once_in(12) else 2.0
        return usual * math.exp2(self.draw.real(-spread, spread))

    def quant(self) -> Quant:
        """Of a tensor that nothing asks anything of."""
        return self.scale(0.05), self.zero_point()

    def image(self, name: str) -> int:
        """An input [1, height, width, channels]."""
        channels = self.draw.pick((1, 2, 3, 4, 8, self.draw.integer(1, 24), 16))
        side = math.isqrt(_MAX_VALUES // channels)
        height = self.draw.integer(1, min(side, self.draw.pick((6, 12, 32))))
        width = self.draw.integer(1, min(side, self.draw.pick((6, 12, 32))))
        return self.input(name, (1, height, width, channels))

    def input(self, name: str, shape: Sequence[int]) -> int:
        """An int8 input of the model."""
        scale, zero_point = self.quant()
        return self.builder.tensor(name, shape, scale=scale, zero_point=zero_point)

    def pixels(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        """A uint8 input of the model, and the int8 tensor that is made of it."""
        scale, zero_point = self.scale(1 / 255), self.draw.pick((0, self.draw.integer(0, 255)))
        x = self.builder.tensor(name, shape, dtype="uint8", scale=scale, zero_point=zero_point)
        output = (scale, zero_point - 128) if self.draw.pick((True, False)) else self.quant()
        return x, one_op.quantize(self.builder, self.rng, x, output=output)

    def activation(self) -> str:
        """A fused activation; ReLUs are what networks have."""
        return self.draw.pick(("NONE", "RELU", "RELU6", "NONE", "RELU_N1_TO_1"))

    def output(self, spread: float, activation: str) -> Quant:
        """Quantization of an output whose values mostly lie within +-`spread`.

        Mostly as a converter would choose it, so that few values are clamped.
        """
        if activation in ("RELU", "RELU6") and not self.once_in(4):
            top = min(spread, 6.0) if activation == "RELU6" else spread
            return self.scale(max(top, 1e-9) / 255 / 2), -128
        return self.scale(max(spread, 1e-9) / 127 / 2), self.zero_point()


def _spread(maker: _Maker, x: int, taps: int, options: Mapping[str, Any]) -> float:
    """How far from 0, mostly, sums of `taps` products of random inputs and weights lie."""
    scale, zero_point = quant_of(maker.builder, x)
    low, high = options["filter_limits"]
    input_mean, weight_mean = -0.5 - zero_point, (low + high) / 2
    input_power = input_mean**2 + 256**2 / 12
    weight_power = weight_mean**2 + (high - low) ** 2 / 12
    mean = input_mean * weight_mean
    deviation = math.sqrt(taps * (input_power * weight_power - mean**2))
    return float((abs(taps * mean) + 2 * deviation) * scale * options["filter_scale"])


def _window(maker: _Maker, height: int, width: int) -> dict[str, Any]:
    """Kernel, stride, dilation and padding that leave an output."""
    draw = maker.draw
    size = draw.pick((3, 1, 2, 5, draw.integer(1, 10)))
    kernel = (size, size) if not maker.once_in(3) else (draw.integer(1, 10), draw.integer(1, 5))
    stride = draw.pick(((1, 1), (2, 2), (draw.integer(1, 4), draw.integer(1, 4))))
    dilation = (1, 1)
    if maker.once_in(6):
        dilation = (draw.integer(1, 3), draw.integer(1, 3))
    padding = draw.pick(("SAME", "VALID"))
    reach = [(taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True)]
    if padding == "VALID" and (reach[0] > height or reach[1] > width):
        padding = "SAME"
    return {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding}


def _weights(maker: _Maker) -> dict[str, Any]:
    """What convolutions and fully connected layers have in common."""
    limits: Pair = (-127, 127)
    if maker.once_in(4):
        limits = maker.draw.pick(((-20, 20), (-128, 127), (-128, -100), (0, 127)))
    bias = maker.draw.pick((1000, None, 20_000, 0, 2_000_000))
    return {
        "bias": bias,
        "filter_limits": limits,
        "filter_scale": maker.scale(0.01),
        "per_channel": not maker.once_in(5),
    }


def _conv_2d(maker: _Maker, x: int) -> int:
    _, height, width, depth = shape_of(maker.builder, x)
    options = {**_window(maker, height, width), **_weights(maker)}
    # The reference takes no convolution without one.
    options["bias"] = 1000 if options["bias"] is None else options["bias"]
    taps = depth * math.prod(options["kernel"])
    most = max(1, min(40, _MAX_WEIGHTS // taps, 2 * _MAX_VALUES // (height * width)))
    channels = maker.draw.integer(1, most)
    if maker.draw.pick((True, False)) and most >= 4:
        channels = max(4, channels - channels % 4)
    if depth > 1 and maker.once_in(10):
        groups = maker.draw.pick([n for n in range(2, depth + 1) if depth % n == 0])
        channels = groups * max(1, channels // groups)
        options["groups"] = groups
        taps //= groups
    return _filtered(maker, one_op.conv_2d, x, taps, {**options, "channels": channels})


def _depthwise_conv_2d(maker: _Maker, x: int) -> int:
    _, height, width, depth = shape_of(maker.builder, x)
    options = {**_window(maker, height, width), **_weights(maker)}
    taps = math.prod(options["kernel"])
    if maker.once_in(5):
        options["multiplier"] = maker.draw.integer(1, max(1, min(4, 40 // depth)))
    return _filtered(maker, one_op.depthwise_conv_2d, x, taps, options)


def _fully_connected(maker: _Maker, x: int) -> int:
    length = shape_of(maker.builder, x)[-1]
    outputs = maker.draw.integer(1, max(1, min(40, _MAX_WEIGHTS // length)))
    options = {**_weights(maker), "outputs": outputs, "per_channel": maker.once_in(3)}
    if maker.once_in(4):
        options["keep_num_dims"] = True
    return _filtered(maker, one_op.fully_connected, x, length, options)


def _filtered(
    maker: _Maker, add: Callable[..., int], x: int, taps: int, options: Mapping[str, Any]
) -> int:
    """An operator with weights, whose output suits them."""
    activation = maker.activation()
    output = maker.output(_spread(maker, x, taps, options), activation)
    return add(maker.builder, maker.rng, x, **options, activation=activation, output=output)


def _add(maker: _Maker, x: int) -> int:
    builder, draw = maker.builder, maker.draw
    shape = shape_of(builder, x)
    options: dict[str, Any] = {"swap": maker.once_in(3)}
    others = [
        index
        for index, tensor in enumerate(builder.subgraph.tensors)
        if tuple(tensor.shape) == shape and tensor.buffer == 0 and builder.is_int8(index)
    ]
    scale = quant_of(builder, x)[0]
    if maker.once_in(3):
        kept = [size if draw.pick((True, False)) else 1 for size in shape]
        options["constant_shape"] = draw.pick((kept, shape, (shape[-1],), (1,)))
        options["other_quant"] = (maker.scale(scale), maker.zero_point())
    else:
        options["other"] = draw.pick(others)
    activation = maker.activation()
    output = maker.output(256 * scale, activation)
    return one_op.add(builder, maker.rng, x, **options, activation=activation, output=output)


def _pool_2d(maker: _Maker, x: int) -> int:
    _, height, width, _ = shape_of(maker.builder, x)
    options = _window(maker, height, width)
    del options["dilation"]
    kind = maker.draw.pick(("AVERAGE_POOL_2D", "MAX_POOL_2D"))
    if options["kernel"][0] > height or options["kernel"][1] > width:
        options["padding"] = "SAME"
    return one_op.pool_2d(
        maker.builder,
        maker.rng,
        x,
        kind=kind,
        activation=maker.activation(),
        **options,
    )


def _mean(maker: _Maker, x: int) -> int:
    shape = shape_of(maker.builder, x)
    # Neighbouring axes: the engine takes no others.
    first = maker.draw.integer(min(1, len(shape) - 1), len(shape) - 1)
    axes = tuple(range(first, maker.draw.integer(first, len(shape) - 1) + 1))
    if len(shape) == 4 and maker.draw.pick((True, False)):
        axes = (1, 2)
    scale, _ = quant_of(maker.builder, x)
    output = None if maker.draw.pick((True, False)) else (maker.scale(scale), maker.zero_point())
    keep_dims = maker.once_in(3)
    return one_op.mean(maker.builder, maker.rng, x, axes=axes, keep_dims=keep_dims, output=output)


def _pad(maker: _Maker, x: int) -> int:
    shape = shape_of(maker.builder, x)
    amounts = [(0, 0)] * len(shape)
    for axis in range(1, len(shape)):
        if axis < len(shape) - 1 or maker.once_in(4):
            amounts[axis] = (maker.draw.integer(0, 2), maker.draw.integer(0, 2))
    return one_op.pad(maker.builder, maker.rng, x, amounts=amounts)


def _softmax(maker: _Maker, x: int) -> int:
    if shape_of(maker.builder, x)[-1] >= 512:
        # The reference aborts the whole process where so many classes are alike.
        return _quantize(maker, x)
    beta = maker.draw.pick((1.0, maker.draw.real(0.1, 4.0)))
    return one_op.softmax(maker.builder, maker.rng, x, beta=beta)


def _quantize(maker: _Maker, x: int) -> int:
    scale, _ = quant_of(maker.builder, x)
    output = (maker.scale(scale), maker.zero_point())
    return one_op.quantize(maker.builder, maker.rng, x, output=output)


def _function(maker: _Maker, x: int) -> int:
    kind = maker.draw.pick(
        ("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH")
    )
    options: dict[str, Any] = {}
    if kind == "LEAKY_RELU":
        options["alpha"] = maker.draw.real(0.0, 2.0)
    if kind not in one_op.FUNCTION_QUANTS and maker.draw.pick((True, False)):
        scale, _ = quant_of(maker.builder, x)
        options["output"] = (maker.scale(scale), maker.zero_point())
    return one_op.function(maker.builder, maker.rng, x, kind=kind, **options)


def _reshape(maker: _Maker, x: int) -> int:
    size = math.prod(shape_of(maker.builder, x))
    divisors = [n for n in range(1, size + 1) if size % n == 0]
    first = maker.draw.pick(divisors)
    target = maker.draw.pick(
        ((1, size), (1, first, size // first, 1), (1, first, 1, size // first))
    )
    return one_op.reshape(maker.builder, maker.rng, x, target=target)


_Operator = Callable[[_Maker, int], int]

# Operators on images [1, height, width, channels] by name, those with kernels of their own more
# often; the others take tensors of any shape.
IMAGE_OPERATORS: Mapping[str, tuple[_Operator, int]] = {
    "conv_2d": (_conv_2d, 5),
    "depthwise_conv_2d": (_depthwise_conv_2d, 4),
    "pool_2d": (_pool_2d, 2),
}
ANY_OPERATORS: Mapping[str, tuple[_Operator, int]] = {
    "fully_connected": (_fully_connected, 2),
    "add": (_add, 2),
    "mean": (_mean, 1),
    "pad": (_pad, 1),
    "softmax": (_softmax, 1),
    "quantize": (_quantize, 1),
    "function": (_function, 1),
}
OPERATORS = {**IMAGE_OPERATORS, **ANY_OPERATORS}


def random_operator(draw: Draw, name: str | None = None) -> bytes:
    """A model of one operator on one image.

    Args:
        draw: makes the decisions.
        name: of OPERATORS; None draws it.
    """
    maker = _Maker(draw)
    x = maker.image("input")
    add, _ = OPERATORS[name] if name is not None else _weighted(draw, OPERATORS)
    return maker.builder.build([x], [add(maker, x)])


def random_graph(draw: Draw, operators: int = 8) -> bytes:
    """A model of up to so many operators: chains and branches, one to three inputs.

    Every tensor that nobody reads is an output, and now and then one that is read.
    """
    maker = _Maker(draw)
    builder = maker.builder
    inputs = [maker.image("input_0")]
    while maker.once_in(4) and len(inputs) < 3:
        shape = shape_of(builder, inputs[0])
        inputs.append(maker.input(f"input_{len(inputs)}", shape))
    computed: list[int] = []
    if maker.once_in(6):
        pixels, x = maker.pixels("pixels", shape_of(builder, inputs[0]))
        inputs.append(pixels)
        computed.append(x)
    for _ in range(draw.integer(1, operators)):
        tensors = [index for index in inputs + computed if builder.is_int8(index)]
        # Mostly the newest, so that chains grow long.
        x = tensors[-1] if not maker.once_in(4) else draw.pick(tensors)
        is_image = len(shape_of(builder, x)) == 4
        add, _ = _weighted(
            draw, {**OPERATORS, "reshape": (_reshape, 1)} if is_image else ANY_OPERATORS
        )
        y = add(maker, x)
        computed.append(y)
        if not shape_of(builder, y) or math.prod(shape_of(builder, y)) > 4 * _MAX_VALUES:
            break
    if maker.once_in(6):
        output = (maker.scale(0.05), draw.integer(0, 255))
        y = one_op.quantize(builder, maker.rng, computed[-1], dtype="uint8", output=output)
        computed.append(y)
    read = {index for op in builder.subgraph.operators for index in op.inputs}
    outputs = [tensor for tensor in computed if tensor not in read]
    if draw.pick((False, True)):
        outputs.append(draw.pick(computed))
    return builder.build(inputs, list(dict.fromkeys(outputs)))


def _weighted(draw: Draw, operators: Mapping[str, tuple[_Operator, int]]) -> tuple[_Operator, int]:
    return draw.pick([entry for entry in operators.values() for _ in range(entry[1])])
