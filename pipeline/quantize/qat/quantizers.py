"""Quantizers of tensorflow-model-optimization that round as TensorFlow Lite does.

Filters are rounded per output channel, symmetrically; activations per tensor, with ranges that
first span calibration samples and then follow training as moving averages. The library's own
filters of depthwise convolutions and dense layers have one scale per tensor, where the
converter gives them one per channel.

Imported only after `import_tfmot`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf
import tf_keras
from tensorflow_model_optimization.quantization.keras import QuantizeConfig, quantizers

from pipeline.quantize.qat.placement import Follows

# Of channels that are all zero, and of activations that never change: no range is empty.
_SMALLEST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the quantizers of a model do.

    Attributes:
        weights, activations: whether these are rounded.
        observes: whether ranges grow to what activations span.
        frozen: whether ranges, and the statistics of batch normalization, stay in training.
    """

    weights: bool = False
    activations: bool = False
    observes: bool = False
    frozen: bool = False


FLOAT = State()
OBSERVING = State(observes=True)
QUANTIZED = State(weights=True, activations=True)
FROZEN = State(weights=True, activations=True, frozen=True)
# The converter quantizes filters itself, after it has folded and transposed them.
CONVERTING = State(activations=True, frozen=True)


class Mode:
    """The state that all quantizers of a model share; read where a graph is traced.

    Args:
        range_decay: of the moving averages of ranges, per training step.
    """

    def __init__(self, range_decay: float) -> None:
        self.state = FLOAT
        self.range_decay = range_decay
        # Two numbers on which dropout depends, set before each step.
        self.seed = tf.Variable([0, 0], dtype=tf.int32, trainable=False, name="seed")

    @contextlib.contextmanager
    def being(self, state: State, **changes: bool) -> Iterator[None]:
        """In another state for a block."""
        before, self.state = self.state, replace(state, **changes)
        try:
            yield
        finally:
            self.state = before


class ChannelQuantizer(quantizers.Quantizer):  # type: ignore[misc]
    """Rounds a filter to int8, symmetrically, with one scale per channel.

    Args:
        mode: of the model.
        axes: of the filter, along which each index is a channel; the last ones, or one.
    """

    def __init__(self, mode: Mode, axes: tuple[int, ...]) -> None:
        self._mode, self._axes = mode, axes

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Nothing to keep: the range is the filter's own at each step."""
        return {}

    def __call__(self, inputs: Any, training: bool, weights: Any, **kwargs: Any) -> Any:
        """The rounded filter."""
        if not self._mode.state.weights:
            return inputs
        rank = len(inputs.shape)
        last = [axis % rank for axis in self._axes]
        order = [axis for axis in range(rank) if axis not in last] + last
        rows = tf.transpose(inputs, order)
        moved = tf.shape(rows)
        rows = tf.reshape(rows, [-1, tf.reduce_prod(moved[-len(last) :])])
        largest = tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(rows), axis=0), _SMALLEST))
        rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            rows, -largest, largest, num_bits=8, narrow_range=True
        )
        return tf.transpose(tf.reshape(rounded, moved), [order.index(i) for i in range(rank)])

    def get_config(self) -> dict[str, Any]:
        """What it was made of."""
        return {"mode": self._mode, "axes": self._axes}


class RangeQuantizer(quantizers.MovingAverageQuantizer):  # type: ignore[misc]
    """Rounds an activation to int8 with a range that follows the data.

    Args:
        mode: of the model.
        shared: the range's variables once there are any; quantizers with the same one share it.
        follows: what this activation does to the range in training.
    """

    def __init__(self, mode: Mode, shared: dict[str, Any], follows: Follows) -> None:
        super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        self._mode, self._shared, self._follows = mode, shared, follows

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """The range, empty at first; 0 is always in it."""
        for end in ("min_var", "max_var") if not self._shared else ():
            self._shared[end] = layer.add_weight(
                f"{name}_{end}",
                initializer=tf_keras.initializers.Constant(0.0),
                trainable=False,
            )
        return self._shared

    def __call__(self, inputs: Any, training: bool, weights: Any, **kwargs: Any) -> Any:
        """The activation, rounded where the mode says so."""
        state, low, high = self._mode.state, weights["min_var"], weights["max_var"]
        moves = training and state.activations and not state.frozen
        if state.observes or (moves and self._follows is Follows.GROWTH):
            low.assign(tf.minimum(low, tf.reduce_min(inputs)))
            high.assign(tf.maximum(high, tf.reduce_max(inputs)))
        elif moves and self._follows is Follows.AVERAGE:
            keep = self._mode.range_decay
            low.assign(low * keep + (1 - keep) * tf.minimum(tf.reduce_min(inputs), 0.0))
            high.assign(high * keep + (1 - keep) * tf.maximum(tf.reduce_max(inputs), 0.0))
        if not state.activations:
            return inputs
        return tf.quantization.fake_quant_with_min_max_vars(
            inputs, low, tf.maximum(high, low + _SMALLEST), num_bits=8
        )

    def get_config(self) -> dict[str, Any]:
        """What it was made of."""
        return {"mode": self._mode, "shared": self._shared, "follows": self._follows}


class FixedQuantizer(quantizers.Quantizer):  # type: ignore[misc]
    """Rounds an activation to int8 with a range that is given.

    Args:
        mode: of the model.
        low, high: of the range; 0 lies in it.
    """

    def __init__(self, mode: Mode, low: float, high: float) -> None:
        self._mode, self._low, self._high = mode, low, high

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def __call__(self, inputs: Any, training: bool, weights: Any, **kwargs: Any) -> Any:
        """The activation, rounded where the mode says so."""
        if not self._mode.state.activations:
            return inputs
        return tf.quantization.fake_quant_with_min_max_args(inputs, self._low, self._high)

    def get_config(self) -> dict[str, Any]:
        """What it was made of."""
        return {"mode": self._mode, "low": self._low, "high": self._high}


class FilterConfig(QuantizeConfig):  # type: ignore[misc]
    """Rounds one weight of a layer, and nothing else of it.

    Args:
        weight: attribute of the layer.
        quantizer: of it.
    """

    def __init__(self, weight: str, quantizer: ChannelQuantizer) -> None:
        self._weight, self._quantizer = weight, quantizer

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        """The filter."""
        return [(getattr(layer, self._weight), self._quantizer)]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        """Let the layer compute with the rounded filter."""
        (rounded,) = quantize_weights
        setattr(layer, self._weight, rounded)

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        """None: activations are steps of their own."""
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        """None to set."""

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        """None: where a model rounds depends on what follows."""
        return []

    def get_config(self) -> dict[str, Any]:
        """What it was made of."""
        return {"weight": self._weight, "quantizer": self._quantizer}
