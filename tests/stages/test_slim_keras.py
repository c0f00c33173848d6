"""Slimming of models that TensorFlow's converter has just written, with an open batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.plan.slim.slim import SlimOptions
from pipeline.plan.slim.source import kind_of
from pipeline.stages import slim_file
from tests.plan.test_pack import unpacked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("tensorflow"),
    # The converter's own.
    pytest.mark.filterwarnings("ignore"),
]

SHAPE = (12, 12, 3)


def mobilenet(keras: Any) -> Any:
    layers = keras.layers
    x = y = keras.Input(SHAPE)
    y = layers.ZeroPadding2D(((0, 1), (0, 1)))(y)
    y = layers.Conv2D(4, 3, strides=2)(y)
    y = layers.Dense(3, activation="softmax")(layers.Flatten()(y))
    return keras.Model(x, y)


def upsampling(keras: Any) -> Any:
    layers = keras.layers
    x = keras.Input(SHAPE)
    small = layers.UpSampling2D()(layers.Conv2D(5, 3, strides=4, padding="same")(x))
    strided = layers.DepthwiseConv2D(3, strides=2)(layers.ZeroPadding2D(((0, 1), (0, 1)))(x))
    return keras.Model(x, layers.GlobalAveragePooling2D()(layers.Concatenate()([strided, small])))


def reshaping(keras: Any) -> Any:
    layers = keras.layers
    x = keras.Input(SHAPE)
    y = layers.Conv2D(16, 3, strides=4)(layers.ZeroPadding2D(2)(x))
    return keras.Model(x, layers.Reshape((8, 8, 4))(y))


def gates(keras: Any) -> Any:
    """Squeeze and excitation; a dense layer on four axes works its shapes out while it runs."""
    layers = keras.layers
    x = keras.Input(SHAPE)
    y = layers.Dense(2, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return keras.Model(x, layers.Multiply()([x, layers.Dense(3, activation="sigmoid")(y)]))


def recurrent(keras: Any) -> Any:
    """A layer whose first state is as large as the batch."""
    layers = keras.layers
    x = keras.Input(SHAPE)
    return keras.Model(x, layers.GRU(4, unroll=True)(layers.Reshape((12, 36))(x)))


@pytest.mark.parametrize(
    ("build", "gone"),
    [
        (mobilenet, ("PAD", "SHAPE", "PACK")),
        (upsampling, ("SHAPE",)),
        (reshaping, ("SHAPE",)),
        (gates, ("SHAPE", "GATHER", "REDUCE_PROD")),
        (recurrent, ("SHAPE", "FILL")),
    ],
    ids=["mobilenet", "upsampling", "reshaping", "gates", "recurrent"],
)
def test_converted_models(build: Any, gone: tuple[str, ...], tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)

    def samples() -> Iterator[list[Any]]:
        rng = np.random.default_rng(0)
        for _ in range(8):
            yield [rng.normal(size=(1, *SHAPE)).astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(build(keras))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    model, small = tmp_path / "model.tflite", tmp_path / "small.tflite"
    model.write_bytes(converter.convert())
    report = slim_file(model, small, SlimOptions())
    assert report["proof"]["reference"]["equal"]
    assert report["tflite_bytes"] < report["tflite_bytes_before"] / 2
    after = unpacked(small.read_bytes())
    left = {kind_of(after, operator) for operator in after.subgraphs[0].operators}
    assert not left.intersection(gone)
    # Whatever is left, engines for microcontrollers run it.
    assert report["macs"] is not None
