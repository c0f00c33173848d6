"""Models for quantization-aware training: every kind of layer, and one that can be learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from tests.prune.models import randomise

SHAPE = (8, 8, 3)


def _body(*made: Any) -> Callable[[Any], Any]:
    """Layers one after the other."""

    def body(x: Any) -> Any:
        for layer in made:
            x = layer(x)
        return x

    return body


def _two(merge: Any) -> Callable[[Any], Any]:
    def body(x: Any) -> Any:
        return merge([layers.Conv2D(6, 3, name="left")(x), layers.Conv2D(6, 3, name="right")(x)])

    return body


def _inverted_residual(x: Any) -> Any:
    x = layers.Conv2D(6, 1, name="stem")(x)
    y = layers.Conv2D(12, 1, use_bias=False, name="expand")(x)
    y = layers.BatchNormalization(name="expand_bn")(y)
    y = layers.ReLU(6.0, name="expand_relu")(y)
    y = layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad")(y)
    y = layers.DepthwiseConv2D(3, strides=2, use_bias=False, name="dw")(y)
    y = layers.BatchNormalization(name="dw_bn")(y)
    y = layers.ReLU(6.0, name="dw_relu")(y)
    y = layers.Conv2D(6, 1, use_bias=False, name="project")(y)
    y = layers.BatchNormalization(name="project_bn")(y)
    return layers.Add(name="add")([layers.MaxPooling2D(2, name="pool")(x), y])


def _shared(x: Any) -> Any:
    conv = layers.Conv2D(3, 3, padding="same", name="conv")
    norm = layers.BatchNormalization(name="norm")
    return norm(conv(norm(conv(x))))


def _nested(x: Any) -> Any:
    inputs = keras.Input((None, None, 3), name="inner_in")
    y = layers.Conv2D(5, 3, padding="same", name="conv")(inputs)
    y = layers.BatchNormalization(name="bn")(y)
    inner = keras.Model(inputs, layers.ReLU(name="relu")(y), name="inner")
    tail = keras.Sequential([layers.Conv2D(4, 1, name="conv"), layers.ReLU(6.0)], name="tail")
    return tail(inner(x))


def _gate(x: Any) -> Any:
    x = layers.Conv2D(6, 3, name="main")(x)
    s = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    s = layers.Conv2D(6, 1, activation="sigmoid", name="gate")(s)
    return layers.Multiply(name="scale")([x, s])


def _operations(x: Any) -> Any:
    x = ops.relu(layers.Conv2D(6, 3, name="conv")(x) * 0.5 + 0.25)
    y = ops.mean(x, axis=(1, 2), keepdims=True)
    return ops.maximum(x, ops.sigmoid(y))


# The same operators as after post-training quantization are expected of each.
BODIES: dict[str, Callable[[Any], Any]] = {
    "conv": _body(layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")),
    "conv_bn_relu6": _body(
        layers.Conv2D(6, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU(6.0)
    ),
    "conv_bias_bn": _body(layers.Conv2D(6, 3), layers.BatchNormalization(scale=False)),
    "conv_relu_bn": _body(layers.Conv2D(6, 3, activation="relu"), layers.BatchNormalization()),
    "bn_conv": _body(layers.BatchNormalization(), layers.Conv2D(6, 3)),
    "bn_first": _body(layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(6, 3)),
    "dilated": _body(layers.Conv2D(6, 3, dilation_rate=2)),
    "depthwise": _body(layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu6")),
    "separable": _body(layers.SeparableConv2D(6, 3, depth_multiplier=2)),
    "transposed": _body(layers.Conv2DTranspose(6, 3, strides=2, padding="same")),
    "rows": _body(layers.Reshape((64, 3)), layers.Conv1D(6, 3, activation="relu")),
    "rows_depthwise": _body(layers.Reshape((64, 3)), layers.DepthwiseConv1D(3)),
    "rows_separable": _body(layers.Reshape((64, 3)), layers.SeparableConv1D(5, 3)),
    "dense_bn": _body(
        layers.Flatten(), layers.Dense(6), layers.BatchNormalization(), layers.ReLU()
    ),
    "leaky": _body(layers.Conv2D(6, 3), layers.LeakyReLU(0.1)),
    "prelu": _body(layers.Conv2D(6, 3), layers.PReLU(shared_axes=[1, 2])),
    "hard_swish": _body(layers.Conv2D(6, 3), layers.Activation("hard_silu")),
    "swish": _body(layers.Conv2D(6, 3, activation="silu")),
    "sigmoid": _body(layers.Conv2D(6, 3, activation="sigmoid"), layers.Conv2D(4, 1)),
    "tanh": _body(layers.Conv2D(6, 3, activation="tanh"), layers.Conv2D(4, 1)),
    "rescaling": _body(layers.Rescaling(2.0, 0.5), layers.Conv2D(6, 3)),
    "augmenting": _body(layers.RandomFlip(seed=1), layers.RandomZoom(0.1), layers.Conv2D(6, 3)),
    "resizing": _body(layers.Resizing(6, 6), layers.Conv2D(6, 3)),
    "dropout": _body(
        layers.Conv2D(6, 3), layers.Dropout(0.3), layers.BatchNormalization(), layers.ReLU()
    ),
    "spatial_dropout": _body(layers.Conv2D(6, 3), layers.SpatialDropout2D(0.3)),
    "noise": _body(layers.Conv2D(6, 3), layers.GaussianNoise(0.3)),
    "average_pool": _body(layers.Conv2D(6, 3), layers.AveragePooling2D(2)),
    "max_pool": _body(layers.Conv2D(6, 3), layers.MaxPooling2D(2), layers.ReLU()),
    "global_max": _body(layers.Conv2D(6, 3), layers.GlobalMaxPooling2D()),
    "up": _body(layers.Conv2D(6, 3), layers.UpSampling2D(2), layers.Cropping2D(1)),
    "permute": _body(layers.Conv2D(6, 3), layers.Permute((2, 1, 3))),
    "add": _two(layers.Add()),
    "add_relu": lambda x: layers.ReLU()(_two(layers.Add())(x)),
    "subtract": _two(layers.Subtract()),
    "multiply": _two(layers.Multiply()),
    "maximum": _two(layers.Maximum()),
    "concatenate": _two(layers.Concatenate()),
    "inverted_residual": _inverted_residual,
    "shared": _shared,
    "nested": _nested,
    "gate": _gate,
    "operations": _operations,
}


def with_head(body: Callable[[Any], Any], *, classes: int = 3) -> keras.Model:
    """A softmax classifier around a body, with random weights that hide nothing."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input(SHAPE, name="picture")
    x = body(inputs)
    x = layers.Flatten(name="flat")(x)
    outputs = layers.Dense(classes, activation="softmax", name="head")(x)
    return randomise(keras.Model(inputs, outputs, name="model"))


def pixels(count: int = 24, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Random pictures."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *SHAPE), dtype=np.uint8)


def coloured(count: int, seed: int = 0) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Noisy pictures in which the brightest channel is the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    x = rng.integers(0, 180, (count, *SHAPE))
    x[np.arange(count), :, :, y] += 60
    return x.astype(np.uint8), y


def small_classifier() -> keras.Model:
    """A depthwise network with batch normalization and dropout, untrained."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input(SHAPE, name="picture")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="dw")(x)
    y = layers.BatchNormalization(name="dw_bn")(y)
    y = layers.ReLU(6.0, name="dw_relu")(y)
    y = layers.Conv2D(8, 1, name="project")(y)
    x = layers.Add(name="add")([x, y])
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    x = layers.Dropout(0.2, name="drop")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x), name="small")
