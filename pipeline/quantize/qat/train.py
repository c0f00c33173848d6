"""A trained Keras model in, a quantized one out that was trained to be quantized."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.quantize.convert import (
    is_pinned,
    pinned_calibration,
    representative_indices,
)
from pipeline.quantize.qat.library import import_tfmot
from pipeline.quantize.qat.options import QatOptions, QatResult
from pipeline.quantize.qat.placement import FixedRange, last_function
from pipeline.quantize.qat.steps import make_steps
from pipeline.quantize.settings import EdgeTypes
from pipeline.records import Array
from pipeline.samples import DEFAULT_SCALING, InputScaling, to_model_input
from pipeline.training.classes import check_samples
from pipeline.training.report import EpochReport

if TYPE_CHECKING:
    import keras

_INT8_EDGES = EdgeTypes()
_PROOF_SAMPLES = 16


def train_quantized(
    model: keras.Model,
    train: tuple[Array, npt.NDArray[np.int64]],
    validation: tuple[Array, npt.NDArray[np.int64]],
    options: QatOptions,
    *,
    scaling: InputScaling = DEFAULT_SCALING,
    edges: EdgeTypes = _INT8_EDGES,
    log: Callable[[str], None] = lambda line: None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
    on_progress: Callable[[int, int], None] | None = None,
    state_path: Path | None = None,
) -> QatResult:
    """Fine-tune a trained classifier with int8 rounding in it, and convert it.

    The model itself stays as it is: it teaches the one that is trained. The epoch that does
    best on the validation samples, as int8, is converted; where none does as well as calibrated
    ranges alone, these are. Before any training the untrained form is converted once, so that
    a model beyond int8 is refused within seconds. After each epoch all state is written to
    `state_path` atomically: the same call goes on after the last whole epoch.

    Args:
        model: Keras 3, one input, outputs [batch, classes]: a softmax's, or logits; or [batch, 1]
            of a sigmoid, that of the second of two classes.
        train: samples [N, ...] (uint8, int8 or float32, see `to_model_input`) and labels.
        validation: samples to choose the best epoch by.
        options: how.
        scaling: what the model sees of a pixel.
        edges: types of the quantized model's input and output.
        log: told what is going on.
        on_epoch: called after each epoch.
        on_progress: called with (steps done, steps in all).
        state_path: file for the state; None to keep none. Delete it when it is no longer needed.
    Raises:
        ConfigError: options out of range, or samples that do not fit the model.
        MissingToolError: tf_keras or tensorflow-model-optimization is not installed.
        UnsupportedModelError: names every layer that cannot be trained or converted.
    """
    import_tfmot()
    from pipeline.quantize.qat.bridge import bridge
    from pipeline.quantize.qat.conversion import convert, observe
    from pipeline.quantize.qat.proof import prove_equal
    from pipeline.quantize.qat.training import QatTrainer

    _check_options(options)
    x, y = train
    graph = make_steps(model)
    _check_classifier(model, last_function(graph), train, validation)
    chosen = representative_indices(y, options.calibration_samples, options.seed)
    samples = to_model_input(x[chosen], scaling)
    if not np.isfinite(samples).all():
        raise ConfigError("training samples: expected finite values. Received: NaN or infinity.")
    bridged = bridge(
        graph, model.name, input_range=_pinned(samples, scaling), range_decay=options.range_decay
    )
    difference = prove_equal(model, bridged, samples[:_PROOF_SAMPLES])
    log(f"qat: rebuilt in tf_keras, equal within {difference:.0e} of the largest output")
    observe(bridged, samples)
    # The converter looks at the whole range of a pinned input, too.
    shape = tuple(samples.shape[1:])
    convert(bridged, pinned_calibration(samples[:_PROOF_SAMPLES], shape, scaling), edges)
    log(f"qat: ranges start from {len(samples)} samples")
    trainer = QatTrainer(bridged, model, train, validation, options, scaling)
    trained = trainer.run(
        state_path=state_path, on_epoch=on_epoch, on_progress=on_progress, log=log
    )
    tflite = convert(bridged, pinned_calibration(samples, shape, scaling), edges)
    log(f"qat: {len(tflite):,} bytes of .tflite, of epoch {trained.best_epoch}")
    return QatResult(
        tflite=tflite,
        history=trained.history,
        best_epoch=trained.best_epoch,
        resumed_from=trained.resumed_from,
    )


def check_trainable(model: keras.Model) -> None:
    """Refuse what cannot be trained quantized, whatever the samples.

    Raises:
        MissingToolError: tf_keras or tensorflow-model-optimization is not installed.
        UnsupportedModelError: names every layer that cannot be trained.
    """
    import_tfmot()
    make_steps(model)


def _check_options(options: QatOptions) -> None:
    for name, least in (
        ("epochs", 0),
        ("batch_size", 2),
        ("patience", 1),
        ("calibration_samples", 1),
    ):
        if getattr(options, name) < least:
            raise ConfigError(
                f"qat {name}: expected at least {least}. Received: {getattr(options, name)}."
            )
    for name in ("learning_rate", "distillation", "frozen_share", "range_decay"):
        if not 0 <= getattr(options, name) <= 1:
            raise ConfigError(f"qat {name}: expected 0 to 1. Received: {getattr(options, name)}.")


def _check_classifier(
    model: keras.Model,
    function: str,
    train: tuple[Array, npt.NDArray[np.int64]],
    validation: tuple[Array, npt.NDArray[np.int64]],
) -> None:
    shape = tuple(model.output_shape)
    if len(shape) != 2 or not shape[-1] or (shape[-1] == 1 and function != "sigmoid"):
        raise UnsupportedModelError(
            f"model {model.name!r}: expected a classifier, with outputs [batch, classes] of two "
            f"classes or more, or one sigmoid. Received: outputs {list(shape)}. Quantize it "
            "without training, with --method ptq."
        )
    check_samples(tuple(model.input_shape[1:]), max(2, int(shape[-1])), train, validation)


def _pinned(samples: npt.NDArray[np.float32], scaling: InputScaling) -> FixedRange | None:
    """The input's range where all samples lie in what pixels become: what firmware feeds."""
    if not is_pinned(samples, scaling):
        return None
    return FixedRange(min(scaling.low, 0.0), max(scaling.high, 0.0))
