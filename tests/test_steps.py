"""Requantizations that round down, against the step functions that they have to give."""

from __future__ import annotations

import numpy as np

from pipeline.fixed_point import quantize_multiplier, scale_in_double
from pipeline.steps import Forms, Int64Array, find_steps, fit_floor

ZERO_POINT = -5
PRESCALE = 8


def applied(forms: Forms, sums: Int64Array) -> Int64Array:
    """What kernels make of sums [channels, n]."""
    prescale, multiplier, rounding, shift = (
        values[:, np.newaxis]
        for values in (forms.prescale, forms.multiplier, forms.rounding, forms.shift)
    )
    high = (sums << prescale) * multiplier >> 32
    return np.asarray(np.clip((high + rounding) >> shift, -128, 127), dtype=np.int64)


def test_every_channel_finds_a_multiplier_and_gives_its_steps() -> None:
    """Sums of 20 to 22 bits, scaled to some hundreds: one channel in 200 needs another."""
    rng = np.random.default_rng(1)
    highest = rng.integers(1 << 20, 1 << 22, size=1000)
    real = (rng.uniform(128, 1024, size=1000) / highest)[:, np.newaxis]
    wanted = find_steps(
        lambda sums: scale_in_double(sums, real) + ZERO_POINT,
        -highest,
        highest,
        results=range(-128, 128),
    )
    requants = [quantize_multiplier(float(factor)) for factor in real[:, 0]]
    multiplier = np.array([requant.multiplier for requant in requants])
    prescale = np.full(len(requants), PRESCALE)
    shift = np.array([PRESCALE - 1 - requant.shift for requant in requants])
    forms = fit_floor(wanted, prescale, multiplier, shift)
    assert forms.exact.all()
    assert 1 <= np.count_nonzero(forms.multiplier != multiplier) < 50
    edges = np.concatenate([wanted.starts - 1, wanted.starts], axis=1)
    sums = np.clip(edges, wanted.lowest, wanted.highest)
    expected = np.clip(scale_in_double(sums, real) + ZERO_POINT, -128, 127)
    np.testing.assert_array_equal(applied(forms, sums), expected)


def test_another_multiplier_does_not_save_a_wrong_one() -> None:
    highest = np.array([1 << 20])
    wanted = find_steps(lambda sums: sums >> 10, -highest, highest, results=range(-128, 128))
    prescale, shift = np.array([PRESCALE]), np.array([16])
    assert fit_floor(wanted, prescale, np.array([1 << 30]), shift).exact.all()
    assert not fit_floor(wanted, prescale, np.array([3 << 29]), shift).exact.any()
