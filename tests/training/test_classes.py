from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.training.classes import check_samples, class_weights


def samples(count: int, *shape: int, label: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((count, *shape)), np.full(count, label)


def test_classes_count_the_same_and_samples_one_in_the_mean() -> None:
    y = np.array([0] * 6 + [1] * 2 + [3] * 4)
    weights = class_weights(y, 5)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights[[2, 4]], 0)
    np.testing.assert_allclose(weights[[0, 1, 3]] * [6, 2, 4], 4)
    np.testing.assert_allclose(weights[y].mean(), 1)


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        (samples(0, 4), samples(2, 4), r"training samples: expected shape \[4\].*Received: 0 of"),
        (samples(2, 4), samples(2, 5), r"validation samples: expected.*Received: 2 of shape \[5\]"),
        (samples(2, 4, label=2), samples(2, 4), "training labels: expected 0 to 1.*Received: 2 to"),
        (samples(2, 4), samples(2, 4, label=-1), "validation labels: .*Received: -1 to -1"),
    ],
)
def test_samples_that_do_not_fit_are_named(
    train: tuple[np.ndarray, np.ndarray], val: tuple[np.ndarray, np.ndarray], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_samples((4,), 2, train, val)
