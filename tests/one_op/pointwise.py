"""Operators that work on each value alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.one_op.building import (
    Quant,
    output_of,
    quant_of,
    shape_of,
)
from tests.tflite_models import ACTIVATIONS, ModelBuilder

SOFTMAX_QUANT: Quant = (1 / 256, -128)

# The one quantization of the output that the reference takes.
FUNCTION_QUANTS: Mapping[str, Quant] = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}


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
    y = output_of(builder, kind, shape, output)
    operands = [other, x] if swap else [x, other]
    options = _BINARY_OPTIONS.get(kind)
    fused = {"fusedActivationFunction": ACTIVATIONS[activation]}
    builder.operator(kind, operands, [y], options, **(fused if kind in _FUSING else {}))
    return y


def softmax(builder: ModelBuilder, rng: np.random.Generator, x: int, *, beta: float = 1.0) -> int:
    """SOFTMAX over the last axis."""
    y = output_of(builder, "SOFTMAX", shape_of(builder, x), SOFTMAX_QUANT)
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


def dequantize(builder: ModelBuilder, rng: np.random.Generator, x: int) -> int:
    """DEQUANTIZE to float32."""
    name = f"dequantize_{len(builder.subgraph.operators)}"
    y = builder.tensor(name, shape_of(builder, x), dtype="float32")
    builder.operator("DEQUANTIZE", [x], [y], "DequantizeOptions")
    return y


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
    y = output_of(
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
