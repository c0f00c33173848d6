"""MobileNetV1 of any width and input size, with the layer names of keras.applications.

Source: Howard et al. 2017, https://arxiv.org/abs/1704.04861, table 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.blocks import batch_norm_relu, classifier

if TYPE_CHECKING:
    import keras

# (channels, stride) of the depthwise separable blocks
_BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)


def build_mobilenet_v1(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    alpha: float = 0.25,
    dropout: float = 0.1,
) -> keras.Model:
    """Build MobileNetV1 with ReLU6, a softmax classifier and no weights loaded.

    Args:
        input_shape: (height, width, channels).
        num_classes: outputs.
        alpha: width multiplier, > 0.
        dropout: share of features dropped before the classifier in training.
    """
    import keras
    from keras import layers

    inputs = keras.Input(input_shape, name="input")
    x = layers.Conv2D(
        max(1, int(32 * alpha)), 3, strides=2, padding="same", use_bias=False, name="conv1"
    )(inputs)
    x = batch_norm_relu(x, "conv1_bn", "conv1_relu", 6.0)
    for block, (filters, stride) in enumerate(_BLOCKS, start=1):
        x = layers.DepthwiseConv2D(
            3, strides=stride, padding="same", use_bias=False, name=f"conv_dw_{block}"
        )(x)
        x = batch_norm_relu(x, f"conv_dw_{block}_bn", f"conv_dw_{block}_relu", 6.0)
        x = layers.Conv2D(max(1, int(filters * alpha)), 1, use_bias=False, name=f"conv_pw_{block}")(
            x
        )
        x = batch_norm_relu(x, f"conv_pw_{block}_bn", f"conv_pw_{block}_relu", 6.0)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="mobilenet_v1")
