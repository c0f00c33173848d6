"""What an epoch of a training gave."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """What one epoch gave; accuracies on the validation samples in [0, 1].

    Attributes:
        epoch: counted from 1.
        epochs: at most.
        train_loss, val_loss: cross entropy; the former with augmentation and smoothing.
        val_accuracy: plain.
        val_balanced_accuracy: mean of the classes' recalls.
        best: whether this epoch's weights are the best so far.
    """

    epoch: int
    epochs: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    val_balanced_accuracy: float
    best: bool
