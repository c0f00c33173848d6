"""The MLP autoencoder of MLPerf Tiny's anomaly detection.

Source: mlcommons/tiny, anomaly_detection (DCASE 2020 task 2 baseline).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.blocks import batch_norm_relu

if TYPE_CHECKING:
    import keras


def build_autoencoder(
    input_shape: tuple[int], *, width: int = 128, code: int = 8, depth: int = 4
) -> keras.Model:
    """Build the autoencoder: depth layers, the code, depth layers, a linear output.

    Args:
        input_shape: (features,).
        width: units of the hidden layers.
        code: units of the bottleneck.
        depth: hidden layers on each side of it.
    """
    import keras
    from keras import layers

    inputs = keras.Input(input_shape, name="input")
    x = inputs
    widths = [width] * depth + [code] + [width] * depth
    for index, units in enumerate(widths, start=1):
        x = layers.Dense(units, name=f"dense_{index}")(x)
        x = batch_norm_relu(x, f"dense_{index}_bn", f"dense_{index}_relu", None)
    outputs = layers.Dense(input_shape[0], name="reconstruction")(x)
    return keras.Model(inputs, outputs, name="autoencoder")
