"""Train a rebuilt model with its quantizers on, against labels and the float model.

Imported only after `import_tfmot`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from pipeline.quantize.qat.bridge import Bridged
from pipeline.quantize.qat.options import QatOptions
from pipeline.quantize.qat.placement import last_function
from pipeline.quantize.qat.quantizers import FROZEN, QUANTIZED, State
from pipeline.records import Array
from pipeline.samples import InputScaling, balanced_accuracy, to_model_input
from pipeline.training.augment import augment_batch
from pipeline.training.classes import class_weights
from pipeline.training.report import EpochReport
from pipeline.training.schedule import warm_cosine
from pipeline.training.state import TrainingState, fingerprint, load_state, save_state

if TYPE_CHECKING:
    import keras

LEARNING_RATE = 5e-4
# Fine-tuning: half of what a training from scratch sees.
_AUTOMATIC_SAMPLES = 20_000
_MIN_AUTOMATIC, _MAX_AUTOMATIC = 4, 20
# Under the logarithm, as in the training of the float model.
_TINY = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """How a training went; see `QatResult`."""

    history: tuple[EpochReport, ...]
    best_epoch: int
    resumed_from: int


def num_epochs(options: QatOptions, num_samples: int) -> int:
    """The epochs that a training of that many samples takes at most."""
    if options.epochs:
        return options.epochs
    return min(_MAX_AUTOMATIC, max(_MIN_AUTOMATIC, round(_AUTOMATIC_SAMPLES / num_samples)))


class QatTrainer:
    """A rebuilt model with its teacher, its optimizer and its compiled steps.

    Args:
        bridged: of calibrated ranges; trained in place.
        teacher: the float model.
        train, val: samples [N, ...] and labels, as `train_quantized` takes them.
        options: how.
        scaling: what the model sees of a pixel.
    """

    def __init__(
        self,
        bridged: Bridged,
        teacher: keras.Model,
        train: tuple[Array, npt.NDArray[np.int64]],
        val: tuple[Array, npt.NDArray[np.int64]],
        options: QatOptions,
        scaling: InputScaling,
    ) -> None:
        self._model, self._mode = bridged.model, bridged.mode
        self._teacher = teacher
        self._gives_probabilities = last_function(bridged.graph) == "softmax"
        self._is_single = int(teacher.output_shape[-1]) == 1
        self._x, self._y = train
        self._val_x, self._val_y = val
        self._options, self._scaling = options, scaling
        self._rate_at_most = options.learning_rate or LEARNING_RATE
        self._epochs = num_epochs(options, len(self._x))
        self._steps = math.ceil(len(self._x) / options.batch_size)
        self._frozen_from = self._epochs - round(options.frozen_share * self._epochs)
        self._num_classes = max(2, int(teacher.output_shape[-1]))
        self._class_weights = class_weights(self._y, self._num_classes)
        self._optimizer = tf_keras.optimizers.AdamW(
            learning_rate=self._rate_at_most, weight_decay=options.weight_decay
        )
        self._optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "alpha"])
        self._optimizer.build(self._model.trainable_variables)
        self._step_functions: dict[State, Callable[..., Any]] = {}
        self._predict_function: Callable[..., Any] | None = None

    def run(
        self,
        *,
        state_path: Path | None,
        on_epoch: Callable[[EpochReport], None],
        on_progress: Callable[[int, int], None] | None,
        log: Callable[[str], None],
    ) -> Trained:
        """Train, and leave the model with its best weights and ranges; see `train_quantized`."""
        mark = fingerprint(
            {**asdict(self._options), **asdict(self._scaling)},
            [*self._values(), self._x, self._y, self._val_x],
        )
        state = load_state(state_path, mark) if state_path is not None else None
        if state_path is not None and state_path.exists() and state is None:
            log("qat: a saved state is of other options, data or weights; starting afresh")
        history: list[EpochReport] = []
        best = self._values()
        if state is None:
            _, accuracy, start = self._evaluate()
            log(f"qat: {accuracy:.2%} of the validation samples right before training")
        else:
            history, best = [EpochReport(**report) for report in state.history], state.best
            start = float(state.average[0])
            self._restore(state)
            log(f"qat: resuming after epoch {len(history)}")
        resumed_from = len(history)
        for epoch in range(resumed_from, self._epochs):
            if len(history) - _best_epoch(history) >= self._options.patience:
                break
            report = self._run_epoch(epoch, start, history, on_progress)
            history.append(report)
            if report.best:
                best = self._values()
            if state_path is not None:
                save_state(state_path, self._capture(mark, history, best, start))
            on_epoch(report)
        self._assign(best)
        return Trained(
            history=tuple(history), best_epoch=_best_epoch(history), resumed_from=resumed_from
        )

    def _run_epoch(
        self,
        epoch: int,
        start: float,
        history: list[EpochReport],
        on_progress: Callable[[int, int], None] | None,
    ) -> EpochReport:
        options = self._options
        step_function = self._step_function(FROZEN if epoch >= self._frozen_from else QUANTIZED)
        order = np.random.default_rng([options.seed, epoch]).permutation(len(self._x))
        losses = []
        for step in range(self._steps):
            chosen = order[step * options.batch_size : (step + 1) * options.batch_size]
            done, steps = epoch * self._steps + step, self._steps * self._epochs
            rate = warm_cosine(done, steps, options.warmup_epochs * self._steps)
            self._optimizer.learning_rate.assign(self._rate_at_most * rate)
            self._mode.seed.assign([options.seed, done])
            losses.append(
                step_function(
                    tf.constant(to_model_input(self._x[chosen], self._scaling)),
                    tf.constant(self._y[chosen], tf.int64),
                )
            )
            if on_progress is not None:
                on_progress(done + 1, steps)
        loss, accuracy, balanced = self._evaluate()
        best = max([start, *(report.val_balanced_accuracy for report in history)])
        return EpochReport(
            epoch=epoch + 1,
            epochs=self._epochs,
            train_loss=float(np.mean([float(loss) for loss in losses])),
            val_loss=loss,
            val_accuracy=accuracy,
            val_balanced_accuracy=balanced,
            # Of equals the later: it has seen more.
            best=balanced >= best,
        )

    def _step_function(self, state: State) -> Callable[..., Any]:
        """The compiled training step in a state of the quantizers."""
        if state not in self._step_functions:
            with self._mode.being(state):
                function = tf.function(self._step, autograph=False)
                self._step_functions[state] = function.get_concrete_function(
                    tf.TensorSpec([None, *self._x.shape[1:]], tf.float32),
                    tf.TensorSpec([None], tf.int64),
                )
        return self._step_functions[state]

    def _step(self, x: Any, y: Any) -> Any:
        options, scaling = self._options, self._scaling
        if options.augment is not None and self._x.dtype == np.uint8 and self._x.ndim == 4:
            x = augment_batch(x, self._mode.seed, options.augment, scaling.low, scaling.high)
        targets = tf.one_hot(y, self._num_classes)
        if options.distillation:
            taught = self._probabilities(self._teacher(x, training=False))
            targets = (1 - options.distillation) * targets + options.distillation * taught
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            likelihood = self._log_likelihood(self._model(x, training=True))
            entropy = -tf.reduce_sum(targets * likelihood, axis=-1)
            loss = tf.reduce_mean(entropy * tf.gather(tf.constant(self._class_weights), y))
        gradients = tape.gradient(loss, variables)
        self._optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    def _probabilities(self, outputs: Any) -> Any:
        if self._is_single:
            return tf.concat([1 - outputs, outputs], axis=-1)
        return outputs if self._gives_probabilities else tf.nn.softmax(outputs)

    def _log_likelihood(self, outputs: Any) -> Any:
        if self._gives_probabilities or self._is_single:
            return tf.math.log(self._probabilities(outputs) + _TINY)
        return tf.nn.log_softmax(outputs)

    def _evaluate(self) -> tuple[float, float, float]:
        """Loss, accuracy and balanced accuracy of the quantized model on the validation samples."""
        if self._predict_function is None:
            with self._mode.being(QUANTIZED):
                function = tf.function(
                    lambda x: self._log_likelihood(self._model(x, training=False)),
                    autograph=False,
                )
                self._predict_function = function.get_concrete_function(
                    tf.TensorSpec([None, *self._x.shape[1:]], tf.float32)
                )
        likelihood = np.concatenate(
            [
                self._predict_function(
                    tf.constant(to_model_input(self._val_x[start : start + 256], self._scaling))
                ).numpy()
                for start in range(0, len(self._val_x), 256)
            ]
        )
        predicted = likelihood.argmax(axis=1)
        loss = -likelihood[np.arange(len(predicted)), self._val_y].mean()
        accuracy = float((predicted == self._val_y).mean())
        return float(loss), accuracy, balanced_accuracy(predicted, self._val_y)

    def _values(self) -> list[Any]:
        return [variable.numpy() for variable in self._model.variables]

    def _assign(self, values: list[Any]) -> None:
        for variable, value in zip(self._model.variables, values, strict=True):
            variable.assign(value)

    def _capture(
        self, mark: str, history: list[EpochReport], best: list[Any], start: float
    ) -> TrainingState:
        return TrainingState(
            mark=mark,
            history=tuple(asdict(report) for report in history),
            model=self._values(),
            # No weights are averaged here; what training has to beat takes their place.
            average=[np.array(start)],
            optimizer=[variable.numpy() for variable in self._optimizer.variables],
            best=best,
        )

    def _restore(self, state: TrainingState) -> None:
        self._assign(state.model)
        for variable, value in zip(self._optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)


def _best_epoch(history: list[EpochReport]) -> int:
    return max((report.epoch for report in history if report.best), default=0)
