"""Stand-ins for what a model costs."""

from __future__ import annotations

import keras
from keras import layers

from pipeline.stages.costs import convert_stand_in


def narrow(width: int) -> keras.Model:
    """A MobileNet whose layers have next to no channels, as the narrowest of a pruning has."""
    x = inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(width, 3, strides=4, padding="same")(x)
    for _ in range(8):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU(6)(layers.BatchNormalization()(x))
        x = layers.Conv2D(width, 1, use_bias=False)(x)
        x = layers.ReLU(6)(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2, activation="softmax")(x))


def test_activations_stay_alive_through_one_channel() -> None:
    assert convert_stand_in(narrow(1))
