"""Random decisions about a model in the making; tests/random_models.py puts them together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from tests import one_op
from tests.one_op import Quant
from tests.tflite_models import ModelBuilder

T = TypeVar("T")

# Most tensors stay below; large ones only take time.
MAX_VALUES = 3000


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


class Maker:
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
        side = math.isqrt(MAX_VALUES // channels)
        height = self.draw.integer(1, min(side, self.draw.pick((6, 12, 32))))
        width = self.draw.integer(1, min(side, self.draw.pick((6, 12, 32))))
        return self.input(name, (1, height, width, channels))

    def input(self, name: str, shape: Sequence[int]) -> int:
        """An int8 input of the model."""
        scale, zero_point = self.quant()
        return self.builder.tensor(name, shape, scale=scale, zero_point=zero_point)

    def foreign_input(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        """An input of another type, and the int8 tensor that is made of it."""
        output = self.quant()
        if self.once_in(3):
            x = self.builder.tensor(name, shape, dtype="float32")
        else:
            scale, zero_point = self.scale(1 / 255), self.draw.pick((0, self.draw.integer(0, 255)))
            x = self.builder.tensor(name, shape, dtype="uint8", scale=scale, zero_point=zero_point)
            output = self.draw.pick(((scale, zero_point - 128), output))
        return x, one_op.quantize(self.builder, self.rng, x, output=output)

    def foreign_output(self, x: int) -> int:
        """An output of another type than int8."""
        kinds = ["uint8", "float32", "index"] if one_op.shape_of(self.builder, x) else ["float32"]
        kind = self.draw.pick(kinds)
        if kind == "float32":
            return one_op.dequantize(self.builder, self.rng, x)
        if kind == "index":
            dtype = self.draw.pick(("int64", "int32"))
            axis = len(one_op.shape_of(self.builder, x)) - 1
            return one_op.arg_max(self.builder, self.rng, x, axis=axis, dtype=dtype)
        output = (self.scale(0.05), self.draw.integer(0, 255))
        return one_op.quantize(self.builder, self.rng, x, dtype="uint8", output=output)

    def like(self, x: int, quant: Quant | None) -> list[int]:
        """Computed int8 tensors of the same shape, `x` first, and of this quantization if any."""
        builder = self.builder
        shape = one_op.shape_of(builder, x)
        others = [
            index
            for index, tensor in enumerate(builder.subgraph.tensors)
            if tensor.buffer == 0 and tuple(tensor.shape) == shape and builder.is_int8(index)
        ]
        return [x] + [
            index
            for index in others
            if index != x and quant in (None, one_op.quant_of(builder, index))
        ]

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
