"""Models for the quantization tests that need no training."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.model import build_model


def spread_model(name: str, shape: tuple[int, ...], classes: int) -> Any:
    """A built model whose batch normalizations make its activations differ.

    Random weights alone shrink the signal from layer to layer until nothing is left.
    """
    model = build_model(name, shape, classes)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            size = layer.gamma.shape
            layer.set_weights(
                [
                    rng.uniform(0.7, 1.5, size),
                    rng.normal(0, 0.3, size),
                    rng.normal(0, 0.1, size),
                    rng.uniform(0.05, 0.6, size),
                ]
            )
    return model


def separable_model(*, clips: bool = False) -> Any:
    """Convolution, depthwise and pointwise convolution with channels of very different reach.

    Args:
        clips: whether RELU6 clips some of the channels.
    """
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", name="stem")(inputs)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(6.0 if clips else None, name="stem_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="deep")(x)
    x = layers.ReLU(6.0, name="deep_relu")(x)
    x = layers.Conv2D(6, 1, name="point")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Flatten(name="flat")(x)
    outputs = layers.Dense(3, activation="softmax", name="scores")(x)
    model = keras.Model(inputs, outputs, name="separable")
    gamma, beta, mean, variance = model.get_layer("stem_bn").get_weights()
    gamma = np.geomspace(0.05, 12.0 if clips else 3.0, len(gamma))
    model.get_layer("stem_bn").set_weights([gamma, beta + 0.1, mean, variance])
    return model


def pictures(count: int = 24, shape: tuple[int, ...] = (8, 8, 3)) -> Any:
    """What the models above take: float32 within [-1, 127/128]."""
    rng = np.random.default_rng(1)
    return rng.uniform(-0.9, 0.9, (count, *shape)).astype(np.float32)
