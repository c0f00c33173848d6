"""Operators that make one value of several: of a window, or along axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.one_op.building import (
    Pair,
    Quant,
    output_of,
    quant_of,
    shape_of,
    sliding,
    window_sizes,
)
from tests.tflite_models import ModelBuilder


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
    _, *image, depth = shape_of(builder, x)
    sizes = window_sizes(image, kernel, stride, padding)
    y = output_of(builder, kind, (1, *sizes, depth), quant_of(builder, x))
    builder.operator(
        kind,
        [x],
        [y],
        "Pool2DOptions",
        **sliding(stride, padding, activation),
        filterHeight=kernel[0],
        filterWidth=kernel[1],
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
    y = output_of(builder, kind, result, output or quant_of(builder, x))
    indices = builder.constant("axes", np.asarray(axes), dtype="int32")
    builder.operator(kind, [x, indices], [y], "ReducerOptions", keepDims=keep_dims)
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
