"""Step functions against every accumulator, and forms against the steps that they claim."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.fixed_point import multiply_by_quantized_multiplier
from pipeline.records import Requant
from pipeline.steps import Forms, Int64Array, Steps, check_nearest, find_steps, fit_floor

RESULTS = range(-128, 128)
REACH = 600


def requantized(requants: list[Requant], zero_point: int, acc: Int64Array) -> Int64Array:
    """int8 results of accumulators [channels, n], as TFLite has them."""
    rows = [multiply_by_quantized_multiplier(x, r) for x, r in zip(acc, requants, strict=True)]
    return np.clip(np.stack(rows) + zero_point, -128, 127)


def steps_of(requants: list[Requant], zero_point: int) -> Steps:
    ends = np.full(len(requants), REACH, np.int64)
    return find_steps(
        lambda acc: requantized(requants, zero_point, acc), -ends, ends, results=RESULTS
    )


def results_of(steps: Steps, acc: Int64Array) -> Int64Array:
    """What the starts say of accumulators [n]: [channels, n]."""
    return steps.smallest + (steps.starts[:, :, np.newaxis] <= acc).sum(axis=1)


def of_form(forms: Forms, channel: int, acc: Int64Array) -> Int64Array:
    prescale, multiplier, rounding, shift = (
        int(values[channel])
        for values in (forms.prescale, forms.multiplier, forms.rounding, forms.shift)
    )
    return np.clip((((acc << prescale) * multiplier >> 32) + rounding) >> shift, -128, 127)


requants = st.builds(
    Requant, multiplier=st.integers(1 << 30, (1 << 31) - 1), shift=st.integers(-10, 0)
)
EVERY = np.arange(-REACH, REACH + 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(requants, min_size=1, max_size=4), st.integers(-128, 127))
def test_steps_say_all_about_a_function(several: list[Requant], zero_point: int) -> None:
    steps = steps_of(several, zero_point)
    every = np.broadcast_to(EVERY, (len(several), len(EVERY)))
    expected = requantized(several, zero_point, every)
    np.testing.assert_array_equal(results_of(steps, EVERY), expected)
    np.testing.assert_array_equal(steps.first, expected[:, 0])
    np.testing.assert_array_equal(steps.constant, np.ptp(expected, axis=1) == 0)


@settings(max_examples=60, deadline=None)
@given(requants, st.integers(-128, 127), st.integers(0, 8))
def test_a_floor_form_that_is_exact_gives_every_result(
    requant: Requant, zero_point: int, prescale: int
) -> None:
    steps = steps_of([requant], zero_point)
    # acc * multiplier * 2**(shift - 31), by a product whose upper word is shifted once more.
    shift = prescale - 1 - requant.shift
    assume(shift >= 0)
    one = np.ones(1, np.int64)
    forms = fit_floor(steps, prescale * one, requant.multiplier * one, shift * one)
    if forms.exact[0]:
        np.testing.assert_array_equal(of_form(forms, 0, EVERY), results_of(steps, EVERY)[0])


def test_floor_forms_with_digits_to_spare_are_exact_behind_a_relu() -> None:
    # Without one, double rounding turns both signs away from zero, and rounding down does not.
    several = [Requant(multiplier=(1 << 30) + 12345 * k, shift=-4) for k in range(20)]
    steps = steps_of(several, -128)
    column = np.ones(20, np.int64)
    multiplier = np.array([requant.multiplier for requant in several])
    forms = fit_floor(steps, 12 * column, multiplier, 15 * column)
    assert forms.exact.all()
    without = fit_floor(steps, 12 * column, multiplier, 14 * column)
    assert not without.exact.any()
    both = without.or_else(forms)
    assert both.exact.all()
    np.testing.assert_array_equal(both.rounding, forms.rounding)


@settings(max_examples=60, deadline=None)
@given(requants, st.integers(-128, 127))
def test_a_nearest_form_is_the_double_rounding(requant: Requant, zero_point: int) -> None:
    assume(requant.shift <= -1)
    steps = steps_of([requant], zero_point)
    one = np.ones(1, np.int64)
    forms = check_nearest(steps, requant.multiplier * one, -requant.shift * one, zero_point)
    assert forms.exact[0]
    wrong = check_nearest(steps, requant.multiplier * one, -requant.shift * one, zero_point + 1)
    assert not wrong.exact[0] or steps.constant[0]
