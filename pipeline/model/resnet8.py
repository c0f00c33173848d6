"""ResNet-8, MLPerf Tiny's image classification network.

Source: He et al. 2015, https://arxiv.org/abs/1512.03385; mlcommons/tiny, image_classification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.model.blocks import BN_EPSILON, BN_MOMENTUM, batch_norm_relu, classifier

if TYPE_CHECKING:
    import keras


def build_resnet8(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    filters: int = 16,
    dropout: float = 0.0,
) -> keras.Model:
    """Build ResNet-8: a stem and three residual stacks of two convolutions each.

    Args:
        input_shape: (height, width, channels).
        num_classes: outputs.
        filters: channels of the stem and the first stack; doubled in each further one.
        dropout: share of features dropped before the classifier in training.
    """
    import keras
    from keras import layers

    inputs = keras.Input(input_shape, name="input")
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name="conv_0")(inputs)
    x = batch_norm_relu(x, "conv_0_bn", "conv_0_relu", None)
    for stack in range(3):
        x = _residual_stack(x, filters * 2**stack, 1 if stack == 0 else 2, f"stack_{stack + 1}_")
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="resnet8")


def _residual_stack(x: Any, filters: int, stride: int, prefix: str) -> Any:
    from keras import layers

    shortcut = x
    x = layers.Conv2D(
        filters, 3, strides=stride, padding="same", use_bias=False, name=prefix + "conv_1"
    )(x)
    x = batch_norm_relu(x, prefix + "conv_1_bn", prefix + "conv_1_relu", None)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=prefix + "conv_2")(x)
    x = layers.BatchNormalization(
        epsilon=BN_EPSILON, momentum=BN_MOMENTUM, name=prefix + "conv_2_bn"
    )(x)
    if stride != 1:
        shortcut = layers.Conv2D(filters, 1, strides=stride, name=prefix + "shortcut")(shortcut)
    x = layers.Add(name=prefix + "add")([shortcut, x])
    return layers.ReLU(name=prefix + "relu")(x)
