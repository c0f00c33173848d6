"""Fixed-point factors against their definitions in exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.fixed_point import (
    exact_multiplier,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away,
    scale_in_double,
)
from pipeline.records import Requant

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1

# Factors over the whole range that QuantizeMultiplier takes.
factors = st.builds(
    math.ldexp, st.floats(0.5, 1.0, exclude_max=True), st.integers(min_value=-31, max_value=30)
)
int32s = st.one_of(
    st.integers(INT32_MIN, INT32_MAX),
    st.integers(-300, 300),
    st.sampled_from([INT32_MIN, INT32_MIN + 1, INT32_MAX, 1 << 30, -(1 << 30)]),
)


@given(factors)
def test_multiplier_and_shift_are_within_half_a_unit(real: float) -> None:
    requant = quantize_multiplier(real)
    unit = Fraction(2) ** (requant.shift - 31)
    assert 1 << 30 <= requant.multiplier < 1 << 31
    assert abs(requant.multiplier * unit - Fraction(real)) <= unit / 2


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (1.0, (1 << 30, 1)),
        (0.5, (1 << 30, 0)),
        (2.0**-32, (1 << 30, -31)),
        (math.nextafter(2.0**-32, 0), (1 << 30, -31)),
        (2.0**-33, (0, 0)),
        (1e-300, (0, 0)),
        # The fraction rounds up to 1: the multiplier is halved and the shift one larger.
        (math.nextafter(1.0, 0), (1 << 30, 1)),
        (math.nextafter(2.0**30, 0), None),
        (2.0**30 * (1 - 2.0**-31), ((1 << 31) - 1, 30)),
    ],
)
def test_ends_of_the_range(real: float, expected: tuple[int, int] | None) -> None:
    if expected is None:
        with pytest.raises(UnsupportedModelError, match=r"must be below 2\*\*30"):
            quantize_multiplier(real)
        return
    requant = quantize_multiplier(real)
    assert (requant.multiplier, requant.shift) == expected


@pytest.mark.parametrize("real", [0.0, -1.0, math.inf, -math.inf, math.nan])
def test_broken_factors_are_refused(real: float) -> None:
    with pytest.raises(UnsupportedModelError, match="must be finite and positive. Received"):
        quantize_multiplier(real)
    with pytest.raises(UnsupportedModelError, match="must be finite and positive. Received"):
        exact_multiplier(real, -128, 127, 1000)


def gemmlowp(x: int, requant: Requant) -> int:
    """MultiplyByQuantizedMultiplier as gemmlowp defines its two steps, in unbounded integers."""
    shifted = x << max(requant.shift, 0)
    shifted = (shifted - INT32_MIN) % (1 << 32) + INT32_MIN
    product = shifted * requant.multiplier
    nudge = 1 << 30 if product >= 0 else 1 - (1 << 30)
    # C++ division truncates towards zero.
    total = product + nudge
    high = abs(total) // (1 << 31) * (1 if total >= 0 else -1)
    exponent = max(-requant.shift, 0)
    mask = (1 << exponent) - 1
    remainder = high & mask
    threshold = (mask >> 1) + (1 if high < 0 else 0)
    return (high >> exponent) + (1 if remainder > threshold else 0)


@settings(max_examples=500)
@given(int32s, factors)
def test_multiplication_is_gemmlowps(x: int, real: float) -> None:
    assume(real < 2**30 * (1 - 2.0**-31))
    requant = quantize_multiplier(real)
    received = multiply_by_quantized_multiplier(np.array([x], dtype=np.int64), requant)
    assert received.tolist() == [gemmlowp(x, requant)]


@pytest.mark.parametrize("shift", [-31, -8, -1, 0, 1, 5])
@pytest.mark.parametrize("multiplier", [1 << 30, (1 << 30) + 1, (1 << 31) - 1, 0x5A82799A])
def test_small_values_are_gemmlowps(multiplier: int, shift: int) -> None:
    requant = Requant(multiplier=multiplier, shift=shift)
    x = np.arange(-3000, 3001, dtype=np.int64)
    expected = [gemmlowp(int(value), requant) for value in x]
    assert multiply_by_quantized_multiplier(x, requant).tolist() == expected


@given(st.floats(-1e9, 1e9))
def test_rounding_is_half_away_from_zero(x: float) -> None:
    magnitude = math.floor(abs(Fraction(x)) + Fraction(1, 2))
    assert round_half_away(np.array([x])).tolist() == [magnitude if x >= 0 else -magnitude]


def integer_form(acc: int, requant: Requant) -> int:
    """requantize_once of firmware/lib/kernels/requantize.h."""
    rounding = (1 << (requant.shift - 1)) + (-1 if acc < 0 else 0)
    product = acc * requant.multiplier + rounding
    assert -(1 << 63) <= product < 1 << 63
    result = product >> requant.shift
    assert INT32_MIN <= result <= INT32_MAX
    return result


def assert_exact_over(real: float, lowest: int, highest: int, limit: int) -> None:
    requant = exact_multiplier(real, lowest, highest, limit)
    assert requant is not None
    assert 0 <= requant.multiplier < 1 << 31
    assert 1 <= requant.shift <= 62
    acc = np.arange(-limit, limit + 1, dtype=np.int64)
    expected = np.clip(scale_in_double(acc, real), lowest, highest)
    rounding = (1 << (requant.shift - 1)) + (acc >> 63)
    received = np.clip((acc * requant.multiplier + rounding) >> requant.shift, lowest, highest)
    np.testing.assert_array_equal(received, expected)


ranges = st.sampled_from([(-128, 127), (0, 255), (-255, 0), (-131, 124), (0, 40), (-3, 3), (0, 0)])


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-6, 3.0), ranges)
def test_integer_form_is_exact_over_the_whole_range(real: float, ends: tuple[int, int]) -> None:
    if exact_multiplier(real, *ends, 100_000) is not None:
        assert_exact_over(real, *ends, limit=100_000)


@pytest.mark.parametrize("seed", range(50))
def test_scales_of_models_have_an_integer_form(seed: int) -> None:
    scales = np.random.default_rng(seed).uniform(0.004, 0.1, size=3).astype(np.float32)
    x, weight, output = scales.tolist()
    assert_exact_over(x * weight / output, -128, 127, limit=100_000)


@pytest.mark.parametrize("real", [0.35, 1.2109629762304977e-06])
def test_factors_without_an_integer_form(real: float) -> None:
    """At 0.35 the double product of 10 rounds onto a tie and that of 70 does not."""
    assert exact_multiplier(real, -128, 127, INT32_MAX) is None


@pytest.mark.parametrize("exponent", range(-14, 3))
@pytest.mark.parametrize("factor", [1.0, 3.0, 5.0, 0.75])
def test_ties_are_exact(factor: float, exponent: int) -> None:
    assert_exact_over(math.ldexp(factor, exponent), -255, 255, limit=100_000)


@settings(max_examples=100, deadline=None)
@given(st.floats(-60, 6), st.integers(1, INT32_MAX), ranges, st.data())
def test_integer_form_is_exact_for_any_factor(
    exponent: float, limit: int, ends: tuple[int, int], data: st.DataObject
) -> None:
    real = 2.0**exponent
    assume(limit * real < INT32_MAX)
    requant = exact_multiplier(real, *ends, limit)
    if requant is None:
        # 31 bits of a multiplier cannot tell all steps of so small a factor apart.
        assert real < 2**-14
        return
    step = data.draw(st.integers(ends[0], ends[1] + 1))
    near = int(min(max((step - 0.5) / real, -limit), limit))
    for acc in {near + delta for delta in range(-5, 6)} | {-limit, limit, 0, -1, 1}:
        if abs(acc) <= limit:
            expected = int(scale_in_double(np.array([acc], dtype=np.int64), real)[0])
            clipped = min(max(integer_form(acc, requant), ends[0]), ends[1])
            assert clipped == min(max(expected, ends[0]), ends[1])
