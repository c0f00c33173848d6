"""Training with int8 in it: what it gives, that it resumes, and what it refuses."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.prune.prune import prune_once
from pipeline.quantize.check import list_operators
from pipeline.quantize.evaluate import (
    predict_float,
    predict_quantized,
    predicted_classes,
    quantize_samples,
)
from pipeline.quantize.qat import QatOptions, QatResult, train_quantized
from pipeline.quantize.settings import EdgeTypes
from pipeline.reference import ReferenceModel
from pipeline.samples import balanced_accuracy
from pipeline.training.report import EpochReport
from tests.compiled import HostCompiler
from tests.exact import assert_exact
from tests.quantize.qat.models import BODIES, SHAPE, coloured, small_classifier, with_head

pytestmark = pytest.mark.needs("tf_keras", "tensorflow_model_optimization")

OPTIONS = QatOptions(
    epochs=3, batch_size=32, learning_rate=0.02, distillation=0.0, calibration_samples=30, seed=1
)
TRAIN, VALIDATION, TEST = coloured(192, 0), coloured(48, 1), coloured(96, 2)


def accuracy(tflite: bytes) -> float:
    x, y = TEST
    (scores,) = ReferenceModel(tflite).run((quantize_samples(tflite, x),))
    return float((scores.argmax(axis=1) == y).mean())


def train(model: keras.Model, options: QatOptions = OPTIONS, **settings: Any) -> QatResult:
    return train_quantized(model, TRAIN, VALIDATION, options, **settings)


@pytest.fixture(scope="module")
def untrained() -> keras.Model:
    return small_classifier()


def test_it_learns_in_int8_and_leaves_the_model_alone(untrained: keras.Model) -> None:
    before = untrained.get_weights()
    lines: list[str] = []
    reports: list[EpochReport] = []
    steps: list[tuple[int, int]] = []
    result = train(
        untrained,
        dataclasses.replace(OPTIONS, epochs=6),
        log=lines.append,
        on_epoch=reports.append,
        on_progress=lambda done, total: steps.append((done, total)),
    )
    assert accuracy(result.tflite) > 0.8
    assert result.history == tuple(reports)
    assert result.history[result.best_epoch - 1].best
    assert steps[0] == (1, 36)
    assert steps[-1] == (36, 36)
    assert lines[0].startswith("qat: rebuilt in tf_keras, equal within")
    for old, new in zip(before, untrained.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


# Four trainings, each with its own conversion.
@pytest.mark.slow
def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    untrained: keras.Model, tmp_path: Path
) -> None:
    whole = train(untrained)
    state = tmp_path / "state.npz"

    def interrupt(report: EpochReport) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(untrained, state_path=state, on_epoch=interrupt)
    lines: list[str] = []
    resumed = train(untrained, state_path=state, log=lines.append)
    assert resumed.resumed_from == 2
    assert "qat: resuming after epoch 2" in lines
    assert resumed.history == whole.history
    assert resumed.tflite == whole.tflite
    other = dataclasses.replace(OPTIONS, epochs=1, seed=2)
    assert train(untrained, other, state_path=state, log=lines.append).resumed_from == 0
    assert any("starting afresh" in line for line in lines)


def test_what_training_does_not_improve_is_left_as_calibrated(untrained: keras.Model) -> None:
    # Of the highest rate possible: it destroys what is there.
    ruined = dataclasses.replace(OPTIONS, epochs=1, learning_rate=1.0, weight_decay=1.0, seed=3)
    result = train(untrained, ruined)
    assert result.best_epoch == int(result.history[0].best)


@pytest.mark.parametrize("edges", [EdgeTypes(input="uint8"), EdgeTypes(output="uint8")])
def test_edges_may_be_uint8(untrained: keras.Model, edges: EdgeTypes) -> None:
    result = train(untrained, dataclasses.replace(OPTIONS, epochs=1), edges=edges)
    operators = list_operators(result.tflite)
    assert [op.kind for op in operators].count("QUANTIZE") == 1
    at_edge = operators[0] if edges.input == "uint8" else operators[-1]
    assert at_edge.types == ("INT8", "UINT8")


def test_logits_are_trained_too() -> None:
    logits = keras.Sequential(
        [keras.Input(SHAPE), layers.Conv2D(6, 3), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    )
    result = train(logits, dataclasses.replace(OPTIONS, epochs=1))
    assert list_operators(result.tflite)[-1].kind == "FULLY_CONNECTED"


def test_a_single_sigmoid_decides_between_two_classes() -> None:
    x, y = coloured(120)
    binary = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(6, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    y = (y == 2).astype(np.int64)
    fast = dataclasses.replace(OPTIONS, learning_rate=0.02, epochs=8, distillation=0.0)
    result = train_quantized(binary, (x, y), (x, y), fast)
    scores = predict_quantized(result.tflite, x)
    assert balanced_accuracy(predicted_classes(scores), y) > 0.8


def test_a_pruned_model_runs_bit_exactly(compiler: HostCompiler) -> None:
    pruned = prune_once(small_classifier(), criterion="l1", ratio=0.4).model
    result = train(pruned, dataclasses.replace(OPTIONS, epochs=1))
    assert_exact(result.tflite, compiler)
    assert ReferenceModel(result.tflite).input_quantization == (1 / 128, 0)


def test_float_samples_beyond_the_pixels_calibrate_the_input() -> None:
    x, y = TRAIN
    wide = (x.astype(np.float32) - 100) / 20
    model = with_head(BODIES["conv"])
    result = train_quantized(
        model,
        (wide, y),
        (wide[:40], y[:40]),
        dataclasses.replace(OPTIONS, epochs=1, learning_rate=1e-4),
    )
    scale, _ = ReferenceModel(result.tflite).input_quantization
    assert scale == pytest.approx((wide.max() - wide.min()) / 255, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": -1}, "qat epochs: expected at least 0"),
        ({"batch_size": 1}, "qat batch_size: expected at least 2"),
        ({"learning_rate": 2.0}, "qat learning_rate: expected 0 to 1"),
        ({"calibration_samples": 0}, "qat calibration_samples: expected at least 1"),
    ],
)
def test_options_out_of_range(
    untrained: keras.Model, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(untrained, dataclasses.replace(OPTIONS, **options))


def test_samples_that_do_not_fit(untrained: keras.Model) -> None:
    x, y = TRAIN
    with pytest.raises(ConfigError, match=r"validation samples: expected shape \[8, 8, 3\]"):
        train_quantized(untrained, TRAIN, (x[:, :4], y), OPTIONS)
    with pytest.raises(ConfigError, match="training labels: expected 0 to 2"):
        train_quantized(untrained, (x, y + 1), VALIDATION, OPTIONS)
    nothing = np.full((4, *SHAPE), np.nan, np.float32)
    with pytest.raises(ConfigError, match="expected finite values"):
        train_quantized(untrained, (nothing, y[:4]), (nothing, y[:4]), OPTIONS)


def test_what_is_no_classifier_is_refused() -> None:
    inputs = keras.Input(SHAPE, name="picture")
    model = keras.Model(inputs, layers.Conv2D(3, 3, name="conv")(inputs), name="map")
    with pytest.raises(UnsupportedModelError, match="expected a classifier"):
        train(model)


def test_what_is_beyond_int8_is_refused_before_training() -> None:
    model = with_head(lambda x: layers.Conv2D(4, 3, activation="elu", name="conv")(x))
    steps: list[int] = []
    with pytest.raises(UnsupportedModelError, match="conv/activation"):
        train(model, on_progress=lambda done, total: steps.append(done))
    assert not steps


def test_nothing_of_the_libraries_reaches_the_user(
    untrained: keras.Model,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        train(untrained, dataclasses.replace(OPTIONS, epochs=1))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    # Keras 3 is still Keras.
    assert predict_float(untrained, TEST[0][:2]).shape == (2, 3)
    assert keras.__version__.startswith("3.")
