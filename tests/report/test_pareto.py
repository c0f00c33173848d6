from __future__ import annotations

import numpy as np
import pytest

from pipeline.report.pareto import pareto_front

FRONTS = {
    "one": ([[1, 1]], [0]),
    "a chain": ([[1, 3], [2, 2], [3, 1]], [0, 1, 2]),
    "one is beaten": ([[1, 3], [2, 4], [3, 1]], [0, 2]),
    "equal points stand together": ([[1, 1], [1, 1], [2, 2]], [0, 1]),
    "as good here, worse there": ([[1, 2], [1, 3], [2, 2], [3, 1]], [0, 3]),
    "one beats all": ([[2, 2, 2], [1, 1, 1], [1, 2, 3]], [1]),
    "three objectives": ([[1, 2, 3], [2, 3, 1], [3, 1, 2], [3, 3, 3]], [0, 1, 2]),
}


@pytest.mark.parametrize(("points", "front"), FRONTS.values(), ids=FRONTS.keys())
def test_a_front_by_hand(points: list[list[int]], front: list[int]) -> None:
    assert np.flatnonzero(pareto_front(points)).tolist() == front


def test_a_front_against_the_definition() -> None:
    points = np.random.default_rng(0).integers(0, 6, (60, 3))
    expected = [
        not any((other <= point).all() and (other < point).any() for other in points)
        for point in points
    ]
    assert pareto_front(points).tolist() == expected
