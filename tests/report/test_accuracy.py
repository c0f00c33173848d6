from __future__ import annotations

import numpy as np
import pytest

from pipeline.report.accuracy import score


def test_plain_and_balanced() -> None:
    outputs = np.array([[5, 1, 0], [5, 1, 0], [0, 5, 1], [5, 0, 1]], np.int8)
    result = score((outputs,), np.array([0, 0, 1, 2]), half=0)
    assert result is not None
    assert (result.right, result.samples, result.plain) == (3, 4, 0.75)
    assert result.balanced == pytest.approx((1 + 1 + 0) / 3)


def test_classes_without_samples_do_not_count() -> None:
    result = score((np.array([[5, 1, 0]], np.uint8),), np.array([0]), half=0)
    assert result is not None
    assert result.balanced == 1.0


def test_a_single_value_decides_between_two_classes() -> None:
    outputs = np.array([[-128], [-1], [0], [1], [127]], np.int8)
    result = score((outputs,), np.array([0, 0, 0, 1, 1]), half=0.0)
    assert result is not None
    assert result.right == 5


def test_a_position_is_the_class_itself() -> None:
    for dtype in (np.int32, np.int64):
        result = score((np.array([0, 4, 2], dtype),), np.array([0, 4, 3]), half=0.0)
        assert result is not None
        assert result.right == 2


def test_feature_maps_are_flattened() -> None:
    result = score((np.array([[[[1, 2]]], [[[2, 1]]]], np.int8),), np.array([1, 0]), half=0)
    assert result is not None
    assert result.plain == 1.0


@pytest.mark.parametrize("labels", [None, np.array([], np.int64), np.array([7])], ids=str)
def test_nothing_to_compare_with_is_no_accuracy(labels: np.ndarray | None) -> None:
    samples = 0 if labels is None else len(labels)
    assert score((np.zeros((samples, 2), np.int8),), labels, half=0) is None
