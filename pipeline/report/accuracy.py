"""Accuracy of raw outputs against labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.records import Array
from pipeline.samples import balanced_accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How many samples were classified as labelled.

    Attributes:
        right, samples: counts.
        balanced: mean over the classes that occur of the share that was right.
        confusion: samples by true class (rows) and predicted class (columns).
    """

    right: int
    samples: int
    balanced: float
    confusion: tuple[tuple[int, ...], ...]

    @property
    def plain(self) -> float:
        """Share of samples that were right."""
        return self.right / self.samples


def score(
    outputs: Sequence[Array], labels: npt.NDArray[np.int64] | None, half: float
) -> Score | None:
    """Score the first output.

    Args:
        outputs: one array [samples, ...] per model output; the largest value of a sample is its
            class, the first of several equal ones; a single value decides between two classes,
            unless it is an int32 or int64: the class itself.
        labels: class index of each sample, or None.
        half: raw value of a single-valued output above which the class is 1.
    Returns:
        None without labels, or where an output has no value for some label.
    """
    if labels is None or not outputs or not len(labels):
        return None
    flat = outputs[0].reshape(len(labels), -1)
    num_classes = max(2, flat.shape[1])
    if flat.shape[1] == 1 and flat.dtype in (np.int32, np.int64):
        chosen = flat[:, 0]
        num_classes = int(max(labels.max(), chosen.max())) + 1
    else:
        if labels.max() >= num_classes:
            return None
        chosen = flat[:, 0].astype(np.float64) > half if flat.shape[1] == 1 else flat.argmax(axis=1)
    predicted = chosen.astype(np.int64)
    confusion = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    return Score(
        right=int((predicted == labels).sum()),
        samples=len(labels),
        balanced=balanced_accuracy(predicted, labels),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )
