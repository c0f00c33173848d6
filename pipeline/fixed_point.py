"""Fixed-point factors: multiplier and shift, bit-exact with TFLite's reference kernels.

Two ways of requantizing occur in the pinned reference. Convolutions, ADD, MEAN, QUANTIZE and
SOFTMAX use ``MultiplyByQuantizedMultiplier`` with double rounding. FULLY_CONNECTED multiplies
by a double and rounds half away from zero; `exact_multiplier` finds an integer form of that.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.errors import UnsupportedModelError
from pipeline.records import Requant

Int64Array = npt.NDArray[np.int64]

_MULTIPLIER_ONE = 1 << 31

# Of `FloorForm`: a constant beyond all that are needed, and how many offsets are tried.
_FAR = 1 << 60
_OFFSETS = 4096


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
    """Scale int32 values by a double, or by doubles, and round half away from zero.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorForm:
    """A requantization that only multiplies, adds and shifts; zero point and saturation included.

    clip(((acc * 2**prescale + offset) * multiplier + r * 2**32) >> (32 + shift), -128, 127), where
    r is `negative_rounding` for accumulators below zero, else `rounding`. The shift is the
    kernel's; prescale and offset go into weights and bias.
    """

    prescale: int
    offset: int
    multiplier: int
    rounding: int
    negative_rounding: int

    def apply(self, acc: Int64Array, shift: int) -> Int64Array:
        """The kernels' results."""
        high = (((acc << self.prescale) + self.offset) * self.multiplier) >> 32
        rounding = np.where(acc < 0, self.negative_rounding, self.rounding)
        result: Int64Array = np.clip((high + rounding) >> shift, -128, 127)
        return result


def floor_form(
    requant: Requant, *, zero_point: int, reach: tuple[int, int], shift: int, most_prescale: int
) -> FloorForm | None:
    """Find a `FloorForm` equal to double rounding.

    With e = -requant.shift in 1 .. shift - 1 the form is, for accumulators that are not negative,

        floor((floor(acc * m / 2**31 + 1/2) + 2**(e - 1)) / 2**e)
            = floor(acc * m / 2**(31 + e) + 2**(-e - 1) + 1/2)

    and prescale = 1 + shift - e. For negative ones, ties go down: 2**(-e - 1) is subtracted. With a
    zero point of -128 they are all clipped, so that one rounding does. For another e, or where that
    prescale is too much, other constants are taken if the results are the same on both sides of
    every step.

    Args:
        requant: from `quantize_multiplier`.
        zero_point: of the output.
        reach: the least and the largest value that the accumulator can have.
        shift: of the form.
        most_prescale: to what power of two the weights may be multiplied.
    Returns:
        The form, or None if none was found.
    """
    # One bit is left for the offset.
    room = 30 - max(abs(value) for value in reach).bit_length()
    most_prescale = min(most_prescale, room)
    prescale = 1 + shift + requant.shift
    if 2 <= prescale <= min(most_prescale, shift):
        half_tie = 1 << (prescale - 2)
        middle = (1 << (shift - 1)) + (zero_point << shift)
        return FloorForm(
            prescale=prescale,
            offset=0,
            multiplier=requant.multiplier,
            rounding=middle + half_tie,
            negative_rounding=middle + (half_tie if zero_point == -128 else -half_tie),
        )
    steps = _steps(requant, zero_point, reach)
    for candidate in range(most_prescale, max(0, prescale) - 1, -1):
        multiplier = math.floor(math.ldexp(requant.multiplier, prescale - candidate) + 0.5)
        for near in (multiplier, multiplier - 1, multiplier + 1):
            if 0 < near < _MULTIPLIER_ONE:
                constants = _constants(steps, near << candidate, reach, zero_point, shift)
                found = _split(*constants, near)
                if found is not None:
                    return FloorForm(prescale=candidate, multiplier=near, **found)
    return None


def _steps(
    requant: Requant, zero_point: int, reach: tuple[int, int]
) -> tuple[Int64Array, Int64Array]:
    """The accumulators below and above the step to each of the results -127 to 127, by bisection.

    Beyond `reach` where the step is not within it.
    """
    results = np.arange(-127, 128)
    below, above = np.full(255, reach[0] - 1), np.full(255, reach[1] + 1)
    while (above - below > 1).any():
        middle = (below + above) >> 1
        reached = multiply_by_quantized_multiplier(middle, requant) + zero_point >= results
        above, below = np.where(reached, middle, above), np.where(reached, below, middle)
    return below, above


_Interval = tuple[int, int]


def _constants(
    steps: tuple[Int64Array, Int64Array],
    factor: int,
    reach: tuple[int, int],
    zero_point: int,
    shift: int,
) -> tuple[_Interval, _Interval]:
    """Bounds of what has to be added to acc * factor, for either sign of the accumulator."""
    if zero_point == -128:
        both = _bounds(steps, factor, reach, shift)
        return both, both
    not_negative = _bounds(steps, factor, (max(reach[0], 0), reach[1]), shift)
    return not_negative, _bounds(steps, factor, (reach[0], min(reach[1], -1)), shift)


def _bounds(
    steps: tuple[Int64Array, Int64Array], factor: int, reach: tuple[int, int], shift: int
) -> _Interval:
    """The constants that put acc * factor on the right side of every step in reach."""
    below, above = steps
    limits = np.arange(-127, 128) << (shift + 32)
    least = (limits - np.maximum(above, reach[0]) * factor)[above <= reach[1]]
    most = (limits - np.minimum(below, reach[1]) * factor)[below >= reach[0]]
    return int(least.max(initial=-_FAR)), int(most.min(initial=_FAR)) - 1


def _split(not_negative: _Interval, negative: _Interval, multiplier: int) -> dict[str, int] | None:
    """Constants within their bounds as offset * multiplier + rounding * 2**32 with one offset."""
    if not_negative[0] > not_negative[1]:
        return None
    rounding, fraction = divmod(not_negative[0], 1 << 32)
    for offset in itertools.islice(itertools.count(-(-fraction // multiplier)), _OFFSETS):
        total = offset * multiplier
        if total + (rounding << 32) > not_negative[1]:
            break
        negative_rounding = -(-(negative[0] - total) >> 32)
        if total + (negative_rounding << 32) <= negative[1]:
            if not_negative == negative:
                negative_rounding = rounding
            return {
                "offset": offset,
                "rounding": rounding,
                "negative_rounding": negative_rounding,
            }
    return None
