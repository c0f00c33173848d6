"""HARD_SWISH: int8, as a table for lookup.py: x * relu6(x + 3) / 6 in 16-bit fixed point."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.fixed_point import quantize_multiplier
from pipeline.ops.base import RawOp
from pipeline.ops.checks import input_of, require, scale_of, zero_point_of
from pipeline.records import Requant

Int64Array = npt.NDArray[np.int64]

# Real value of one step of what is relu6(x + 3) / 6 later on: 3 is all of int16.
_RELUISH_SCALE = np.float32(3) / np.float32(32768)


def values(raw: RawOp) -> Int64Array:
    """Results for the inputs -128 to 127.

    Source: TFLite `HardSwishPrepare` (kernels/activations.cc) and `HardSwish`
    (kernels/internal/reference/hard_swish.h); every variable there is an int16.
    """
    x, output = input_of(raw, 0), raw.outputs[0]
    # Seven bits more of precision.
    fine_scale = np.float32(1 / 128) * np.float32(scale_of(x))
    with np.errstate(over="ignore"):
        to_output = quantize_multiplier(float(fine_scale / np.float32(scale_of(output))))
        to_reluish = quantize_multiplier(float(fine_scale / _RELUISH_SCALE))
    require(
        -15 <= to_output.shift <= 0 and -15 <= to_reluish.shift <= 15,
        raw,
        "the input's scale must be from 1/512 to 128 of the output's, and from 2**-22 to 2**8",
        f"{scale_of(x)} and {scale_of(output)}",
        "Quantize the model again, with samples like those that it will see.",
    )
    fine = _wrapped((np.arange(-128, 128) - zero_point_of(x)) << 7)
    on_output = _high_product(fine, _multiplier_16(to_output), rounded=True)
    reluish = _scaled(fine, to_reluish)
    # From -1 .. 1 to 0 .. 1.
    gate = (reluish + (1 << 15)) >> 1
    product = _high_product(gate, on_output, rounded=False)
    return _divide(product, -to_output.shift) + zero_point_of(output)


def _scaled(x: Int64Array, requant: Requant) -> Int64Array:
    """Scale with saturation, all but one bit of a left shift before the product."""
    left, right = max(requant.shift, 0), max(-requant.shift, 0)
    x = _saturated(x << (left - 1)) if left else x
    x = _high_product(x, _multiplier_16(requant), rounded=True)
    x = _saturated(x << 1) if left else x
    return _divide(x, right)


def _multiplier_16(requant: Requant) -> int:
    """The multiplier as a Q15 number; TFLite `DownScaleInt32ToInt16Multiplier`."""
    return min((requant.multiplier + (1 << 15)) >> 16, 32767)


def _high_product(a: Int64Array, b: Int64Array | int, *, rounded: bool) -> Int64Array:
    """A product of Q15 numbers, rounded half away from zero or truncated."""
    product = a * b
    magnitude = np.abs(product) + ((1 << 14) if rounded else 0)
    # gemmlowp rounds negative ties up, as its nudge of 1 - 2**14 says.
    magnitude -= np.where((product < 0) & rounded, 1, 0)
    high: Int64Array = np.sign(product) * (magnitude >> 15)
    return high


def _divide(x: Int64Array, exponent: int) -> Int64Array:
    """Divide by a power of two, rounding half away from zero; gemmlowp `RoundingDivideByPOT`."""
    half = (1 << exponent) >> 1
    quotient: Int64Array = np.sign(x) * ((np.abs(x) + half) >> exponent)
    return quotient


def _saturated(x: Int64Array) -> Int64Array:
    return np.clip(x, -(1 << 15), (1 << 15) - 1)


def _wrapped(x: Int64Array) -> Int64Array:
    return x.astype(np.int16).astype(np.int64)
