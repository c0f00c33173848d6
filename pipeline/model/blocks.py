"""Layers that several builders share, under Keras' names.

Padding of strided convolutions is "same": for 3 x 3 filters of stride 2 it pads exactly
what keras.applications pads with a ZeroPadding2D layer, without a PAD operator and its
buffer on the device.
"""

from typing import Any

# Keras' own 0.999 needs some 5,000 steps until the moving averages mean anything; our
# trainings are often shorter than that.
BN_MOMENTUM = 0.9
BN_EPSILON = 1e-3


def batch_norm_relu(x: Any, bn_name: str, relu_name: str, max_value: float | None) -> Any:
    """Batch normalization and ReLU (ReLU6 where max_value is 6)."""
    from keras import layers

    x = layers.BatchNormalization(epsilon=BN_EPSILON, momentum=BN_MOMENTUM, name=bn_name)(x)
    return layers.ReLU(max_value, name=relu_name)(x)


def classifier(x: Any, num_classes: int, dropout: float) -> Any:
    """Global average pooling, dropout, Dense and softmax in one layer `predictions`."""
    from keras import layers

    x = layers.GlobalAveragePooling2D(name="global_average_pooling2d")(x)
    if dropout > 0:
        x = layers.Dropout(dropout, name="dropout")(x)
    return layers.Dense(num_classes, activation="softmax", name="predictions")(x)
