"""What all operators of int8 models with random weights are added with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tests.tflite_models import ACTIVATIONS, PADDINGS, ModelBuilder

# Quantization (scale, zero point) of a tensor.
Quant = tuple[float, int]

Pair = tuple[int, int]

# Values of a bias, or the largest magnitude of random ones.
Bias = int | Sequence[int]


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


def window_sizes(
    sizes: Sequence[int],
    kernel: Pair,
    stride: Pair,
    padding: str,
    dilation: Pair = (1, 1),
) -> list[int]:
    """Height and width of what a window gives that slides over an image of these sizes."""
    if padding == "SAME":
        return [-(-size // step) for size, step in zip(sizes, stride, strict=True)]
    return [
        (size - (taps - 1) * spread - 1) // step + 1
        for size, taps, step, spread in zip(sizes, kernel, stride, dilation, strict=True)
    ]


def sliding(stride: Pair, padding: str, activation: str) -> dict[str, object]:
    """Options of every operator whose window slides."""
    return {
        "padding": PADDINGS[padding],
        "strideH": stride[0],
        "strideW": stride[1],
        "fusedActivationFunction": ACTIVATIONS[activation],
    }


def output_of(builder: ModelBuilder, kind: str, shape: Sequence[int], quant: Quant) -> int:
    """A tensor for what an operator of this kind computes."""
    name = f"{kind.lower()}_{len(builder.subgraph.operators)}"
    return builder.tensor(name, shape, scale=quant[0], zero_point=quant[1])


def moved(
    builder: ModelBuilder,
    x: int,
    kind: str,
    inputs: Sequence[int],
    shape: Sequence[int],
    options: str | None = None,
    **values: object,
) -> int:
    """An operator with one output that holds values of x, at its quantization."""
    y = output_of(builder, kind, shape, quant_of(builder, x))
    builder.operator(kind, inputs, [y], options, **values)
    return y
