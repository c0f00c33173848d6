"""Quantization-aware training, weighed against calibration alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.report.progress import Reporter
from pipeline.stages.quantizing import QuantizeSettings, compare_side, post_training
from pipeline.stages.subjects import some_of

if TYPE_CHECKING:
    from pipeline.data import Dataset, Split
    from pipeline.model.load import LoadedModel
    from pipeline.quantize.qat import QatResult
    from pipeline.training.report import EpochReport


_WORDS = {"ptq": "calibrated", "equalized": "calibrated, equalized", "qat": "trained"}


def train_or_calibrate(
    loaded: LoadedModel,
    samples: tuple[Dataset, Split],
    calibration: npt.NDArray[np.int64],
    settings: QuantizeSettings,
    reporter: Reporter,
    states: Path | None,
) -> tuple[bytes, dict[str, Any]]:
    """Train a model with rounding in it; what calibration gives where that is no worse.

    Calibrated as the settings say, calibrated with equalized layers, and trained: the best of the
    three on the validation samples, by TFLite's reference kernels, is kept, of equals the first.
    Calibration comes first: what cannot be int8 at all is refused in its words, before anything
    is trained.

    Args:
        loaded: the model.
        samples: labelled ones with their sides.
        calibration: positions of the samples that calibrate.
        settings: how.
        reporter: told of everything.
        states: folder for the state of the training; None to keep none.
    Returns:
        The .tflite, and the facts of the training.
    Raises:
        ConfigError: samples that do not fit the model.
        UnsupportedModelError: a model that cannot become int8, or be trained so.
    """
    from pipeline.quantize.evaluate import predict_float
    from pipeline.quantize.qat.train import check_trainable

    dataset, split = samples
    check_trainable(loaded.model)
    post = post_training(loaded, dataset.x[calibration], settings, reporter)
    files = {"ptq": post.quantize(settings.ptq)}
    if not settings.ptq.equalize:
        files["equalized"] = post.quantize(dataclasses.replace(settings.ptq, equalize=True))
    result = _train(loaded, samples, settings, reporter, states)
    files["qat"] = result.tflite
    side = some_of(dataset, split.val)
    scores = predict_float(loaded.model, dataset.x[side], scaling=loaded.scaling)
    balanced = {
        name: compare_side(loaded, tflite, samples, side, reporter, scores).int8_accuracy.balanced
        for name, tflite in files.items()
    }
    kept = max(balanced, key=balanced.__getitem__)
    listed = ", ".join(f"{_WORDS[name]} {share:.2%}" for name, share in balanced.items())
    reporter.log(f"validation, balanced: {listed}; kept: {_WORDS[kept]}")
    return files[kept], {
        "best_epoch": result.best_epoch,
        "history": [dataclasses.asdict(report) for report in result.history],
        "validation": balanced,
        "kept": kept,
    }


def _train(
    loaded: LoadedModel,
    samples: tuple[Dataset, Split],
    settings: QuantizeSettings,
    reporter: Reporter,
    states: Path | None,
) -> QatResult:
    from pipeline.quantize.qat import QatOptions, train_quantized

    dataset, split = samples

    def tell(report: EpochReport) -> None:
        reporter.log(
            f"epoch {report.epoch} of {report.epochs}: loss {report.train_loss:.3f}, validation "
            f"balanced accuracy {report.val_balanced_accuracy:.2%}{' *' if report.best else ''}"
        )

    with reporter.steps("quantization-aware training") as step:
        return train_quantized(
            loaded.model,
            (dataset.x[split.train], dataset.y[split.train]),
            (dataset.x[split.val], dataset.y[split.val]),
            QatOptions(
                epochs=settings.epochs,
                learning_rate=settings.learning_rate,
                calibration_samples=settings.samples,
                seed=settings.seed,
            ),
            scaling=loaded.scaling,
            edges=settings.edges,
            log=reporter.log,
            on_epoch=tell,
            on_progress=step,
            state_path=states and states / "qat.npz",
        )
