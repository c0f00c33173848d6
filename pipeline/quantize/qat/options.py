"""What quantization-aware training can be told, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.training.augment import GENTLE, AugmentOptions
from pipeline.training.report import EpochReport


@dataclass(frozen=True, slots=True, kw_only=True)
class QatOptions:
    """How to train a quantized model that starts from trained float weights.

    Attributes:
        epochs: passes over the training samples at most; 0 for as many as show the model
            20,000 samples, within 4 to 20.
        batch_size: samples a step.
        learning_rate: highest; reached after `warmup_epochs`, then a half cosine to 1 %. 0 for
            the recipe's own.
        warmup_epochs: of linear growth.
        weight_decay: of AdamW.
        distillation: share of the loss that compares with the float model's outputs instead of
            the labels; 0 to 1.
        frozen_share: share of the epochs, the last ones, in which the statistics of batch
            normalization and the ranges of activations stay as they are.
        range_decay: of the moving averages of the activations' ranges, per step.
        calibration_samples: training samples that the ranges start from.
        patience: epochs without a better balanced accuracy on the validation samples,
            after which training stops.
        seed: of order, augmentation and dropout.
        augment: changes of training pictures; None for none (always none for tensors).
    """

    epochs: int = 0
    batch_size: int = 32
    learning_rate: float = 0.0
    warmup_epochs: float = 0.5
    weight_decay: float = 1e-4
    distillation: float = 0.7
    frozen_share: float = 0.4
    range_decay: float = 0.99
    calibration_samples: int = 200
    patience: int = 12
    seed: int = 0
    augment: AugmentOptions | None = field(default_factory=lambda: GENTLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class QatResult:
    """A quantized model and how its training went.

    Attributes:
        tflite: the file, checked to be full int8.
        history: one report per epoch, of resumed epochs too.
        best_epoch: the epoch whose weights were converted, counted from 1; 0 where no epoch did
            better on the validation samples than calibrated ranges alone.
        resumed_from: epochs that an earlier, interrupted call had done; 0 for none.
    """

    tflite: bytes = field(repr=False)
    history: tuple[EpochReport, ...]
    best_epoch: int
    resumed_from: int = 0
