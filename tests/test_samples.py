from __future__ import annotations

import numpy as np
import pytest

from pipeline.samples import average_precision


def test_average_precision_by_hand() -> None:
    # In falling order: right, wrong, right, wrong; precision 1 at the first, 2/3 at the second.
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    positive = np.array([False, False, True, True])
    assert average_precision(scores, positive) == pytest.approx((1 + 2 / 3) / 2)


def test_average_precision_ends() -> None:
    positive = np.array([True, False, True, False])
    assert average_precision(np.array([4.0, 1, 3, 2]), positive) == 1
    assert average_precision(np.array([1.0, 4, 2, 3]), positive) == pytest.approx(
        (1 / 3 + 2 / 4) / 2
    )
    assert average_precision(np.zeros(4), ~np.ones(4, bool)) == 0


def test_equal_scores_count_together() -> None:
    # One threshold, at which all samples are taken: the share of positives, in any order.
    for positive in ([True, False, False], [False, False, True]):
        assert average_precision(np.zeros(3), np.array(positive)) == pytest.approx(1 / 3)
