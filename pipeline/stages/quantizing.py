"""Quantize a Keras model, after training or by training, and say what it costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.artifacts import cached_folder, hash_file
from pipeline.device.board import load_board
from pipeline.errors import ConfigError
from pipeline.paths import cache_path
from pipeline.prune.budget import parse_budget
from pipeline.quantize.settings import EdgeTypes, PtqSettings
from pipeline.records import Array
from pipeline.report.progress import Reporter
from pipeline.stages.keys import stage_key
from pipeline.stages.subjects import calibration_samples, load_classifier, load_subject

if TYPE_CHECKING:
    from pipeline.data import Dataset, Split
    from pipeline.model.load import LoadedModel
    from pipeline.quantize.evaluate import Comparison
    from pipeline.quantize.ptq import PostTraining

# Interrupted trainings whose states are kept to go on from.
_KEPT_TRAININGS = 4
# Validation samples that layers are compared on.
_LAYER_SAMPLES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeSettings:
    """How to quantize.

    Attributes:
        method: "ptq" or "qat".
        samples: training samples that calibrate.
        ptq: ranges and repairs of "ptq".
        edges: types of the model's input and output.
        epochs, learning_rate: of "qat"; 0 for its own.
        flash_bytes: filters of some layers become int4 until the image is this small; None for
            int8 throughout.
        board, toolchain: of that image.
        layers: also report on every layer, of "ptq".
        seed: of everything random.
    """

    method: str = "ptq"
    samples: int = 200
    ptq: PtqSettings = field(default_factory=PtqSettings)
    edges: EdgeTypes = field(default_factory=EdgeTypes)
    epochs: int = 0
    learning_rate: float = 0.0
    flash_bytes: int | None = None
    board: str = "mps2_an386"
    toolchain: str = "auto"
    layers: bool = True
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """A quantized model.

    Attributes:
        tflite: the file.
        facts: the JSON object of it; docs/quantization.md describes every key.
        golden: the test samples as the model takes them (x), their labels (y) and names.
    """

    tflite: bytes = field(repr=False)
    facts: dict[str, Any]
    golden: dict[str, Array] = field(compare=False, repr=False)

    def write(self, path: Path) -> None:
        """Write the model; ConfigError where that is impossible."""
        try:
            path.write_bytes(self.tflite)
        except OSError as error:
            raise ConfigError(f"--out {path}: cannot be written: {error}.") from error


def flash_budget(text: str) -> int | None:
    """Bytes of "96KiB"; None of "".

    Raises:
        ConfigError: it is no size.
    """
    return parse_budget(f"flash={text}").limits["flash"] if text else None


def quantize_file(
    path: Path, settings: QuantizeSettings, data: str, reporter: Reporter
) -> Quantized:
    """Quantize a model of a file.

    Args:
        path: `.keras` or `.h5`.
        settings: how.
        data: labelled samples, as of [data] source.
        reporter: told of everything.
    Raises:
        PipelineError: any; see `quantize_loaded`.
    """
    reporter.headline("quantize")
    loaded, samples = load_classifier(path, data, settings.seed, reporter)
    if settings.method != "qat":
        return quantize_loaded(loaded, samples, settings, reporter)
    from pipeline.stages.learning import data_identity

    key = stage_key(
        "quantize",
        inputs={"model": hash_file(path), "data": data_identity(data)},
        config={"settings": dataclasses.asdict(settings)},
        seed=settings.seed,
    )
    folder = cached_folder(cache_path() / "quantize", key.digest, _KEPT_TRAININGS)
    with folder.open(wait=True):
        states = folder.state_path("quantize", key)
        quantized = quantize_loaded(loaded, samples, settings, reporter, states=states)
    folder.remove()
    return quantized


def quantize_by_default(path: Path, data: str, reporter: Reporter) -> bytes:
    """The .tflite that `espalier quantize` writes without options, of classifiers or others.

    Args:
        path: `.keras` or `.h5`.
        data: samples, as of [data] source.
        reporter: told of everything.
    Raises:
        PipelineError: any; see `load_subject` and `calibrate_by_default`.
    """
    loaded, samples = load_subject(path, data, QuantizeSettings().seed, reporter)
    return calibrate_by_default(loaded, samples, reporter)


def calibrate_by_default(
    loaded: LoadedModel, samples: tuple[Dataset, Split], reporter: Reporter
) -> bytes:
    """The int8 .tflite of a model under the default settings.

    Args:
        loaded: the model.
        samples: labelled ones with their sides: training samples calibrate.
        reporter: told of everything.
    Raises:
        ConfigError: samples that do not fit the model, or too few.
        UnsupportedModelError: a model that cannot become int8.
    """
    settings = QuantizeSettings()
    chosen = calibration_samples(samples, settings.samples, settings.seed, reporter)
    post = post_training(loaded, samples[0].x[chosen], settings, reporter)
    tflite = post.quantize(settings.ptq)
    reporter.log(f"quantize: {len(tflite):,} bytes of .tflite")
    return tflite


def quantize_loaded(
    loaded: LoadedModel,
    samples: tuple[Dataset, Split],
    settings: QuantizeSettings,
    reporter: Reporter,
    *,
    states: Path | None = None,
) -> Quantized:
    """Quantize a model, and compare it with its float form on the test samples.

    Args:
        loaded: the model.
        samples: labelled ones with their sides: training samples calibrate or train.
        settings: how.
        reporter: told of everything.
        states: folder for the state of a training; None to keep none.
    Raises:
        ConfigError: samples that do not fit the model.
        UnsupportedModelError: a model that cannot become int8.
    """
    from pipeline.quantize.convert import representative_indices
    from pipeline.quantize.evaluate import quantize_samples
    from pipeline.stages.training_quantized import train_or_calibrate

    dataset, split = samples
    chosen = calibration_samples(samples, settings.samples, settings.seed, reporter)
    how: dict[str, Any] | None = None
    layers: dict[str, Any] = {"layers": None, "advice": None}
    if settings.method == "qat":
        tflite, how = train_or_calibrate(loaded, samples, chosen, settings, reporter, states)
    else:
        post = post_training(loaded, dataset.x[chosen], settings, reporter)
        tflite = post.quantize(settings.ptq)
        reporter.log(f"quantize: {len(tflite):,} bytes of .tflite")
        if settings.layers:
            shown = split.val[representative_indices(dataset.y[split.val], _LAYER_SAMPLES)]
            layers = _layers(post, tflite, settings, (loaded, dataset.x[shown]), reporter)
    low_bit: dict[str, Any] | None = None
    if settings.flash_bytes is not None:
        inputs = quantize_samples(tflite, dataset.x[chosen], loaded.scaling)
        tflite, low_bit = _lower_bits(tflite, inputs, settings, reporter)
    comparison = compare_side(loaded, tflite, samples, split.test, reporter)
    ids = np.array([dataset.ids[index] for index in split.test])
    return Quantized(
        tflite=tflite,
        facts={
            **_facts(tflite, dataset, len(chosen), comparison),
            "method": settings.method,
            "settings": dataclasses.asdict(settings),
            "qat": how,
            "low_bit": low_bit,
            **layers,
        },
        golden={
            "x": quantize_samples(tflite, dataset.x[split.test], loaded.scaling),
            "y": dataset.y[split.test],
            "names": ids,
        },
    )


def compare_side(
    loaded: LoadedModel,
    tflite: bytes,
    samples: tuple[Dataset, Split],
    side: Array,
    reporter: Reporter,
    float_scores: npt.NDArray[np.float32] | None = None,
) -> Comparison:
    """Float against int8 on one side of the samples; scores of the float model where known."""
    from pipeline.quantize.evaluate import compare

    dataset, _ = samples
    with reporter.steps("float against int8") as step:
        return compare(
            loaded.model,
            tflite,
            dataset.x[side],
            dataset.y[side],
            ids=[dataset.ids[index] for index in side],
            class_names=dataset.class_names,
            scaling=loaded.scaling,
            float_scores=float_scores,
            on_progress=step,
        )


def tell_quantized(facts: dict[str, Any], log: Callable[[str], None]) -> None:
    """What int8 costs, in a few lines."""
    accuracy = facts["accuracy"]
    log(
        f"balanced accuracy {accuracy['float']['balanced']:.2%} float, "
        f"{accuracy['int8']['balanced']:.2%} int8; {facts['flipped']} of "
        f"{accuracy['int8']['samples']} test samples change their class"
    )
    for row in facts["worst"][:3]:
        log(
            f"most moved: {row['sample']} ({row['true']}): {row['float_class']} -> "
            f"{row['int8_class']}, by {row['moved']:.2f}"
        )
    if facts["advice"]:
        log(facts["advice"])


def post_training(
    loaded: LoadedModel, x: Array, settings: QuantizeSettings, reporter: Reporter
) -> PostTraining:
    """A model with its calibration samples, as a dataset holds them."""
    from pipeline.quantize.ptq import PostTraining
    from pipeline.samples import to_model_input

    return PostTraining(
        loaded.model,
        to_model_input(x, loaded.scaling),
        scaling=loaded.scaling,
        edges=settings.edges,
        log=reporter.log,
        steps=reporter.steps,
    )


def _layers(
    post: PostTraining,
    tflite: bytes,
    settings: QuantizeSettings,
    subject: tuple[LoadedModel, Array],
    reporter: Reporter,
) -> dict[str, Any]:
    """Every layer, float against int8, and which one hurts."""
    from pipeline.quantize.advice import advise
    from pipeline.quantize.evaluate import quantize_samples
    from pipeline.quantize.layers import measure_layers
    from pipeline.samples import to_model_input

    loaded, x = subject
    with reporter.steps("layer by layer") as step:
        layers = measure_layers(
            post.calibrated(settings.ptq),
            tflite,
            to_model_input(x, loaded.scaling),
            quantize_samples(tflite, x, loaded.scaling),
            step,
        )
    return {
        "layers": [dataclasses.asdict(layer) for layer in layers],
        "advice": advise(layers, settings.ptq),
    }


def _lower_bits(
    tflite: bytes, inputs: Array, settings: QuantizeSettings, reporter: Reporter
) -> tuple[bytes, dict[str, Any]]:
    """Filters as int4 until the image is small enough; the file, and what became of layers."""
    from pipeline.stages.lowering import low_bit_facts, lower_model, spread

    result = lower_model(
        tflite,
        spread((inputs,)),
        board=load_board(settings.board),
        flash_bytes=settings.flash_bytes,
        reporter=reporter,
        toolchain=settings.toolchain,
    )
    facts = {"board": settings.board, "flash_budget_bytes": settings.flash_bytes}
    return result.tflite, facts | low_bit_facts(result)


def _facts(
    tflite: bytes, dataset: Dataset, calibration_samples: int, comparison: Comparison
) -> dict[str, Any]:
    return {
        "tflite_bytes": len(tflite),
        "classes": list(dataset.class_names),
        "calibration_samples": calibration_samples,
        "accuracy": {
            "float": dataclasses.asdict(comparison.float_accuracy),
            "int8": dataclasses.asdict(comparison.int8_accuracy),
        },
        "balanced_drop": comparison.balanced_drop,
        "flipped": comparison.flipped,
        "mean_moved": comparison.mean_moved,
        "sqnr_db": comparison.sqnr_db,
        "worst": [dataclasses.asdict(row) for row in comparison.worst],
    }
