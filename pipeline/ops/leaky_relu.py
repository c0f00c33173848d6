"""LEAKY_RELU: int8, as a table for lookup.py; slopes that are not negative."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from pipeline.ops.base import RawOp
from pipeline.ops.checks import check_scaled_range, input_of, require, scale_of, zero_point_of
from pipeline.records import Requant

Int64Array = npt.NDArray[np.int64]


def values(raw: RawOp) -> Int64Array:
    """Results for the inputs -128 to 127.

    Source: TFLite `LeakyReluPrepare` (kernels/activations.cc) and `QuantizeLeakyRelu`
    (kernels/internal/reference/leaky_relu.h).
    """
    import tflite

    alpha = raw.options_as(tflite.LeakyReluOptions).Alpha()
    require(
        math.isfinite(alpha) and alpha >= 0,
        raw,
        "alpha must be finite and not negative",
        alpha,
        "Use a slope of at least 0 in the Keras model.",
    )
    x, output = input_of(raw, 0), raw.outputs[0]
    above = np.arange(-128, 128) - zero_point_of(x)
    # Unlike most operators' factors, these are products and quotients of float32.
    scales = np.float32(scale_of(x)), np.float32(scale_of(output))
    with np.errstate(over="ignore"):
        factors = [float(scales[0] * np.float32(slope) / scales[1]) for slope in (1.0, alpha)]
    positive, negative = (_scaled(raw, above, factor) for factor in factors)
    return np.where(above >= 0, positive, negative) + zero_point_of(output)


def _scaled(raw: RawOp, x: Int64Array, factor: float) -> Int64Array:
    check_scaled_range(raw.label, 255, factor)
    requant = quantize_multiplier(factor) if factor > 0 else Requant(multiplier=0, shift=0)
    return multiply_by_quantized_multiplier(x, requant)
