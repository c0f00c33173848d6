from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.prune.schedules import CubicRamp, stage_ratios


def test_values_of_the_paper() -> None:
    ramp = CubicRamp(initial=0.1, final=0.9, begin=100, end=300, frequency=50)
    assert ramp.at(100) == 0.1
    assert ramp.at(200) == pytest.approx(0.9 - 0.8 * 0.5**3)
    assert ramp.at(300) == 0.9


def test_outside_it_is_clamped() -> None:
    ramp = CubicRamp(initial=0.3, final=0.7, begin=10, end=20)
    assert [ramp.at(step) for step in (0, 9, 21, 1000)] == [0.3, 0.3, 0.7, 0.7]


def test_updates_on_multiples_of_the_frequency_and_at_the_end() -> None:
    ramp = CubicRamp(initial=0.0, final=0.5, begin=10, end=45, frequency=10)
    assert [step for step in range(100) if ramp.updates(step)] == [10, 20, 30, 40, 45]


def test_a_ramp_of_no_length_is_a_step() -> None:
    ramp = CubicRamp(initial=0.0, final=0.5, begin=5, end=5)
    assert [ramp.at(step) for step in (4, 5, 6)] == [0.0, 0.5, 0.5]


@given(
    st.floats(0, 0.99), st.floats(0, 0.99), st.integers(0, 50), st.integers(0, 50), st.integers(0)
)
def test_it_never_falls_and_never_leaves_its_range(
    one: float, other: float, begin: int, length: int, step: int
) -> None:
    low, high = sorted((one, other))
    ramp = CubicRamp(initial=low, final=high, begin=begin, end=begin + length)
    assert low - 1e-12 <= ramp.at(step) <= ramp.at(step + 1) + 1e-12 <= high + 2e-12


def test_stages_of_the_paper() -> None:
    assert stage_ratios(0.875, 7) == tuple(0.125 * stage for stage in range(1, 8))
    assert stage_ratios(0.9375, 15) == tuple(0.0625 * stage for stage in range(1, 16))
    assert stage_ratios(0.25, 2) == (0.125, 0.25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initial": 0.5, "final": 0.4}, "expected 0 <= initial <= final < 1"),
        ({"final": 1.0}, "expected 0 <= initial <= final < 1"),
        ({"begin": 9, "end": 8}, "expected 0 <= begin <= end"),
        ({"frequency": 0}, "expected a frequency of at least 1 step"),
    ],
)
def test_ramps_that_make_no_sense(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CubicRamp(**{"initial": 0.0, "final": 0.5, "begin": 0, "end": 10, **options})


def test_no_stages() -> None:
    with pytest.raises(ConfigError, match="stages: expected at least 1"):
        stage_ratios(0.5, 0)
