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
