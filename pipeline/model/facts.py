"""Size and work of a Keras model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a model weighs before any quantization.

    Attributes:
        params: weights, batch normalization's averages included.
        macs: multiply-accumulates of one inference, of convolutions and dense layers.
    """

    params: int
    macs: int


def model_facts(model: keras.Model) -> ModelFacts:
    """Count parameters and MACs; layers of nested models too."""
    return ModelFacts(params=int(model.count_params()), macs=sum(_macs(e) for e in _layers(model)))


def _layers(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False, recursive=True))


def _macs(layer: Any) -> int:
    """Weights of one output position times output positions."""
    import keras

    layers = keras.layers
    if isinstance(layer, layers.DepthwiseConv2D):
        # A filter per output channel: its area for every output element.
        height, width, channels = layer.output.shape[1:]
        return int(height * width * channels * np.prod(layer.kernel_size))
    if isinstance(layer, layers.Conv1D | layers.Conv2D):
        *positions, _ = layer.output.shape[1:]
        return int(np.prod(positions) * np.prod(layer.kernel.shape))
    if isinstance(layer, layers.Dense):
        *positions, _ = layer.output.shape[1:]
        return int(np.prod(positions, initial=1) * np.prod(layer.kernel.shape))
    return 0
