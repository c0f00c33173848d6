"""Train a classifier: augmentation, early stopping, the best weights kept, resumable."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.quiet import import_tensorflow
from pipeline.records import Array
from pipeline.samples import DEFAULT_SCALING, InputScaling, balanced_accuracy, to_model_input
from pipeline.training.augment import GENTLE, AugmentOptions, augment_batch
from pipeline.training.classes import check_samples, class_weights
from pipeline.training.report import EpochReport
from pipeline.training.schedule import warm_cosine
from pipeline.training.state import TrainingState, fingerprint, load_state, save_state

if TYPE_CHECKING:
    import keras


# About three minutes of MobileNetV2 0.25 at 80 x 80 on two cores.
_AUTOMATIC_SAMPLES = 40_000
_MIN_AUTOMATIC, _MAX_AUTOMATIC = 12, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How to train.

    Attributes:
        epochs: passes over the training samples at most; 0 for as many as show the model
            40,000 samples, within 12 to 60.
        batch_size: samples a step.
        learning_rate: highest; reached after `warmup_epochs`, then a half cosine to 1 %.
        warmup_epochs: of linear growth.
        weight_decay: of AdamW.
        label_smoothing: share of each target spread over all classes.
        average: decay per step of the moving average of the weights, which is what is
            evaluated and kept; 0 keeps the weights themselves.
        patience: epochs without a better balanced accuracy on the validation samples,
            after which training stops.
        seed: of order, augmentation and dropout.
        augment: changes of training pictures; None for none (always none for tensors).
    """

    epochs: int = 0
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup_epochs: float = 1.0
    weight_decay: float = 1e-4
    label_smoothing: float = 0.05
    average: float = 0.98
    patience: int = 12
    seed: int = 0
    augment: AugmentOptions | None = field(default_factory=AugmentOptions)


# Starting from trained weights; and from random ones, which learn faster from more, smaller and
# more alike steps.
TRANSFER = TrainOptions()
FRESH = TrainOptions(batch_size=16, learning_rate=4e-3, augment=GENTLE)


def num_epochs(options: TrainOptions, num_samples: int) -> int:
    """The epochs that a training of that many samples takes at most."""
    if options.epochs:
        return options.epochs
    return min(_MAX_AUTOMATIC, max(_MIN_AUTOMATIC, round(_AUTOMATIC_SAMPLES / num_samples)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a training gave.

    Attributes:
        history: one report per epoch, of resumed epochs too.
        best_epoch: the epoch whose weights the model holds now, counted from 1.
        resumed_from: epochs that an earlier, interrupted call had done; 0 for none.
    """

    history: tuple[EpochReport, ...]
    best_epoch: int
    resumed_from: int


def train_model(
    model: keras.Model,
    train: tuple[Array, npt.NDArray[np.int64]],
    val: tuple[Array, npt.NDArray[np.int64]],
    options: TrainOptions,
    *,
    scaling: InputScaling = DEFAULT_SCALING,
    state_path: Path | None = None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
    on_progress: Callable[[int, int], None] | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> TrainResult:
    """Train a softmax classifier in place and leave it with its best weights.

    Classes weigh the same whatever their number of samples. After each epoch all state is
    written to `state_path` atomically: the same call, after a kill at any moment, goes on
    after the last whole epoch. A KeyboardInterrupt passes through and loses no more.

    Args:
        model: output [batch, classes], softmax.
        train: samples [N, ...] (uint8, int8 or float32, see `to_model_input`) and labels.
        val: samples to choose the best epoch by.
        options: how.
        scaling: what the model sees of a pixel.
        state_path: file for the state; None to keep none. Delete it when it is no longer
            needed. A state of other options, data or weights is not used, which is logged.
        on_epoch: called after each epoch.
        on_progress: called with (steps done, steps in all).
        log: told about resuming.
    Raises:
        ConfigError: options out of range, or samples that do not fit the model.
    """
    trainer = Trainer(model, train, val, options, scaling)
    return trainer.run(state_path=state_path, on_epoch=on_epoch, on_progress=on_progress, log=log)


def _check(
    model: keras.Model,
    train: tuple[Array, npt.NDArray[np.int64]],
    val: tuple[Array, npt.NDArray[np.int64]],
    options: TrainOptions,
) -> None:
    for name, least in (("epochs", 0), ("batch_size", 2), ("patience", 1)):
        if getattr(options, name) < least:
            raise ConfigError(
                f"train {name}: expected at least {least}. Received: {getattr(options, name)}."
            )
    if not 0 < options.learning_rate <= 1:
        raise ConfigError(
            f"train learning_rate: expected 0 to 1. Received: {options.learning_rate}."
        )
    check_samples(tuple(model.input_shape[1:]), int(model.output_shape[-1]), train, val)


class Trainer:
    """A model with its optimizer and its compiled step, which take longer to make than an epoch.

    Args:
        model, train, val, options, scaling: see `train_model`.
    Raises:
        ConfigError: options out of range, or samples that do not fit the model.
    """

    def __init__(
        self,
        model: keras.Model,
        train: tuple[Array, npt.NDArray[np.int64]],
        val: tuple[Array, npt.NDArray[np.int64]],
        options: TrainOptions,
        scaling: InputScaling = DEFAULT_SCALING,
    ) -> None:
        import_tensorflow()
        import keras

        _check(model, train, val, options)
        self._model, self._options, self._scaling = model, options, scaling
        self._x, self._y = train
        self._val_x, self._val_y = val
        self._num_classes = int(model.output_shape[-1])
        self._class_weights = class_weights(self._y, self._num_classes)
        self._steps = math.ceil(len(self._x) / options.batch_size)
        self._optimizer = keras.optimizers.AdamW(
            learning_rate=options.learning_rate, weight_decay=options.weight_decay
        )
        self._optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self._optimizer.build(model.trainable_variables)
        self._fresh_optimizer = [variable.numpy() for variable in self._optimizer.variables]
        self._average = keras.models.clone_model(model)
        self._asked = self._asks()
        self._step_function = self._compile_step()
        self._predict_function = self._compile_predict()

    def is_current(self) -> bool:
        """Whether the compiled step still knows what the variables ask for."""
        return all(
            one is other
            for before, now in zip(self._asked, self._asks(), strict=True)
            for one, other in zip(before, now, strict=True)
        )

    def _asks(self) -> list[tuple[object, ...]]:
        """Constraints and regularizers, which are compiled into the step."""
        return [
            (variable.constraint, variable.regularizer, variable.trainable)
            for variable in self._model.variables
        ]

    def run(
        self,
        *,
        epochs: int | None = None,
        state_path: Path | None = None,
        on_epoch: Callable[[EpochReport], None] = lambda report: None,
        on_progress: Callable[[int, int], None] | None = None,
        log: Callable[[str], None] = lambda line: None,
    ) -> TrainResult:
        """Train from the weights that the model has now, as `train_model` does.

        Args:
            epochs: at most; None for the options'.
            state_path, on_epoch, on_progress, log: see `train_model`.
        """
        import keras

        options = self._options
        if epochs is not None:
            options = self._options = replace(options, epochs=epochs)
        self._epochs = num_epochs(options, len(self._x))
        keras.utils.set_random_seed(options.seed)
        for variable, value in zip(self._optimizer.variables, self._fresh_optimizer, strict=True):
            variable.assign(value)
        self._average.set_weights(self._model.get_weights())
        mark = fingerprint(
            {**asdict(options), **asdict(self._scaling)},
            [*self._model.get_weights(), self._x, self._y, self._val_x],
        )
        history: list[EpochReport] = []
        best = self._model.get_weights()
        state = load_state(state_path, mark) if state_path is not None else None
        if state_path is not None and state_path.exists() and state is None:
            log("train: a saved state is of other options, data or weights; starting afresh")
        if state is not None:
            history = [EpochReport(**report) for report in state.history]
            best = state.best
            self._restore(state)
            log(f"train: resuming after epoch {len(history)}")
        resumed_from = len(history)
        for epoch in range(resumed_from, self._epochs):
            if self._exhausted(history):
                break
            loss = self._run_epoch(epoch, on_progress)
            report = self._evaluate(epoch, loss, history)
            history.append(report)
            if report.best:
                best = self._average.get_weights()
            if state_path is not None:
                save_state(state_path, self._capture(mark, history, best))
            on_epoch(report)
        self._model.set_weights(best)
        best_epoch = max((report.epoch for report in history if report.best), default=0)
        return TrainResult(history=tuple(history), best_epoch=best_epoch, resumed_from=resumed_from)

    def _exhausted(self, history: list[EpochReport]) -> bool:
        best_epoch = max((report.epoch for report in history if report.best), default=0)
        return len(history) - best_epoch >= self._options.patience

    def _run_epoch(self, epoch: int, on_progress: Callable[[int, int], None] | None) -> float:
        import tensorflow as tf

        options = self._options
        order = np.random.default_rng([options.seed, epoch]).permutation(len(self._x))
        losses = []
        for step in range(self._steps):
            chosen = order[step * options.batch_size : (step + 1) * options.batch_size]
            done = epoch * self._steps + step
            self._optimizer.learning_rate.assign(self._rate(done))
            losses.append(
                self._step_function(
                    tf.constant(to_model_input(self._x[chosen], self._scaling)),
                    tf.constant(self._y[chosen], tf.int64),
                    tf.constant([options.seed, done], tf.int32),
                    tf.constant(self._decay(done), tf.float32),
                )
            )
            if on_progress is not None:
                on_progress(done + 1, self._steps * self._epochs)
        return float(np.mean([float(loss) for loss in losses]))

    def _rate(self, step: int) -> float:
        options = self._options
        steps, warmup = self._epochs * self._steps, options.warmup_epochs * self._steps
        return options.learning_rate * warm_cosine(step, steps, warmup)

    def _decay(self, step: int) -> float:
        # The first steps average over what there is, or the start would weigh for long.
        return min(self._options.average, (1 + step) / (10 + step))

    def _compile_step(self) -> Callable[..., Any]:
        import tensorflow as tf

        options, model = self._options, self._model
        weights = tf.constant(self._class_weights)
        pairs = list(zip(self._average.weights, model.weights, strict=True))
        pictures = self._x.dtype == np.uint8 and self._x.ndim == 4
        augment = options.augment if pictures else None
        low, high = self._scaling.low, self._scaling.high

        def step(x: Any, y: Any, seed: Any, decay: Any) -> Any:
            if augment is not None:
                x = augment_batch(x, seed, augment, low, high)
            targets = tf.one_hot(y, self._num_classes)
            smooth = options.label_smoothing
            targets = targets * (1 - smooth) + smooth / self._num_classes
            with tf.GradientTape() as tape:
                outputs = model(x, training=True)
                entropy = -tf.reduce_sum(targets * tf.math.log(outputs + 1e-7), axis=-1)
                loss = tf.reduce_mean(entropy * tf.gather(weights, y))
                total = loss + tf.add_n(model.losses) if model.losses else loss
            gradients = tape.gradient(total, model.trainable_variables)
            self._optimizer.apply(gradients, model.trainable_variables)
            for average, current in pairs:
                average.assign(average * decay + current * (1 - decay))
            return loss

        # A plain tf.function would trace this twice, and again for a smaller last batch: more
        # work than several epochs of a few hundred pictures.
        function = tf.function(step, autograph=False)
        return function.get_concrete_function(  # type: ignore[no-any-return]
            tf.TensorSpec([None, *self._x.shape[1:]], tf.float32),
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([2], tf.int32),
            tf.TensorSpec([], tf.float32),
        )

    def _compile_predict(self) -> Callable[..., Any]:
        import tensorflow as tf

        def predict(x: Any) -> Any:
            return self._average(x, training=False)

        function = tf.function(predict, autograph=False)
        return function.get_concrete_function(  # type: ignore[no-any-return]
            tf.TensorSpec([None, *self._x.shape[1:]], tf.float32)
        )

    def _evaluate(self, epoch: int, loss: float, history: list[EpochReport]) -> EpochReport:
        import tensorflow as tf

        outputs = np.concatenate(
            [
                self._predict_function(
                    tf.constant(to_model_input(self._val_x[start : start + 256], self._scaling))
                ).numpy()
                for start in range(0, len(self._val_x), 256)
            ]
        )
        predicted = outputs.argmax(axis=1)
        likelihood = outputs[np.arange(len(outputs)), self._val_y]
        balanced = balanced_accuracy(predicted, self._val_y)
        so_far = max((report.val_balanced_accuracy for report in history), default=-1.0)
        return EpochReport(
            epoch=epoch + 1,
            epochs=self._epochs,
            train_loss=loss,
            val_loss=float(-np.log(likelihood + 1e-7).mean()),
            val_accuracy=float((predicted == self._val_y).mean()),
            val_balanced_accuracy=balanced,
            # Of equals the later: it has seen more.
            best=balanced >= so_far,
        )

    def _capture(self, mark: str, history: list[EpochReport], best: list[Any]) -> TrainingState:
        return TrainingState(
            mark=mark,
            history=tuple(asdict(report) for report in history),
            model=[variable.numpy() for variable in self._model.variables],
            average=self._average.get_weights(),
            optimizer=[variable.numpy() for variable in self._optimizer.variables],
            best=best,
        )

    def _restore(self, state: TrainingState) -> None:
        for variable, value in zip(self._model.variables, state.model, strict=True):
            variable.assign(value)
        for variable, value in zip(self._optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
        self._average.set_weights(state.average)
