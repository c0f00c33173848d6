from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.measure.statistics import ClockReading, Spread, compare_clocks, narrowest, spread


def test_known_values() -> None:
    assert spread([40, 10, 20, 30]) == Spread(
        count=4, median=20, p95=40, mean=25.0, stdev=math.sqrt(500 / 3), min=10, max=40
    )


def test_one_value_spreads_over_nothing() -> None:
    assert spread([7]) == Spread(count=1, median=7, p95=7, mean=7.0, stdev=0.0, min=7, max=7)


@pytest.mark.parametrize(("count", "p95"), [(19, 18), (20, 18), (21, 19), (100, 94), (101, 95)])
def test_p95_leaves_at_most_a_twentieth_above_it(count: int, p95: int) -> None:
    assert spread(range(count)).p95 == p95


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=60))
def test_against_numpy(values: list[int]) -> None:
    result = spread(values)
    assert result.median == np.percentile(values, 50, method="inverted_cdf")
    assert result.p95 == np.percentile(values, 95, method="inverted_cdf")
    assert result.min <= result.median <= result.p95 <= result.max
    assert result.mean == pytest.approx(np.mean(values))
    if len(values) > 1:
        assert result.stdev == pytest.approx(np.std(values, ddof=1), abs=1e-3)


def reading(asked: float, answered: float, device: float) -> ClockReading:
    return ClockReading(asked_s=asked, answered_s=answered, device_us=round(device * 1e6))


def test_clocks_that_agree() -> None:
    check = compare_clocks(reading(10, 10.002, 0), reading(12, 12.002, 2))
    assert check.host_s == pytest.approx(2.0)
    assert check.device_s == 2.0
    assert check.drift_percent == pytest.approx(0.0, abs=1e-9)
    assert check.uncertainty_percent == pytest.approx(0.1, rel=2e-3)
    assert (check.fast_percent, check.slow_percent) == (0.0, 0.0)


@pytest.mark.parametrize("percent", [-50.0, -1.0, 1.0, 100.0])
def test_drift_is_measured_with_its_uncertainty(percent: float) -> None:
    device = 10 * (1 + percent / 100)
    check = compare_clocks(reading(0, 0.001, 5), reading(10, 10.001, 5 + device))
    assert check.drift_percent == pytest.approx(percent)
    certain = max(check.fast_percent, check.slow_percent)
    assert 0.9 * abs(percent) < certain <= abs(percent)
    assert (check.fast_percent > 0) == (percent > 0)


@given(
    st.floats(0.001, 0.2), st.floats(0, 1), st.floats(0.001, 0.2), st.floats(0, 1), st.floats(1, 60)
)
def test_a_right_clock_is_never_called_wrong(
    first: float, at: float, last: float, at_last: float, between: float
) -> None:
    # The device reads its clock anywhere between question and answer.
    ask = first + between
    check = compare_clocks(
        reading(0, first, at * first), reading(ask, ask + last, ask + at_last * last)
    )
    assert (check.fast_percent, check.slow_percent) == (0.0, 0.0)


def test_an_interval_without_time_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no time passed"):
        compare_clocks(reading(0, 1, 0), reading(1, 2, 1))


def test_the_fastest_answer_says_most() -> None:
    readings = [reading(0, 0.3, 0), reading(1, 1.1, 1), reading(2, 2.2, 2)]
    assert narrowest(readings) is readings[1]
