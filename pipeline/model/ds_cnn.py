"""DS-CNN, MLPerf Tiny's keyword spotting network.

Source: Zhang et al. 2017, https://arxiv.org/abs/1711.07128; mlcommons/tiny, keyword_spotting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.blocks import batch_norm_relu, classifier

if TYPE_CHECKING:
    import keras


def build_ds_cnn(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    filters: int = 64,
    blocks: int = 4,
    dropout: float = 0.2,
) -> keras.Model:
    """Build DS-CNN: a 10 x 4 convolution of stride 2, then depthwise separable blocks.

    Args:
        input_shape: (time steps, coefficients, 1) for keywords, any picture shape else.
        num_classes: outputs.
        filters: channels of every layer.
        blocks: depthwise separable blocks.
        dropout: share dropped after the first layer and before the classifier, in training.
    """
    import keras
    from keras import layers

    inputs = keras.Input(input_shape, name="input")
    x = layers.Conv2D(filters, (10, 4), strides=2, padding="same", use_bias=False, name="conv_0")(
        inputs
    )
    x = batch_norm_relu(x, "conv_0_bn", "conv_0_relu", None)
    if dropout > 0:
        x = layers.Dropout(dropout, name="conv_0_dropout")(x)
    for block in range(1, blocks + 1):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"depthwise_{block}")(x)
        x = batch_norm_relu(x, f"depthwise_{block}_bn", f"depthwise_{block}_relu", None)
        x = layers.Conv2D(filters, 1, use_bias=False, name=f"pointwise_{block}")(x)
        x = batch_norm_relu(x, f"pointwise_{block}_bn", f"pointwise_{block}_relu", None)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="ds_cnn")
