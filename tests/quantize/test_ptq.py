"""Quantization after training: the converter's own result, and every choice beyond it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from pipeline.quantize import check_full_int8
from pipeline.quantize.convert import pinned_calibration
from pipeline.quantize.correct_bias import correct_bias
from pipeline.quantize.equalize import equalize, find_pairs
from pipeline.quantize.evaluate import quantize_samples
from pipeline.quantize.ptq import PostTraining
from pipeline.quantize.settings import EdgeTypes, PtqSettings
from pipeline.quantize.statistics import count_values, measure_extents
from pipeline.quantize.tflite_file import TfliteFile
from pipeline.quiet import captured_native_output
from pipeline.reference import ReferenceModel, TensorProbe
from pipeline.samples import DEFAULT_SCALING
from pipeline.stages.variants import all_variants
from tests.quantize.networks import pictures, separable_model

# What the converter does by itself.
PLAIN = PtqSettings(calibration="min-max", correct_bias=False)


def by_the_converter(model: Any, samples: np.ndarray) -> bytes:
    """The ordinary way through TFLite's converter, in one call."""
    inputs = keras.Input(batch_shape=(1, *samples.shape[1:]), name="input")
    fixed = keras.Model(inputs, model(inputs, training=False), name=model.name)
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with captured_native_output():
        return bytes(converter.convert())


def described(tflite: bytes) -> list[object]:
    """Every operator with its tensors' types, shapes, scales, zero points and constants."""
    file = TfliteFile(tflite)
    return [
        (
            operator.kind,
            [
                (
                    file.name(index),
                    file.type_name(index),
                    file.shape(index),
                    tuple(file.scales(index)),
                    None if (values := file.constant(index)) is None else values.tobytes(),
                )
                for index in (*operator.inputs, *operator.outputs)
            ],
        )
        for operator in file.operators
    ]


def test_min_max_is_what_the_converter_makes() -> None:
    model, x = separable_model(), pictures()
    expected = by_the_converter(model, pinned_calibration(x, (8, 8, 3), DEFAULT_SCALING))
    received = PostTraining(model, x).quantize(PLAIN)
    assert described(received) == described(expected)
    assert len(received) == len(expected)


def test_every_variant_is_full_int8_and_keeps_the_input() -> None:
    model, x = separable_model(), pictures()
    post = PostTraining(model, x)
    files = set()
    for settings in all_variants():
        tflite = post.quantize(settings)
        check_full_int8(tflite)
        reference = ReferenceModel(tflite)
        assert reference.input_quantization == (1 / 128, 0)
        assert reference.output_quantization == (1 / 256, -128)
        files.add(tflite)
    # Of so few values none is one in 10,000: percentile is min-max.
    assert len(files) == 12


def test_calibrating_twice_gives_the_same_bytes() -> None:
    settings = PtqSettings(calibration="entropy", equalize=True, correct_bias=True)
    first, second = (
        PostTraining(separable_model(), pictures()).quantize(settings) for _ in range(2)
    )
    assert first == second


def test_uint8_edges_hold_the_same_values_plus_128() -> None:
    model, x = separable_model(), pictures()
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    inner = PostTraining(model, x).quantize(PLAIN)
    edged = PostTraining(model, x, edges=EdgeTypes(input="uint8", output="uint8")).quantize(PLAIN)
    given = quantize_samples(edged, pixels)
    assert given.dtype == np.uint8
    assert (given == pixels).all()
    received = ReferenceModel(edged).run((given,))[0]
    expected = ReferenceModel(inner).run((quantize_samples(inner, pixels),))[0]
    assert received.dtype == np.uint8
    assert (received.astype(int) - 128 == expected).all()


@pytest.mark.parametrize("calibration", ["percentile", "mse", "entropy"])
def test_tensors_that_must_share_a_scale_do(calibration: str) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    b = layers.Conv2D(4, 1, activation="relu")(inputs)
    x = layers.Concatenate()([layers.MaxPooling2D(2)(a), layers.AveragePooling2D(2)(b)])
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    tflite = PostTraining(model, pictures()).quantize(PtqSettings(calibration=calibration))
    file = TfliteFile(tflite)
    checked = 0
    for operator in file.operators:
        if operator.kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D", "CONCATENATION", "RESHAPE"):
            tensors = [i for i in (*operator.inputs, *operator.outputs) if len(file.scales(i))]
            assert len({(file.scales(i)[0], file.zero_point(i)) for i in tensors}) == 1
            checked += 1
    assert checked >= 3
    ReferenceModel(tflite).run((np.zeros((1, 8, 8, 3), np.int8),))


@pytest.mark.parametrize("clips", [False, True])
def test_equalizing_levels_channels_and_leaves_outputs(clips: bool) -> None:
    x = pictures()
    content = PostTraining(separable_model(clips=clips), x).calibrated(PLAIN)
    extents = measure_extents(content, x)
    file = TfliteFile(content)
    pairs = find_pairs(file)
    kinds = [(file.operators[p.first].kind, file.operators[p.second].kind) for p in pairs]
    assert kinds == [
        ("CONV_2D", "DEPTHWISE_CONV_2D"),
        ("DEPTHWISE_CONV_2D", "CONV_2D"),
        ("CONV_2D", "FULLY_CONNECTED"),
    ]
    changed, count = equalize(content, extents)
    assert count == 3

    before, after = TensorProbe(content), TensorProbe(changed)
    for sample in x:
        before.run(sample)
        after.run(sample)
        output = file.outputs[0]
        np.testing.assert_allclose(after.read(output), before.read(output), atol=1e-5)

    stem = pairs[0].tensor
    old, new = extents[stem].high, measure_extents(changed, x)[stem].high
    assert new.max() == pytest.approx(old.max(), rel=1e-4)
    assert old.max() / old.min() > 20
    if clips:
        assert old.max() == 6.0
        assert new[old == 6.0] == pytest.approx(6.0)
        assert new.max() <= 6.0
    assert new.max() / new.min() < 1.01 * max(1.0, old.max() / old.min() / 32)


def test_what_two_layers_read_is_not_equalized() -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    a = layers.Conv2D(4, 3, padding="same", activation="relu", name="a")(inputs)
    b = layers.Conv2D(4, 1, name="b")(a)
    model = keras.Model(inputs, layers.Conv2D(2, 1, name="c")(layers.Add()([a, b])))
    content = PostTraining(model, pictures()).calibrated(PLAIN)
    assert find_pairs(TfliteFile(content)) == ()


def test_corrected_biases_take_the_mean_error_away() -> None:
    model, x = separable_model(), pictures(48)
    scores = model.get_layer("scores")
    scores.set_weights([scores.get_weights()[0], np.array([0.2, -0.1, 0.3], np.float32)])
    post = PostTraining(model, x)
    file = TfliteFile(post.quantize(PLAIN))
    # Before the softmax: no activation hides the mean.
    dense = next(op for op in file.operators if op.kind == "FULLY_CONNECTED")
    logits, bias = dense.outputs[0], dense.inputs[2]
    step = file.scales(logits)[0]
    values = file.constant(bias)
    assert values is not None
    file.set_constant(bias, values + np.int32(5 * step / file.scales(bias)[0]))
    shifted = file.pack()
    float_content, inputs = post.calibrated(PLAIN), quantize_samples(shifted, x)
    corrected = correct_bias(float_content, shifted, x, inputs)
    float_file = TfliteFile(float_content)
    real = next(op.outputs[0] for op in float_file.operators if op.kind == "FULLY_CONNECTED")

    def mean_error(tflite: bytes) -> float:
        probe, float_probe = TensorProbe(tflite, exact=True), TensorProbe(float_content)
        total = np.zeros(3)
        for sample, raw in zip(x, inputs, strict=True):
            probe.run(raw)
            float_probe.run(sample)
            total += (probe.read(logits)[0].astype(float) - file.zero_point(logits)) * step
            total -= float_probe.read(real)[0]
        return float(np.abs(total / len(x)).max())

    assert mean_error(shifted) > 4 * step
    assert mean_error(corrected) < step


def test_histograms_count_every_value_once() -> None:
    x = pictures(3)
    content = PostTraining(separable_model(), x).calibrated(PLAIN)
    file = TfliteFile(content)
    for index, histogram in count_values(content, x).items():
        assert histogram.counts.sum() + histogram.zeros == 3 * np.prod(file.shape(index))
