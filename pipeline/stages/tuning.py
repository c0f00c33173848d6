"""Fine-tuning and evaluation of a model and of its pruned forms."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from pipeline.prune.recalibrate import recalibrate
from pipeline.records import InputSet
from pipeline.report.progress import Reporter
from pipeline.stages.prune_methods import PruneSettings, planned_epochs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipeline.data import Dataset, Split
    from pipeline.model.load import KerasModel
    from pipeline.model.train import Trainer, TrainOptions
    from pipeline.training.report import EpochReport

# Training samples that criteria look at.
_SCORING_SAMPLES = 512
# Where nothing else is said, fine-tuning is slower than a training from these weights would be.
_SHARE_OF_RATE = 0.5
# Epochs without a better one until fine-tuning stops: each method gets the epochs it asked for.
_NEVER = 1_000_000


class Tuning:
    """Fine-tunes and evaluates a model and its pruned forms on one division of data.

    A method may fine-tune many times. Each time has a state of its own in `states`, so that the
    same steps, after a kill at any moment, go on where they were: those that are done are not
    trained again. A model that is fine-tuned again, as in stages with masks, is not compiled
    again.

    Args:
        model: before pruning.
        samples: labelled ones, and their sides.
        settings: seed and rate of fine-tuning.
        reporter: told of each epoch.
        recipe: what else fine-tuning does like a training; None for that from trained weights.
        states: folder for states; None to keep none.
    Attributes:
        scoring: training samples as the model itself takes them, for criteria.
        trained_epochs: of all calls of `fine_tune` together.
    Raises:
        ConfigError: the samples do not fit the model.
        UnsupportedModelError: the model is no classifier.
    """

    def __init__(
        self,
        model: KerasModel,
        samples: tuple[Dataset, Split],
        settings: PruneSettings,
        reporter: Reporter,
        *,
        recipe: TrainOptions | None = None,
        states: Path | None = None,
    ) -> None:
        from pipeline.model.load import classifier_view
        from pipeline.model.train import TRANSFER

        self._dataset, self._split = samples
        self._reporter, self._states = reporter, states
        recipe = recipe or TRANSFER
        self._options = dataclasses.replace(
            recipe,
            batch_size=settings.batch or recipe.batch_size,
            learning_rate=settings.learning_rate or _SHARE_OF_RATE * recipe.learning_rate,
            patience=_NEVER,
            seed=settings.seed,
        )
        self._planned = planned_epochs(settings)
        self._calls = self._epochs_done = 0
        self._last: tuple[KerasModel, Trainer] | None = None
        shape = tuple(classifier_view(model).model.input_shape[1:])
        if self._dataset.x.shape[1:] != shape:
            raise ConfigError(
                f"--data: expected samples of the model's input shape {list(shape)}. Received: "
                f"{list(self._dataset.x.shape[1:])}. Choose data of that size."
            )
        classes = int(model.output_shape[-1])
        if len(self._dataset.class_names) > classes:
            raise ConfigError(
                f"--data: expected at most {classes} classes, the model's outputs. Received: "
                f"{len(self._dataset.class_names)}. Choose the data that it was trained on."
            )
        self.scoring = self._scoring(model)
        self.trained_epochs = 0

    def _scoring(self, model: KerasModel) -> InputSet:
        """Training samples as the model itself takes them."""
        from pipeline.model.load import own_scaling
        from pipeline.quantize.convert import representative_indices
        from pipeline.samples import to_model_input

        train, dataset = self._split.train, self._dataset
        chosen = train[representative_indices(dataset.y[train], _SCORING_SAMPLES)]
        return InputSet(
            spec=dataset.spec,
            names=tuple(dataset.ids[index] for index in chosen),
            x=(to_model_input(dataset.x[chosen], own_scaling(model)),),
            y=dataset.y[chosen],
        )

    def fine_tune(self, model: KerasModel, epochs: int) -> KerasModel:
        """Train a model in place; the epoch that validates best is kept."""
        self._calls += 1
        # Where channels are gone, batch statistics are of another model; moving averages, at a
        # momentum of 0.999 in MobileNets, would not come round in a few epochs.
        before = self._epochs_done
        planned = max(self._planned or 0, before + epochs)
        with self._reporter.steps("fine-tuning") as step:
            recalibrate(model, self.scoring)
            trainer = self._trainer(model)
            trainer.run(
                epochs=epochs,
                state_path=self._states and self._states / f"tuning-{self._calls:03d}.npz",
                on_epoch=lambda report: self._tell(report, before, planned),
                on_progress=_shifted(step, before, epochs, planned),
                log=self._reporter.log,
            )
        if self._planned is not None:
            self._epochs_done += epochs
        self.trained_epochs += epochs
        return model

    def _trainer(self, model: KerasModel) -> Trainer:
        """What trains a model, compiled once for as long as the same one is asked for."""
        from pipeline.model.load import classifier_view
        from pipeline.model.train import Trainer

        if self._last is not None and self._last[0] is model and self._last[1].is_current():
            return self._last[1]
        view = classifier_view(model)
        x, y, split = self._dataset.x, self._dataset.y, self._split
        trainer = Trainer(
            view.model,
            (x[split.train], y[split.train]),
            (x[split.val], y[split.val]),
            self._options,
            view.scaling,
        )
        self._last = model, trainer
        return trainer

    def _tell(self, report: EpochReport, before: int, planned: int) -> None:
        epoch = f"epoch {before + report.epoch} of {planned}"
        self._reporter.reached(epoch)
        self._reporter.log(
            f"{epoch}: loss {report.train_loss:.3f}, validation "
            f"balanced accuracy {report.val_balanced_accuracy:.2%}{' *' if report.best else ''}"
        )

    def validate(self, model: KerasModel) -> dict[str, float]:
        """What choices are made by: `test`'s metrics on the validation samples."""
        return self._metrics(model, self._split.val)

    def test(self, model: KerasModel) -> dict[str, float]:
        """Plain and balanced accuracy on the test samples; of two classes average precision."""
        return self._metrics(model, self._split.test)

    def confusion(self, model: KerasModel) -> list[list[int]]:
        """Test samples by true class (rows) and predicted class (columns)."""
        from pipeline.quantize.evaluate import measure_accuracy

        scores, y = self._scores(model, self._split.test)
        accuracy = measure_accuracy(scores.argmax(axis=1), y, scores.shape[1])
        return [list(row) for row in accuracy.confusion]

    def _metrics(self, model: KerasModel, side: npt.NDArray[np.int64]) -> dict[str, float]:
        from pipeline.samples import average_precision, balanced_accuracy

        scores, y = self._scores(model, side)
        predicted = scores.argmax(axis=1)
        metrics = {
            "accuracy": float((predicted == y).mean()),
            "balanced_accuracy": balanced_accuracy(predicted, y),
        }
        if scores.shape[1] == 2:
            metrics["average_precision"] = average_precision(scores[:, 1], y == 1)
        return metrics

    def _scores(
        self, model: KerasModel, side: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Class scores of one side's samples, and their labels."""
        from pipeline.model.load import classifier_view
        from pipeline.quantize.evaluate import predict_float

        view = classifier_view(model)
        x, y = self._dataset.x[side], self._dataset.y[side]
        with self._reporter.steps("evaluating"):
            return predict_float(view.model, x, scaling=view.scaling), y


def _shifted(
    step: Callable[[int, int], None], before: int, epochs: int, planned: int
) -> Callable[[int, int], None]:
    """Progress of some epochs as progress of all that are planned."""

    def callback(done: int, total: int) -> None:
        in_epoch = total // epochs
        step(before * in_epoch + done, planned * in_epoch)

    return callback
