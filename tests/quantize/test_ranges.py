"""Ranges from histograms, against what they say of the values themselves."""

import numpy as np
import pytest

from pipeline.config import CALIBRATIONS
from pipeline.quantize.ranges import choose_range
from pipeline.quantize.statistics import NUM_BINS, Histogram


def histogram(values: np.ndarray) -> Histogram:
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    nonzero = values[values != 0]
    counts, _ = np.histogram(nonzero, NUM_BINS, (low, high))
    return Histogram(counts=counts, low=low, high=high, zeros=len(values) - len(nonzero))


def mean_squared_error(values: np.ndarray, low: float, high: float) -> float:
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    levels = np.clip(np.round(values / scale) + zero_point, 0, 255)
    return float((((levels - zero_point) * scale - values) ** 2).mean())


def with_outliers() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(0, 1, 100_000), [60.0, -45.0]])


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_ranges_include_zero_and_never_grow(method: str) -> None:
    for values in (with_outliers(), with_outliers() + 3, -np.abs(with_outliers())):
        whole = histogram(values)
        low, high = choose_range(whole, method)
        assert whole.low <= low <= 0 <= high <= whole.high
        assert high > low


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_what_relu_gives_keeps_its_zero(method: str) -> None:
    values = np.maximum(with_outliers(), 0)
    assert choose_range(histogram(values), method)[0] == 0


def test_min_max_keeps_everything() -> None:
    assert choose_range(histogram(with_outliers()), "min-max") == (-45.0, 60.0)


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_outliers_are_cut_off(method: str) -> None:
    values = with_outliers()
    low, high = choose_range(histogram(values), method)
    assert -20 < low < -1
    assert 1 < high < 25
    assert mean_squared_error(values[:-2], low, high) < mean_squared_error(values[:-2], -45, 60) / 4


def test_mse_weighs_outliers_against_the_rest() -> None:
    values = with_outliers()
    low, high = choose_range(histogram(values), "mse")
    assert low > -45
    assert high < 60
    assert mean_squared_error(values, low, high) < 0.8 * mean_squared_error(values, -45, 60)


def test_percentile_leaves_out_one_in_ten_thousand() -> None:
    values = np.random.default_rng(0).normal(0, 1, 1_000_000)
    low, high = choose_range(histogram(values), "percentile")
    left_out = ((values < low) | (values > high)).mean()
    assert left_out == pytest.approx(1e-4, rel=0.3)


def test_mse_finds_what_a_search_over_the_values_finds() -> None:
    values = np.random.default_rng(0).standard_t(3, 20_000)
    low, high = choose_range(histogram(values), "mse")
    shares = np.linspace(0.1, 1, 31)
    best = min(
        mean_squared_error(values, values.min() * a, values.max() * b)
        for a in shares
        for b in shares
    )
    assert mean_squared_error(values, low, high) <= 1.1 * best


def test_values_all_alike_keep_their_range() -> None:
    for method in CALIBRATIONS:
        low, high = choose_range(histogram(np.full(100, 5.0)), method)
        assert low == 0
        assert high == pytest.approx(5.0, rel=0.02)
