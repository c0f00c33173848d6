"""Every way of quantizing after training, compared on the same samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.config import CALIBRATIONS
from pipeline.quantize.settings import PtqSettings
from pipeline.report.progress import Reporter
from pipeline.stages.quantizing import (
    Quantized,
    QuantizeSettings,
    post_training,
    quantize_loaded,
)
from pipeline.stages.subjects import calibration_samples, load_classifier, some_of

if TYPE_CHECKING:
    from pipeline.data import Dataset, Split
    from pipeline.model.load import LoadedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """All variants, and the one that was chosen.

    Attributes:
        report: the JSON object; docs/quantization.md describes every key.
        chosen: quantized as the best variant on the validation samples.
    """

    report: dict[str, Any]
    chosen: Quantized


def all_variants() -> Iterator[PtqSettings]:
    """Each calibration, plain and with the repairs; the simplest first."""
    for equalize, correct in ((False, False), (False, True), (True, False), (True, True)):
        for calibration in CALIBRATIONS:
            yield PtqSettings(calibration=calibration, equalize=equalize, correct_bias=correct)


def compare_file(path: Path, settings: QuantizeSettings, data: str, reporter: Reporter) -> Variants:
    """Quantize a model in every way after training.

    By the validation samples one is chosen; the test samples only report.

    Args:
        path: `.keras` or `.h5`.
        settings: whose calibration samples and edges count.
        data: labelled samples, as of [data] source.
        reporter: told of everything.
    Raises:
        PipelineError: any; see `quantize_loaded`.
    """
    reporter.headline("quantize")
    loaded, samples = load_classifier(path, data, settings.seed, reporter)
    rows, float_accuracy = _try_all(loaded, samples, settings, reporter)
    best = choose(rows)
    chosen = dataclasses.replace(settings, method="ptq", ptq=PtqSettings(**best["settings"]))
    quantized = quantize_loaded(loaded, samples, chosen, reporter)
    report = {
        "calibration_samples": quantized.facts["calibration_samples"],
        "float": float_accuracy,
        "variants": rows,
        "chosen": best["label"],
        "noise": _noise(rows, "validation"),
    }
    return Variants(report=report, chosen=quantized)


def choose(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The variant closest to float of those not worse on validation than noise explains.

    Closest is the highest signal to noise of the outputs; of equals the first, simplest one.
    """
    noise = _noise(rows, "validation")
    best = max(row["validation"]["balanced"] for row in rows)
    good = [row for row in rows if row["validation"]["balanced"] >= best - noise]
    return max(good, key=lambda row: float(row["validation"]["sqnr_db"]))


def _noise(rows: list[dict[str, Any]], side: str) -> float:
    """Two standard errors of a difference in accuracy, in which as many samples flip as here.

    Each flipped sample is won or lost by chance: of n flips the difference is within sqrt(n).
    """
    flipped = float(np.median([row[side]["flipped"] for row in rows]))
    return 2 * float(np.sqrt(max(flipped, 1.0))) / float(rows[0][side]["samples"])


def _try_all(
    loaded: LoadedModel,
    samples: tuple[Dataset, Split],
    settings: QuantizeSettings,
    reporter: Reporter,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from pipeline.quantize.evaluate import compare, predict_float

    dataset, split = samples
    calibration = calibration_samples(samples, settings.samples, settings.seed, reporter)
    post = post_training(loaded, dataset.x[calibration], settings, reporter)
    sides = {"validation": some_of(dataset, split.val), "test": some_of(dataset, split.test)}
    scores = {
        name: predict_float(loaded.model, dataset.x[side], scaling=loaded.scaling)
        for name, side in sides.items()
    }
    rows: list[dict[str, Any]] = []
    float_accuracy: dict[str, Any] = {}
    variants = list(all_variants())
    with reporter.steps("variants") as step:
        for done, variant in enumerate(variants, 1):
            tflite = post.quantize(variant)
            row: dict[str, Any] = {
                "label": variant.label,
                "settings": dataclasses.asdict(variant),
            }
            for name, side in sides.items():
                comparison = compare(
                    loaded.model,
                    tflite,
                    dataset.x[side],
                    dataset.y[side],
                    ids=[dataset.ids[index] for index in side],
                    class_names=dataset.class_names,
                    scaling=loaded.scaling,
                    num_worst=0,
                    float_scores=scores[name],
                )
                row[name] = {
                    **_accuracy(dataclasses.asdict(comparison.int8_accuracy)),
                    "flipped": comparison.flipped,
                    "sqnr_db": comparison.sqnr_db,
                }
                float_accuracy[name] = _accuracy(dataclasses.asdict(comparison.float_accuracy))
            rows.append(row)
            step(done, len(variants))
    return rows, float_accuracy


def _accuracy(accuracy: Mapping[str, Any]) -> dict[str, Any]:
    return {key: accuracy[key] for key in ("samples", "plain", "balanced")}
