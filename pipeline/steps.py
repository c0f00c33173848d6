"""Step functions of accumulators, and cheap requantizations that are equal to them.

What a layer's output is for an accumulator never decreases, so 255 accumulators say all about it:
the smallest one of each result above -128. A kernel's requantization multiplies, adds and shifts,
rounding down; it never decreases either. So both are equal if and only if they agree on either
side of each step, and that is checked, or made so, for every channel when code is generated. No
proof has to hold for all factors: a form that fails for one is not taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_INT32_END = 1 << 31

# Multipliers beside a form's own that are tried, nearest first, where two steps ask for roundings
# that are at most so far apart: another multiplier rounds the products elsewhere. About one channel
# in 500 whose sums take 20 bits needs it.
_NEIGHBOURS = sorted(range(-8, 9), key=abs)[1:]
_NEAR = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Step functions, one for each channel.

    Attributes:
        lowest, highest: [channels, 1], the accumulators' reach.
        smallest: result.
        results: [results], what is told apart: all results but the smallest.
        starts: [channels, results], the smallest accumulator that gives at least that result;
            `lowest` where all do, highest + 1 where none does.
    """

    lowest: Int64Array
    highest: Int64Array
    smallest: int
    results: Int64Array
    starts: Int64Array

    @property
    def constant(self) -> BoolArray:
        """[channels], whether a channel gives the same result for every accumulator."""
        inside = (self.starts > self.lowest) & (self.starts <= self.highest)
        return np.asarray(~inside.any(axis=1), dtype=np.bool_)

    @property
    def first(self) -> Int64Array:
        """[channels], the result of the lowest accumulator."""
        reached = (self.starts <= self.lowest).sum(axis=1, dtype=np.int64)
        return np.asarray(self.smallest + reached)

    def only(self, channels: BoolArray) -> Steps:
        """The steps of some channels."""
        return Steps(
            lowest=self.lowest[channels],
            highest=self.highest[channels],
            smallest=self.smallest,
            results=self.results,
            starts=self.starts[channels],
        )


def find_steps(
    function: Callable[[Int64Array], Int64Array],
    lowest: Int64Array,
    highest: Int64Array,
    *,
    results: range,
) -> Steps:
    """Bisect step functions.

    Args:
        function: from accumulators [channels, n] to results; never decreases along n.
        lowest, highest: [channels], the accumulators' reach.
        results: all results, or those between which a clamp leaves something.
    """
    low, high = lowest[:, np.newaxis], highest[:, np.newaxis]
    told = np.arange(results.start + 1, results.stop)
    # `below` gives less than the result, or lies below the reach; `above` the opposite.
    below = np.broadcast_to(low - 1, (len(low), len(told))).copy()
    above = np.broadcast_to(high + 1, below.shape).copy()
    while (above - below > 1).any():
        middle = (below + above) >> 1
        reached = function(np.clip(middle, low, high)) >= told
        above, below = np.where(reached, middle, above), np.where(reached, below, middle)
    return Steps(lowest=low, highest=high, smallest=results.start, results=told, starts=above)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """Requantizations ``((sum * 2**prescale * multiplier >> 32) + rounding) >> shift``.

    Attributes:
        prescale, multiplier, rounding, shift: [channels].
        exact: [channels], whether a channel's form gives its steps; the others' are meaningless.
    """

    prescale: Int64Array
    multiplier: Int64Array
    rounding: Int64Array
    shift: Int64Array
    exact: BoolArray

    def or_else(self, other: Forms) -> Forms:
        """These forms, and others where these are not exact."""
        return Forms(
            prescale=np.where(self.exact, self.prescale, other.prescale),
            multiplier=np.where(self.exact, self.multiplier, other.multiplier),
            rounding=np.where(self.exact, self.rounding, other.rounding),
            shift=np.where(self.exact, self.shift, other.shift),
            exact=self.exact | other.exact,
        )

    def spread(self, places: BoolArray) -> Forms:
        """These forms at some of many channels; the others have none.

        Args:
            places: [channels], true where one of these belongs, in order.
        """

        def put(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            whole = np.zeros(len(places), dtype=values.dtype)
            whole[places] = values
            return whole

        return Forms(
            prescale=put(self.prescale),
            multiplier=put(self.multiplier),
            rounding=put(self.rounding),
            shift=put(self.shift),
            exact=put(self.exact),
        )


def fit_floor(
    steps: Steps, prescale: Int64Array, multiplier: Int64Array, shift: Int64Array
) -> Forms:
    """Find the rounding constants for which forms give their steps, in 32 bits throughout.

    Args:
        steps: to give.
        prescale, multiplier, shift: [channels], of the forms; the multiplier may turn out to be a
            neighbour of the one given.
    """
    forms, gap = _floor_forms(steps, prescale, multiplier, shift)
    for more in _NEIGHBOURS:
        near = ~forms.exact & (gap <= _NEAR)
        if not near.any():
            break
        other, _ = _floor_forms(
            steps.only(near), prescale[near], multiplier[near] + more, shift[near]
        )
        forms = forms.or_else(other.spread(near))
    return forms


def _floor_forms(
    steps: Steps, prescale: Int64Array, multiplier: Int64Array, shift: Int64Array
) -> tuple[Forms, Int64Array]:
    """Forms of just these multipliers, and by how much the roundings that steps ask for conflict.

    Returns:
        The forms and, [channels], that difference; far above _NEAR where it is something else
        that makes a form not exact.
    """
    usable = (multiplier >= 0) & (multiplier < _INT32_END) & (prescale >= 0) & (shift >= 0)
    p, m = np.where(usable, prescale, 0), np.where(usable, multiplier, 0)
    ends = np.concatenate([steps.lowest, steps.highest], axis=1)
    usable &= ((ends << np.minimum(p, 31)[:, np.newaxis]) >= -_INT32_END).all(axis=1)
    usable &= ((ends << np.minimum(p, 31)[:, np.newaxis]) < _INT32_END).all(axis=1)
    p = np.where(usable, p, 0)

    def high(acc: Int64Array) -> Int64Array:
        return (acc << p[:, np.newaxis]) * m[:, np.newaxis] >> 32

    floor = steps.results << np.clip(shift, 0, 31)[:, np.newaxis]
    first = np.clip(steps.starts, steps.lowest, steps.highest)
    last = np.clip(steps.starts - 1, steps.lowest, steps.highest)
    # Any rounding constant that lifts the first accumulator of a result to it, and not the last
    # one before.
    least = np.where(steps.starts <= steps.highest, floor - high(first), -_INT32_END)
    most = np.where(steps.starts > steps.lowest, floor - 1 - high(last), _INT32_END - 1)
    bottom, top = least.max(axis=1, initial=-_INT32_END), most.min(axis=1, initial=_INT32_END - 1)
    rounding = (bottom + top) >> 1
    sums = high(ends) + rounding[:, np.newaxis]
    usable &= (np.abs(rounding) < _INT32_END) & (np.abs(sums) < _INT32_END).all(axis=1)
    forms = Forms(
        prescale=prescale,
        multiplier=multiplier,
        rounding=rounding,
        shift=shift,
        exact=usable & (bottom <= top),
    )
    return forms, np.where(usable, bottom - top, _INT32_END)


def check_nearest(
    steps: Steps, multiplier: Int64Array, shift: Int64Array, zero_point: int
) -> Forms:
    """Forms that round each step to the nearest, as double rounding does, in 32 bits throughout.

    ``(((2 * sum * multiplier + 2**31) >> 32) + rounding - (sum < 0)) >> shift``, whose
    `rounding` is 2**(shift - 1) + (zero_point << shift). SMMLAR of the doubled sum is the doubling
    high multiply, which rounds half up for every sign; taking one from negative sums makes the
    shift round half away from zero.

    Args:
        steps: to give.
        multiplier: [channels], in [0, 2**31).
        shift: [channels]; exact only from 1 on.
        zero_point: of the output.
    """
    usable = (shift >= 1) & (shift <= 23)
    usable &= (np.maximum(np.abs(steps.lowest), np.abs(steps.highest)) < 1 << 30)[:, 0]
    e = np.where(usable, shift, 1)[:, np.newaxis]
    rounding = (1 << (e - 1)) + (zero_point << e)

    def result(acc: Int64Array) -> Int64Array:
        high = (2 * acc * multiplier[:, np.newaxis] + (1 << 31)) >> 32
        return np.asarray((high + rounding + (acc >> 63)) >> e, dtype=np.int64)

    first = np.clip(steps.starts, steps.lowest, steps.highest)
    last = np.clip(steps.starts - 1, steps.lowest, steps.highest)
    reached = (steps.starts > steps.highest) | (result(first) >= steps.results)
    below = (steps.starts <= steps.lowest) | (result(last) < steps.results)
    return Forms(
        prescale=np.ones_like(shift),
        multiplier=multiplier,
        rounding=rounding[:, 0],
        shift=shift,
        exact=usable & (reached & below).all(axis=1),
    )
