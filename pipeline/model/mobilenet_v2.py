"""MobileNetV2 of any width and input size, with the layer names of keras.applications.

Source: Sandler et al. 2018, https://arxiv.org/abs/1801.04381, table 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.model.blocks import BN_EPSILON, BN_MOMENTUM, batch_norm_relu, classifier

if TYPE_CHECKING:
    import keras

# (expansion, channels, repeats, stride of the first)
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def round_to_eight(channels: float) -> int:
    """The nearest multiple of 8, at least 8 and never more than 10 % below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def build_mobilenet_v2(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    alpha: float = 0.25,
    dropout: float = 0.2,
) -> keras.Model:
    """Build MobileNetV2 with ReLU6, a softmax classifier and no weights loaded.

    Args:
        input_shape: (height, width, channels); at 32 x 32 the last map is 1 x 1.
        num_classes: outputs.
        alpha: width multiplier, > 0; the last convolution never has less than 1280.
        dropout: share of features dropped before the classifier in training.
    """
    import keras
    from keras import layers

    inputs = keras.Input(input_shape, name="input")
    channels = round_to_eight(32 * alpha)
    x = layers.Conv2D(channels, 3, strides=2, padding="same", use_bias=False, name="Conv1")(inputs)
    x = batch_norm_relu(x, "bn_Conv1", "Conv1_relu", 6.0)
    block = 0
    for expansion, filters, repeats, stride in _STAGES:
        for repeat in range(repeats):
            x = _inverted_residual(
                x,
                filters=round_to_eight(int(filters * alpha)),
                stride=stride if repeat == 0 else 1,
                expansion=expansion,
                block=block,
            )
            block += 1
    last = round_to_eight(1280 * alpha) if alpha > 1.0 else 1280
    x = layers.Conv2D(last, 1, use_bias=False, name="Conv_1")(x)
    x = batch_norm_relu(x, "Conv_1_bn", "out_relu", 6.0)
    outputs = classifier(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="mobilenet_v2")


def _inverted_residual(x: Any, *, filters: int, stride: int, expansion: int, block: int) -> Any:
    from keras import layers

    shortcut = x
    in_channels = x.shape[-1]
    prefix = f"block_{block}_" if block else "expanded_conv_"
    if block:
        x = layers.Conv2D(expansion * in_channels, 1, use_bias=False, name=prefix + "expand")(x)
        x = batch_norm_relu(x, prefix + "expand_BN", prefix + "expand_relu", 6.0)
    x = layers.DepthwiseConv2D(
        3, strides=stride, padding="same", use_bias=False, name=prefix + "depthwise"
    )(x)
    x = batch_norm_relu(x, prefix + "depthwise_BN", prefix + "depthwise_relu", 6.0)
    x = layers.Conv2D(filters, 1, use_bias=False, name=prefix + "project")(x)
    x = layers.BatchNormalization(
        epsilon=BN_EPSILON, momentum=BN_MOMENTUM, name=prefix + "project_BN"
    )(x)
    if in_channels == filters and stride == 1:
        return layers.Add(name=prefix + "add")([shortcut, x])
    return x
