from __future__ import annotations

import pytest

from pipeline.training.schedule import warm_cosine


def test_the_rate_grows_in_a_line_and_falls_to_one_percent() -> None:
    rates = [warm_cosine(step, 100, 9.0) for step in range(101)]
    assert rates[:9] == pytest.approx([(step + 1) / 10 for step in range(9)])
    assert rates[9] == 1.0
    assert rates[9:] == sorted(rates[9:], reverse=True)
    # Half way between the end of the growth and the end.
    assert warm_cosine(5, 10, 0.0) == pytest.approx(0.01 + 0.99 / 2)
    assert rates[100] == pytest.approx(0.01)


def test_a_training_of_warm_up_alone_only_grows() -> None:
    assert [warm_cosine(step, 3, 3.0) for step in range(3)] == pytest.approx([0.25, 0.5, 0.75])
