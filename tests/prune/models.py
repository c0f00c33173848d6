"""Small models of every kind, with weights and statistics that hide nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.quiet import import_tensorflow

if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
    import_tensorflow()

import keras
from keras import layers


def randomise(model: keras.Model, seed: int = 0) -> keras.Model:
    """Random biases and batch norms, so that nothing is zero or one by default."""
    rng = np.random.default_rng(seed)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.Model):
            continue
        for weight in layer.weights:
            shape = tuple(weight.shape)
            if weight.name in ("gamma", "moving_variance"):
                weight.assign(rng.uniform(0.5, 1.5, shape))
            elif weight.name in ("bias", "beta", "moving_mean", "alpha"):
                weight.assign(rng.normal(0, 0.3, shape))
    return model


def chain() -> keras.Model:
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", name="a")(inputs)
    x = layers.BatchNormalization(name="a_bn")(x)
    x = layers.Activation("hard_sigmoid", name="a_act")(x)
    x = layers.Conv2D(12, 3, strides=2, dilation_rate=1, activation="softplus", name="b")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    x = layers.Dense(16, activation="sigmoid", name="hidden")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x), name="chain")


def residual() -> keras.Model:
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = layers.BatchNormalization(name="stem_bn")(x)
    for block in range(2):
        y = layers.Conv2D(12, 1, name=f"expand{block}")(x)
        y = layers.BatchNormalization(name=f"expand{block}_bn")(y)
        y = layers.ReLU(6.0, name=f"expand{block}_relu")(y)
        y = layers.DepthwiseConv2D(3, padding="same", name=f"dw{block}")(y)
        y = layers.BatchNormalization(name=f"dw{block}_bn")(y)
        y = layers.Conv2D(8, 1, name=f"project{block}")(y)
        x = layers.Add(name=f"add{block}")([x, y])
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x), name="residual")


def concat() -> keras.Model:
    inputs = keras.Input((8, 8, 3), name="image")
    a = layers.Conv2D(8, 3, padding="same", name="a")(inputs)
    b = layers.Conv2D(5, 3, padding="same", name="b")(inputs)
    x = layers.Concatenate(name="cat")([a, inputs, b, a])
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.Conv2D(6, 3, name="c")(x)
    y = layers.Conv2D(6, 3, name="d")(b)
    x = layers.Concatenate(axis=1, name="cat_rows")([x, y])
    x = layers.Flatten(name="flat")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x), name="concat")


def depthwise_multiplier() -> keras.Model:
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(6, 3, name="a")(inputs)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="dw")(x)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.SeparableConv2D(8, 3, padding="same", depth_multiplier=3, name="sep")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2DTranspose(7, 3, strides=2, activation="elu", name="up")(x)
    x = layers.Flatten(name="flat")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x), name="depthwise_multiplier")


def squeeze_excite() -> keras.Model:
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="silu", name="main")(inputs)
    s = layers.GlobalAveragePooling2D(name="squeeze")(x)
    s = layers.Reshape((1, 1, 8), name="spread")(s)
    s = layers.Conv2D(4, 1, activation="relu", name="reduce")(s)
    s = layers.Conv2D(8, 1, activation="hard_sigmoid", name="gate")(s)
    x = layers.Multiply(name="scale")([x, s])
    spatial = layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="where")(x)
    x = layers.Multiply(name="attend")([x, spatial])
    x = layers.Conv2D(6, 3, name="after")(x)
    x = layers.GlobalMaxPooling2D(name="gmp")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x), name="squeeze_excite")


def shared() -> keras.Model:
    one = keras.Input((8, 8, 3), name="one")
    other = keras.Input((8, 8, 3), name="other")
    conv = layers.Conv2D(8, 3, padding="same", name="conv")
    norm = layers.BatchNormalization(name="norm")
    deep = layers.Conv2D(8, 3, padding="same", name="deep")
    a, b = norm(conv(one)), norm(conv(other))
    # Reads its own output: in and out channels are tied.
    a, b = deep(deep(a)), deep(b)
    x = layers.Subtract(name="difference")([a, b])
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    hidden = layers.Dense(6, activation="relu", name="hidden")(x)
    outputs = {
        "score": layers.Dense(2, name="score")(hidden),
        "map": layers.Conv2D(1, 1, name="map")(a),
    }
    return keras.Model([one, other], outputs, name="shared")


def nested() -> keras.Model:
    inner_in = keras.Input((None, None, 8), name="inner_in")
    y = layers.Conv2D(10, 3, padding="same", name="conv")(inner_in)
    y = layers.BatchNormalization(name="bn")(y)
    z = layers.Conv2D(8, 1, name="back")(y)
    inner = keras.Model(inner_in, [layers.Add(name="add")([inner_in, z]), y], name="inner")
    tail = keras.Sequential(
        [
            keras.Input((10,), name="tail_in"),
            layers.Dense(7, activation="relu", name="fc"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(4, name="fc2"),
        ],
        name="tail",
    )
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", name="conv")(inputs)
    x, _ = inner(x)
    _, y = inner(x)
    y = layers.GlobalAveragePooling2D(name="gap")(y)
    y = tail(y, training=False)
    return keras.Model(inputs, layers.Dense(3, name="head")(y), name="nested")


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6, 6, 2), name="image"),
            layers.Conv2D(4, 3, name="conv"),
            layers.PReLU(shared_axes=[1, 2], name="prelu"),
            layers.ZeroPadding2D(1, name="pad"),
            layers.Flatten(name="flat"),
            layers.Dense(8, name="hidden"),
            layers.PReLU(name="prelu2"),
            layers.Dense(2, name="head"),
        ],
        name="sequential",
    )


def grouped() -> keras.Model:
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(12, 3, name="a")(inputs)
    x = layers.Conv2D(24, 3, groups=3, dilation_rate=2, padding="same", name="g")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(48, 3, groups=24, name="like_depthwise")(x)
    x = layers.GroupNormalization(48, name="instance")(x)
    x = layers.Conv2D(5, 1, name="c")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x), name="grouped")


def shuffle() -> keras.Model:
    """ShuffleNet's channel shuffle: [H, W, G*K] -> [G, K] -> [K, G] -> [G*K]."""
    inputs = keras.Input((4, 4, 3), name="image")
    x = layers.Conv2D(12, 1, name="a")(inputs)
    x = layers.Reshape((4, 4, 3, 4), name="split")(x)
    x = layers.Permute((1, 2, 4, 3), name="swap")(x)
    x = layers.Reshape((4, 4, -1), name="join")(x)
    x = layers.DepthwiseConv2D(3, name="dw")(x)
    x = layers.Conv2D(5, 1, name="c")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x), name="shuffle")


def operations() -> keras.Model:
    """Operations of keras.ops between the layers."""
    from keras import ops

    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", name="a")(inputs)
    x = x * 0.5 + 1.0
    y = ops.relu(layers.Conv2D(8, 1, name="b")(x))
    x = ops.maximum(x, y)
    s = ops.mean(x, axis=(1, 2), keepdims=True)
    x = x * ops.sigmoid(s)
    x = ops.concatenate([x, layers.Conv2D(4, 1, name="c")(y)], axis=-1)
    x = ops.transpose(x, (0, 3, 1, 2))
    x = ops.transpose(x, (0, 2, 3, 1))
    x = ops.reshape(x, (-1, 64, 12))
    x = ops.max(x, axis=1)
    x = ops.squeeze(ops.expand_dims(x, 1), 1)
    return keras.Model(inputs, layers.Dense(3, name="head")(x), name="operations")


def mobilenet_v1(alpha: float) -> keras.Model:
    return keras.applications.MobileNet((32, 32, 3), alpha=alpha, weights=None, classes=2)


def detector() -> keras.Model:
    """A small network of the kind that is deployed: stem, residual block, head."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(inputs)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    y = layers.Conv2D(24, 1, name="expand")(x)
    y = layers.BatchNormalization(name="expand_bn")(y)
    y = layers.ReLU(6.0, name="expand_relu")(y)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(y)
    y = layers.BatchNormalization(name="depthwise_bn")(y)
    y = layers.Conv2D(8, 1, name="project")(y)
    x = layers.Add(name="add")([x, y])
    x = layers.Conv2D(32, 1, activation="relu", name="last")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    outputs = layers.Dense(2, activation="softmax", name="head")(x)
    return randomise(keras.Model(inputs, outputs, name="detector"))


def one_dimension() -> keras.Model:
    inputs = keras.Input((16, 3), name="signal")
    x = layers.Conv1D(6, 3, name="a")(inputs)
    x = layers.DepthwiseConv1D(3, name="dw")(x)
    x = layers.UpSampling1D(2, name="up")(x)
    x = layers.SeparableConv1D(7, 3, name="sep")(x)
    x = layers.Conv1DTranspose(5, 3, name="t")(x)
    x = layers.GlobalAveragePooling1D(name="gap")(x)
    x = layers.RepeatVector(3, name="repeat")(x)
    x = layers.Flatten(name="flat")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x), name="one_dimension")


def three_dimensions() -> keras.Model:
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    volume = keras.Input((4, 4, 4, 2), name="volume")
    x = layers.Conv3D(6, 3, padding="same", name="a")(volume)
    x = layers.GlobalMaxPooling3D(name="gmp")(x)
    e = layers.Embedding(5, 6, name="embed")(tokens)
    e = layers.GlobalAveragePooling1D(name="gap")(e)
    x = layers.Average(name="average")([x, e])
    return keras.Model((tokens, volume), layers.Dense(3, name="head")(x), name="three_dimensions")


MODELS: dict[str, Callable[[], keras.Model]] = {
    build.__name__: build
    for build in (
        chain,
        residual,
        concat,
        depthwise_multiplier,
        squeeze_excite,
        shared,
        nested,
        sequential,
        grouped,
        shuffle,
        operations,
        one_dimension,
        three_dimensions,
    )
}


def shapes(model: keras.Model) -> dict[str, list[tuple[int, ...]]]:
    """Weight shapes of all leaf layers by name."""
    return {
        layer.name: [tuple(w.shape) for w in layer.weights]
        for layer in model._flatten_layers()
        if not isinstance(layer, keras.Model) and layer.weights
    }


def predictions(model: keras.Model, seed: int = 1) -> list[Any]:
    """Outputs on random inputs, flat."""
    from pipeline.prune.proof import outputs_of, random_inputs

    return outputs_of(model, random_inputs(model, seed))
