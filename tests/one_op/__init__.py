"""Operators of int8 models with random weights: alone in a .tflite file, or added to a graph.

Each function adds one operator to a `ModelBuilder` and returns the index of its output. What a
caller does not fix (weights, biases) is drawn from `rng`.
"""

from __future__ import annotations

from tests.one_op.building import (
    Bias,
    Pair,
    Quant,
    quant_of,
    shape_of,
    single,
    window_sizes,
)
from tests.one_op.movement import (
    blocks,
    concatenation,
    pack,
    pad,
    reshape,
    resize,
    slice_,
    split,
    strided_slice,
    tile,
    transpose,
)
from tests.one_op.pointwise import (
    FUNCTION_QUANTS,
    SOFTMAX_QUANT,
    add,
    binary,
    dequantize,
    function,
    quantize,
    softmax,
)
from tests.one_op.reduction import arg_max, mean, pool_2d
from tests.one_op.weighted import conv_2d, depthwise_conv_2d, fully_connected, transpose_conv

__all__ = [
    "Bias",
    "FUNCTION_QUANTS",
    "Pair",
    "Quant",
    "SOFTMAX_QUANT",
    "add",
    "arg_max",
    "binary",
    "blocks",
    "concatenation",
    "conv_2d",
    "depthwise_conv_2d",
    "dequantize",
    "fully_connected",
    "function",
    "mean",
    "pack",
    "pad",
    "pool_2d",
    "quant_of",
    "quantize",
    "reshape",
    "resize",
    "shape_of",
    "single",
    "slice_",
    "softmax",
    "split",
    "strided_slice",
    "tile",
    "transpose",
    "transpose_conv",
    "window_sizes",
]
