"""Labelled samples of a training: that they fit the model, and what each class weighs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.records import Array


def check_samples(
    input_shape: tuple[int | None, ...],
    num_classes: int,
    train: tuple[Array, npt.NDArray[np.int64]],
    val: tuple[Array, npt.NDArray[np.int64]],
) -> None:
    """Check that samples and labels fit a model.

    Args:
        input_shape: of the model, without the batch.
        num_classes: its outputs.
        train, val: samples and labels.
    Raises:
        ConfigError: no samples, another shape, or labels beyond the outputs.
    """
    for name, (x, y) in (("training", train), ("validation", val)):
        if len(x) == 0 or x.shape[1:] != input_shape:
            raise ConfigError(
                f"{name} samples: expected shape {list(input_shape)}, the model's "
                f"input. Received: {len(x)} of shape {list(x.shape[1:])}."
            )
        if y.min() < 0 or y.max() >= num_classes:
            raise ConfigError(
                f"{name} labels: expected 0 to {num_classes - 1}, the model's outputs. "
                f"Received: {y.min()} to {y.max()}."
            )


def class_weights(y: npt.NDArray[np.int64], num_classes: int) -> npt.NDArray[np.float32]:
    """Weights under which all classes that occur count the same; 0 for those that do not.

    Returns:
        float32 [classes]; the mean over the samples is 1.
    """
    counts = np.bincount(y, minlength=num_classes)
    present = counts > 0
    weights = np.where(present, len(y) / (present.sum() * np.maximum(counts, 1)), 0.0)
    return weights.astype(np.float32)
