"""Requantization of the depthwise kernels: one rounding for each sign.

The kernels compute, of the sum `acc` of a channel with its bias,

    clip(((acc * 2**prescale + offset) * multiplier + r * 2**32) >> (32 + shift), -128, 127),

where r depends on the sign of the sum, which double rounding needs unless it clips all negative
results, as after a ReLU. Prescale and offset cost nothing: they are in the weights and the bias.
The offset is a rounding of finer grain, for channels whose results change little with their sums.
A larger shift makes r finer, too, and leaves less room for results that change much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.ops.dsp.accumulators import Accumulators
from pipeline.steps import Int64Array

# Offsets that are tried for roundings of both signs.
_OFFSETS = 512

# Beyond every constant.
_FAR = 1 << 60

_INT32_END = 1 << 31

_Interval = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseForm:
    """The constants of one channel."""

    shift: int
    prescale: int
    offset: int
    multiplier: int
    rounding: int
    negative_rounding: int

    def apply(self, acc: Int64Array) -> Int64Array:
        """The kernels' results."""
        scaled = (acc << self.prescale) + self.offset
        high = (scaled * self.multiplier) >> 32
        rounding = np.where(scaled < 0, self.negative_rounding, self.rounding)
        return np.asarray(np.clip((high + rounding) >> self.shift, -128, 127), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Channel:
    """What a form has to give.

    Attributes:
        shift: of the form.
        lowest, highest: reach of the sums.
        starts: [255], the smallest sum of each result from -127 on; see `Steps`.
        one_rounding: whether there is to be one for both signs.
    """

    shift: int
    lowest: int
    highest: int
    starts: Int64Array
    one_rounding: bool

    def bounds(self, factor: int) -> tuple[_Interval, _Interval]:
        """Bounds of what is added to sum * factor, where the sum is not negative and where it is.

        A constant is right if it puts the first sum of each result above the step to it, and the
        last sum before that below; each sign has its own first and last sum.
        """
        if self.one_rounding:
            both = self._bounds_between(self.lowest, self.highest, factor)
            return both, both
        return (
            self._bounds_between(max(self.lowest, 0), self.highest, factor),
            self._bounds_between(self.lowest, min(self.highest, -1), factor),
        )

    def _bounds_between(self, lowest: int, highest: int, factor: int) -> _Interval:
        steps = np.arange(-127, 128) << (self.shift + 32)
        first, last = self.starts, self.starts - 1
        least = (steps - np.maximum(first, lowest) * factor)[first <= highest]
        most = (steps - np.minimum(last, highest) * factor)[last >= lowest]
        return int(least.max(initial=-_FAR)), int(most.min(initial=_FAR)) - 1


def fit_forms(
    accumulators: Accumulators, shifts: Sequence[Sequence[int]]
) -> tuple[DepthwiseForm, ...] | None:
    """A form for each channel that gives its steps; None if a channel has none.

    Args:
        accumulators: of a layer that clips at -128 and 127 only.
        shifts: for each channel those that its form may have, best first.
    """
    forms = []
    for channel, candidates in enumerate(shifts):
        found = (_fit_channel(accumulators, channel, shift) for shift in candidates)
        form = next((form for form in found if form is not None), None)
        if form is None:
            return None
        forms.append(form)
    return tuple(forms)


def _fit_channel(accumulators: Accumulators, channel: int, shift: int) -> DepthwiseForm | None:
    steps = accumulators.steps
    wanted = _Channel(
        shift=shift,
        lowest=int(steps.lowest[channel, 0]),
        highest=int(steps.highest[channel, 0]),
        starts=steps.starts[channel],
        one_rounding=accumulators.zero_point == -128,
    )
    return _fit(
        wanted,
        int(accumulators.multiplier[channel]),
        1 + shift - int(accumulators.exponent[channel]),
        _most_prescale(accumulators.weights[channel], wanted),
    )


def _most_prescale(weights: Int64Array, wanted: _Channel) -> int:
    """So that weights fit 16 bits, and sums 31 with one of them left for the offset."""
    for_weights = 15 - max(int(weights.max()).bit_length(), int(-1 - weights.min()).bit_length())
    for_sums = 30 - max(abs(wanted.lowest), abs(wanted.highest)).bit_length()
    return min(for_weights, for_sums)


def _fit(
    wanted: _Channel, multiplier: int, prescale: int, most_prescale: int
) -> DepthwiseForm | None:
    """A form whose multiplier is, up to powers of two, the layer's or next to it.

    Args:
        wanted: what it has to give.
        multiplier, prescale: those whose product is the layer's own factor.
        most_prescale: the largest possible one.
    """
    candidates = range(most_prescale, max(0, prescale) - 1, -1)
    for candidate in sorted(candidates, key=lambda one: one != prescale):
        nearest = math.floor(math.ldexp(multiplier, prescale - candidate) + 0.5)
        for near in (nearest, nearest - 1, nearest + 1):
            if not 0 < near < _INT32_END:
                continue
            split = _split(*wanted.bounds(near << candidate), near, 1 << candidate)
            if split is not None:
                offset, rounding, negative_rounding = split
                return DepthwiseForm(
                    shift=wanted.shift,
                    prescale=candidate,
                    offset=offset,
                    multiplier=near,
                    rounding=rounding,
                    negative_rounding=negative_rounding,
                )
    return None


def _split(
    not_negative: _Interval, negative: _Interval, multiplier: int, one: int
) -> tuple[int, int, int] | None:
    """Offset and roundings with offset * multiplier + rounding * 2**32 within their bounds.

    Args:
        not_negative, negative: bounds for sums of either sign.
        multiplier: of the scaled sums.
        one: what a sum of 1 is scaled to. An offset beyond it would turn signs, which kernels tell
            by the scaled sums: it is right only if there is one rounding for both.
    """
    # From none on, and from the one on that lifts a rounding below the bounds into them.
    lifting = -(-(not_negative[0] % (1 << 32)) // multiplier)
    for start in (0, lifting):
        offsets = np.arange(start, start + _OFFSETS)
        finer = offsets * multiplier
        roundings = [-((finer - least) >> 32) for least, _ in (not_negative, negative)]
        fits = (offsets < one) | (roundings[0] == roundings[1])
        for rounding, (_, most) in zip(roundings, (not_negative, negative), strict=True):
            fits &= finer + (rounding << 32) <= most
        if fits.any():
            best = int(fits.argmax())
            return start + best, int(roundings[0][best]), int(roundings[1][best])
    return None
