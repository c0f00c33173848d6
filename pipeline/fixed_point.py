"""Fixed-point factors: multiplier and shift, bit-exact with TFLite's reference kernels.

Two ways of requantizing occur in the pinned reference. Convolutions, ADD, MEAN, QUANTIZE and
SOFTMAX use ``MultiplyByQuantizedMultiplier`` with double rounding. FULLY_CONNECTED multiplies
by a double and rounds half away from zero; `exact_multiplier` finds an integer form of that.
"""

import math

import numpy as np
import numpy.typing as npt

from pipeline.errors import UnsupportedModelError
from pipeline.records import Requant

Int64Array = npt.NDArray[np.int64]

_MULTIPLIER_ONE = 1 << 31


def quantize_multiplier(real: float) -> Requant:
    """Split a positive real factor into a Q31 multiplier and a power of two.

    real ≈ multiplier * 2**(shift - 31), with 2**30 <= multiplier < 2**31;
    below 2**-32 the result is (0, 0), as in TFLite.

    Args:
        real: e.g. input_scale * filter_scale / output_scale; unitless, finite, > 0.
    Raises:
        UnsupportedModelError: real is not finite and positive, or 2**31 and more.
    Source: TFLite `QuantizeMultiplier` (kernels/internal/quantization_util.cc); bit-exact.
    """
    if not (math.isfinite(real) and real > 0):
        raise UnsupportedModelError(
            f"a requantization factor must be finite and positive. Received: {real}. "
            "The model's scales are broken; quantize it again."
        )
    fraction, shift = math.frexp(real)
    # TfLiteRound is round half away from zero; the fraction is positive.
    multiplier = math.floor(fraction * _MULTIPLIER_ONE + 0.5)
    if multiplier == _MULTIPLIER_ONE:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return Requant(multiplier=0, shift=0)
    if shift > 30:
        raise UnsupportedModelError(
            f"a requantization factor must be below 2**30. Received: {real}. "
            "The model's scales are absurd (an untrained network?); train and quantize it again."
        )
    return Requant(multiplier=multiplier, shift=shift)


def multiply_by_quantized_multiplier(x: Int64Array, requant: Requant) -> Int64Array:
    """Scale int32 values with double rounding: doubling high multiply, then rounding shift.

    Args:
        x: int32 values, held as int64.
        requant: from `quantize_multiplier`.
    Source: TFLite `MultiplyByQuantizedMultiplier` with TFLITE_SINGLE_ROUNDING off; bit-exact.
    """
    left, right = max(requant.shift, 0), max(-requant.shift, 0)
    shifted = (x << left).astype(np.int32).astype(np.int64)
    high = (shifted * requant.multiplier + (1 << 30)) >> 31
    if right == 0:
        return high
    return (high + (1 << (right - 1)) + (high >> 63)) >> right


def round_half_away(x: npt.NDArray[np.float64]) -> Int64Array:
    """Round to the nearest integer, ties away from zero, as C's round()."""
    truncated = np.trunc(x)
    away = np.abs(x - truncated) >= 0.5
    return (truncated + np.where(away, np.copysign(1.0, x), 0.0)).astype(np.int64)


def scale_in_double(x: Int64Array, real: float | npt.NDArray[np.float64]) -> Int64Array:
    """Scale int32 values by a double (or each by its own) and round half away from zero.

    Source: TFLite reference `FullyConnected` (reference/integer_ops/fully_connected.h).
    """
    return round_half_away(x.astype(np.float64) * real)


def exact_multiplier(real: float, lowest: int, highest: int, limit: int) -> Requant | None:
    """Find an integer form of `scale_in_double` that is exact where it matters.

    The form is ``(acc * multiplier + 2**(shift - 1) + (acc >> 31)) >> shift`` in 64 bits, with
    0 <= multiplier < 2**31 and 1 <= shift <= 62: here a shift is to the right. Both sides are
    step functions that never decrease, so they agree after clamping if and only if they agree
    on either side of every step; each step within reach is checked.

    Args:
        real: factor; unitless, finite, > 0.
        lowest, highest: clamp of the scaled value, before the zero point is added.
        limit: largest magnitude that the accumulator can have; limit * real < 2**31.
    Returns:
        The form, or None where none is exact: 31 bits cannot tell all steps of a factor below
        some 2**-14 apart, and a factor such as 0.35, which no product of float32 scales is,
        comes so close to ties that the double product itself rounds onto some of them.
    Raises:
        UnsupportedModelError: real is not finite and positive.
    """
    if not (math.isfinite(real) and real > 0):
        raise UnsupportedModelError(
            f"a requantization factor must be finite and positive. Received: {real}. "
            "The model's scales are broken; quantize it again."
        )
    probes = _step_probes(real, lowest, highest, limit)
    expected = np.clip(scale_in_double(probes, real), lowest, highest)
    _, exponent = math.frexp(real)
    longest = min(31 - exponent, 62)
    # A shorter shift rounds the multiplier elsewhere: another chance where a step lies within
    # 2**-23 of a tie, which happens to about one channel in ten thousand.
    for shift in range(longest, max(0, longest - 12), -1):
        nearest = math.floor(math.ldexp(real, shift) + 0.5)
        for multiplier in (nearest, nearest - 1, nearest + 1):
            if not 0 <= multiplier < _MULTIPLIER_ONE:
                continue
            requant = Requant(multiplier=multiplier, shift=shift)
            if np.array_equal(np.clip(_apply_exact(probes, requant), lowest, highest), expected):
                return requant
    return None


def _apply_exact(acc: Int64Array, requant: Requant) -> Int64Array:
    """The integer form of `exact_multiplier`, as the kernels compute it."""
    rounding = 1 << (requant.shift - 1)
    return (acc * requant.multiplier + rounding + (acc >> 63)) >> requant.shift


def _step_probes(real: float, lowest: int, highest: int, limit: int) -> Int64Array:
    """Accumulators next to every step of the scaled value, and the extremes."""
    steps = (np.arange(lowest, highest + 2, dtype=np.float64) - 0.5) / real
    near = np.floor(np.clip(steps, -limit - 4.0, limit + 4.0)).astype(np.int64)
    probes = (near[:, np.newaxis] + np.arange(-3, 5)).ravel()
    extremes = np.array([-limit, -1, 0, 1, limit], dtype=np.int64)
    return np.unique(np.clip(np.concatenate([probes, extremes]), -limit, limit))
