"""A model in the making that shows what kernels cost: its decisions, and outputs that suit it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pipeline.records import INT4
from tests import one_op
from tests.one_op import Quant, quant_of, shape_of
from tests.random_draw import SeededDraw
from tests.tflite_models import ModelBuilder

# Of random bytes and weights, each evenly spread.
_DEVIATION = 74.0
# Weights of four bits whose products with inputs are spread as those of eight are.
_FOUR_BITS = {"filter_dtype": INT4, "filter_limits": (-7, 7), "filter_scale": 0.17}
# Of outputs, by what would suit them: others ask for other roundings, and so for other kernels.
_SPREADS = (1, 1, 1, 1 / 12, 12)


class Sheet:
    """A model whose operators all read one image.

    Args:
        seed: of all decisions.
    """

    def __init__(self, *seed: int) -> None:
        self.draw = SeededDraw(np.random.default_rng(seed))
        self.rng = np.random.default_rng(self.draw.integer(0, 2**32 - 1))
        self.builder = ModelBuilder()
        self.outputs: list[int] = []
        self.input = -1
        self.varied = False
        self.four_bits = False

    def image(self, channels: int, values: int, shortest: int = 3) -> int:
        """An input with about so many values at most."""
        side = max(shortest, math.isqrt(values // channels))
        shape = [1, *(self.draw.integer(shortest, side) for _ in range(2)), channels]
        self.input = self.tensor("input", shape)
        return self.input

    def tensor(self, name: str, shape: list[int]) -> int:
        """An input as converters make them."""
        zero_point = self.draw.pick((-128, 0, self.draw.integer(-40, 40)))
        return self.builder.tensor(name, shape, scale=0.02, zero_point=zero_point)

    def suit(self, x: int, taps: int, activation: str) -> Quant:
        """Quantization of an output that sums up so many products."""
        spread = 2.5 * math.sqrt(taps) * _DEVIATION**2 * 0.01 * quant_of(self.builder, x)[0]
        spread *= self.draw.pick(_SPREADS) if self.varied else 1
        if activation != "NONE":
            return min(spread, 6.0) / 255 if activation == "RELU6" else spread / 255, -128
        return 2 * spread / 255, self.draw.integer(-30, 30)

    def activation(self) -> str:
        """What follows a convolution."""
        return self.draw.pick(("RELU6", "RELU", "NONE"))

    def size_of(self, tensor: int) -> int:
        """Values of a tensor."""
        return math.prod(shape_of(self.builder, tensor))

    def conv_2d(
        self, x: int, channels: int, kernel: tuple[int, int], stride: int, **more: Any
    ) -> int:
        """A convolution whose output suits it."""
        taps = shape_of(self.builder, x)[3] * math.prod(kernel)
        activation = more.pop("activation", None) or self.activation()
        return one_op.conv_2d(
            self.builder,
            self.rng,
            x,
            channels=channels,
            kernel=kernel,
            stride=(stride, stride),
            activation=activation,
            output=self.suit(x, taps, activation),
            **{"padding": "SAME", **self._weights(), **more},
        )

    def depthwise(self, x: int, kernel: tuple[int, int], stride: int, **more: Any) -> int:
        """A depthwise convolution whose output suits it."""
        activation = more.pop("activation", None) or self.activation()
        return one_op.depthwise_conv_2d(
            self.builder,
            self.rng,
            x,
            kernel=kernel,
            stride=(stride, stride),
            activation=activation,
            output=self.suit(x, math.prod(kernel), activation),
            **{"padding": "SAME", **more},
        )

    def dense(self, x: int, outputs: int, **more: Any) -> int:
        """A fully connected layer whose output suits it."""
        activation = self.draw.pick(("NONE", "RELU"))
        length = shape_of(self.builder, x)[-1]
        return one_op.fully_connected(
            self.builder,
            self.rng,
            x,
            outputs=outputs,
            activation=activation,
            output=self.suit(x, length, activation),
            **{**self._weights(), **more},
        )

    def _weights(self) -> dict[str, Any]:
        """What convolutions and fully connected layers have in common."""
        return _FOUR_BITS if self.four_bits else {}

    def build(self) -> bytes:
        """The model with all outputs."""
        return self.builder.build([self.input], list(dict.fromkeys(self.outputs)))
