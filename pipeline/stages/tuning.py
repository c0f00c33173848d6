"""Fine-tuning and evaluation of a model and of its pruned forms."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from pipeline.prune.recalibrate import recalibrate
from pipeline.records import InputSet
from pipeline.report.progress import Reporter
from pipeline.stages.prune_methods import PruneSettings

if TYPE_CHECKING:
    from pipeline.data import Dataset, Split
    from pipeline.model.load import KerasModel
    from pipeline.model.train import EpochReport

# Training samples that criteria look at.
_SCORING_SAMPLES = 512


class Tuning:
    """Fine-tunes and evaluates a model and its pruned forms on one division of data.

    Args:
        model: before pruning.
        samples: labelled ones, and their sides.
        settings: seed and rate of fine-tuning.
        reporter: told of each epoch.
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
    ) -> None:
        from pipeline.model.load import classifier_view

        self._dataset, self._split = samples
        self._settings, self._reporter = settings, reporter
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
        from pipeline.model.load import classifier_view
        from pipeline.model.train import TRANSFER, train_model

        # Where channels are gone, batch statistics are of another model; moving averages, at a
        # momentum of 0.999 in MobileNets, would not come round in a few epochs.
        recalibrate(model, self.scoring)
        view = classifier_view(model)
        x, y, split = self._dataset.x, self._dataset.y, self._split
        options = dataclasses.replace(
            TRANSFER,
            epochs=epochs,
            batch_size=self._settings.batch,
            learning_rate=self._settings.learning_rate,
            patience=epochs,
            seed=self._settings.seed,
        )
        with self._reporter.steps("fine-tuning") as step:
            train_model(
                view.model,
                (x[split.train], y[split.train]),
                (x[split.val], y[split.val]),
                options,
                scaling=view.scaling,
                on_epoch=self._tell,
                on_progress=step,
            )
        self.trained_epochs += epochs
        return model

    def _tell(self, report: EpochReport) -> None:
        self._reporter.log(
            f"epoch {report.epoch} of {report.epochs}: loss {report.train_loss:.3f}, validation "
            f"balanced accuracy {report.val_balanced_accuracy:.2%}{' *' if report.best else ''}"
        )

    def evaluate(self, model: KerasModel) -> dict[str, float]:
        """Plain and balanced accuracy on the test samples; of two classes average precision."""
        from pipeline.model.load import classifier_view
        from pipeline.quantize.evaluate import predict_float
        from pipeline.samples import average_precision, balanced_accuracy

        view = classifier_view(model)
        x, y = self._dataset.x[self._split.test], self._dataset.y[self._split.test]
        scores = predict_float(view.model, x, scaling=view.scaling)
        predicted = scores.argmax(axis=1)
        metrics = {
            "accuracy": float((predicted == y).mean()),
            "balanced_accuracy": balanced_accuracy(predicted, y),
        }
        if scores.shape[1] == 2:
            metrics["average_precision"] = average_precision(scores[:, 1], y == 1)
        return metrics
