"""The report on layers: pairs, figures and the sentence that says what to try."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pipeline.quantize.advice import advise, worst_layer
from pipeline.quantize.convert import quantize_calibrated
from pipeline.quantize.evaluate import quantize_samples
from pipeline.quantize.layers import LayerError, measure_layers
from pipeline.quantize.ptq import PostTraining
from pipeline.quantize.settings import EdgeTypes, PtqSettings
from pipeline.quantize.tflite_file import TfliteFile
from tests.quantize.networks import pictures, separable_model, spread_model

# What the converter does by itself.
PLAIN = PtqSettings(calibration="min-max", correct_bias=False)
EDGES = [EdgeTypes(), EdgeTypes(input="uint8", output="uint8")]


@pytest.mark.parametrize("edges", EDGES, ids=["int8", "uint8"])
def test_every_layer_is_paired_whatever_the_edges(edges: EdgeTypes) -> None:
    x = pictures(6, (32, 32, 3))
    post = PostTraining(spread_model("resnet8", (32, 32, 3), 10), x, edges=edges)
    tflite = post.quantize(PLAIN)
    layers = measure_layers(post.calibrated(PLAIN), tflite, x, quantize_samples(tflite, x))
    kinds = [op.kind for op in TfliteFile(tflite).operators if op.kind != "QUANTIZE"]
    assert [layer.kind for layer in layers] == kinds
    for layer in layers:
        assert layer.isolated_sqnr_db is not None
        assert layer.isolated_sqnr_db > 20
        assert layer.sqnr_db <= layer.isolated_sqnr_db + 3
        assert 0.9 < layer.cosine <= 1
        assert 0 < layer.range_used <= 1
        assert 1 <= len(layer.worst_channels) <= 3


def test_a_layer_with_too_small_a_range_is_named_with_its_way_out() -> None:
    x = pictures(12)
    post = PostTraining(separable_model(), x)
    file = TfliteFile(post.calibrated(PLAIN))
    point = next(i for i in range(len(file.operators)) if "point" in file.layer(i))
    tensor = file.operators[point].outputs[0]
    low, high = file.recorded_range(tensor) or (0.0, 0.0)
    file.record_range(tensor, low / 5, high / 5)
    content = file.pack()
    tflite = quantize_calibrated(content, pinned=True)
    layers = measure_layers(content, tflite, x, quantize_samples(tflite, x))
    worst = min(layers, key=lambda layer: layer.isolated_sqnr_db or 0)
    assert "point" in worst.layer
    assert worst.saturated > 0.05
    sentence = advise(layers, PtqSettings(calibration="percentile"))
    assert "point" in sentence
    assert "beyond its range: use --calibration min-max" in sentence


def layer(**changed: object) -> LayerError:
    usual = LayerError(
        layer="block/conv",
        kind="CONV_2D",
        sqnr_db=20.0,
        isolated_sqnr_db=21.0,
        isolated_channel_db=18.0,
        cosine=0.99,
        saturated=0.0,
        range_used=1.0,
        shift=0.0,
        crest=5.0,
        imbalance=2.0,
        worst_channels=((0, 10.0),),
    )
    return dataclasses.replace(usual, **changed)  # type: ignore[arg-type]


ADVICE = {
    "saturated": ({"saturated": 0.02}, {}, "more samples"),
    "shifted": ({"shift": 0.5}, {"correct_bias": False}, "--correct-bias"),
    "outliers": ({"crest": 80.0}, {"calibration": "min-max"}, "--calibration percentile"),
    "uneven": ({"imbalance": 20.0}, {}, "--equalize"),
    "uneven, on already": ({"imbalance": 20.0}, {"equalize": True}, "--method qat"),
    "nothing to see": ({}, {}, "--ignore"),
    "fine": (
        {"isolated_sqnr_db": 50.0, "isolated_channel_db": 40.0},
        {},
        "No layer stands out",
    ),
    "drowned": (
        {"isolated_sqnr_db": 50.0, "isolated_channel_db": 1.0, "imbalance": 900.0},
        {},
        "Its median channel keeps 1.0 dB by its own error. Its largest channel reaches 900 times",
    ),
    "a softmax": ({"kind": "SOFTMAX"}, {}, "No layer stands out"),
}


@pytest.mark.parametrize(("changed", "settings", "words"), ADVICE.values(), ids=ADVICE.keys())
def test_the_advice_fits_the_cause(
    changed: dict[str, object], settings: dict[str, object], words: str
) -> None:
    assert words in advise([layer(**changed)], PtqSettings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["stem", "point"])
def test_a_layer_of_one_channel_that_reaches_far_is_named_first(name: str) -> None:
    x = pictures(12)
    model = separable_model()
    planted = model.get_layer(name)
    kernel, bias = planted.get_weights()
    kernel[..., 3] *= 1000
    planted.set_weights([kernel, bias])
    post = PostTraining(model, x)
    settings = PtqSettings()
    tflite = post.quantize(settings)
    layers = measure_layers(post.calibrated(settings), tflite, x, quantize_samples(tflite, x))
    worst = worst_layer(layers)
    assert worst is not None
    assert name in worst.layer
    assert "--equalize" in advise(layers, settings)


def test_dead_channels_are_no_worst_channels() -> None:
    x = pictures(4)
    model = separable_model()
    kernel, bias = model.get_layer("point").get_weights()
    kernel[..., 0], bias[0] = 0, 0
    model.get_layer("point").set_weights([kernel, bias])
    post = PostTraining(model, x)
    tflite = post.quantize(PLAIN)
    layers = measure_layers(post.calibrated(PLAIN), tflite, x, quantize_samples(tflite, x))
    pool = next(entry for entry in layers if entry.kind == "MAX_POOL_2D")
    assert 0 not in dict(pool.worst_channels)
    assert np.isfinite([entry.imbalance for entry in layers]).all()
