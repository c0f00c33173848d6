"""Layers of tf_keras that stand for those of Keras 3.

Imported only after `import_tfmot`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import (
    QuantizeLayer,
)
from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import (
    QuantizeWrapperV2,
)

from pipeline.keras_graph import is_tensor_ref
from pipeline.quantize.qat.quantizers import ChannelQuantizer, FilterConfig, Mode
from pipeline.quantize.qat.steps import Kind, Step

# The weight that is quantized, and the axes along which its indices are output channels.
_FILTERS: dict[str, tuple[str, tuple[int, ...]]] = {
    "Conv1D": ("kernel", (-1,)),
    "Conv1DTranspose": ("kernel", (-2,)),
    "Conv2D": ("kernel", (-1,)),
    "Conv2DTranspose": ("kernel", (-2,)),
    "Dense": ("kernel", (-1,)),
    "DepthwiseConv1D": ("depthwise_kernel", (-2, -1)),
    "DepthwiseConv2D": ("depthwise_kernel", (-2, -1)),
}
# What Keras 3 knows more of than tf_keras, and what training starts from anyway.
_LEFT_OUT = ("initializer", "regularizer", "constraint")


class Plain(tf_keras.layers.Layer):  # type: ignore[misc]
    """Computes what a layer or operation of Keras 3 without weights does.

    Args:
        function: the layer, operation or function.
        args, kwargs: as called; tensors are given in their order.
        name: of this layer.
    """

    def __init__(self, function: Any, args: Any, kwargs: Any, name: str) -> None:
        super().__init__(name=name, trainable=False)
        # In a function: nothing of Keras 3 is tracked as a layer of tf_keras.
        self._compute = _bound(function, args, kwargs)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def call(self, inputs: Any, training: Any = None) -> Any:
        """The outputs for a tensor, or a list of tensors."""
        return self._compute(inputs)


def _bound(function: Any, args: Any, kwargs: Any) -> Callable[[Any], Any]:
    import keras

    called = getattr(function, "call", None)
    if called is not None and "training" in inspect.signature(called).parameters:
        kwargs = {**kwargs, "training": False}

    def compute(inputs: Any) -> Any:
        left = iter(inputs if isinstance(inputs, list | tuple) else [inputs])
        filled_args, filled_kwargs = keras.tree.map_structure(
            lambda leaf: next(left) if is_tensor_ref(leaf) else leaf, (args, kwargs)
        )
        return function(*filled_args, **filled_kwargs)

    return compute


class Normalization(tf_keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalization whose statistics move only where it is folded, and not when frozen.

    Args:
        mode: of the model.
        moves: whether training normalizes with each batch's statistics at all.
        config: of tf_keras' layer.
    """

    def __init__(self, mode: Mode, moves: bool, **config: Any) -> None:
        super().__init__(**config)
        self._mode, self._moves = mode, moves

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def call(self, inputs: Any, training: Any = None) -> Any:
        """The normalized tensor."""
        if training and self._moves and not self._mode.state.frozen:
            return super().call(inputs, training=True)
        # As Keras 3 computes it: the converter folds both in the same way.
        axis = self.axis[0] if isinstance(self.axis, list | tuple) else self.axis
        rank = len(inputs.shape)
        shape = [inputs.shape[axis], *(1 for _ in range(rank - 1 - axis % rank))]
        weights = (self.moving_mean, self.moving_variance, self.beta, self.gamma)
        mean, variance, beta, gamma = (
            weight if weight is None or len(shape) == 1 else tf.reshape(weight, shape)
            for weight in weights
        )
        return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, self.epsilon)


class SeededDropout(tf_keras.layers.Layer):  # type: ignore[misc]
    """Dropout that depends on nothing but the mode's seed and the layer.

    Args:
        mode: of the model.
        rate: share of entries set to 0.
        position: of the layer in the model.
        spatial: whether whole channels are set to 0.
        name: of this layer.
    """

    def __init__(self, mode: Mode, rate: float, position: int, spatial: bool, name: str) -> None:
        super().__init__(name=name)
        self._mode, self._rate, self._position, self._spatial = mode, rate, position, spatial

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def call(self, inputs: Any, training: Any = None) -> Any:
        """The tensor, in training with entries set to 0."""
        if not training or not self._rate:
            return inputs
        shape = tf.shape(inputs)
        middle = tf.ones_like(shape[1:-1]) if self._spatial else shape[1:-1]
        return tf.nn.experimental.stateless_dropout(
            inputs,
            self._rate,
            seed=self._mode.seed + [self._position, 0],
            noise_shape=tf.concat([shape[:1], middle, shape[-1:]], 0),
        )


def make_layer(step: Step, mode: Mode, *, position: int, moves: bool) -> Any:
    """The layer of tf_keras for a step, with the weights that Keras 3 holds.

    Args:
        step: of the model.
        mode: of the model.
        position: of the step in the model.
        moves: whether it is a batch normalization whose statistics may move in training.
    """
    layer = step.layer
    if step.kind is Kind.PLAIN:
        return Plain(layer, step.args, step.kwargs, step.name)
    if step.kind is Kind.DROPOUT:
        spatial = type(layer).__name__.startswith("Spatial")
        return SeededDropout(mode, layer.rate, position, spatial, step.name)
    shape = step.inputs[0].shape
    if step.kind is Kind.NORM:
        config = _config(layer, tf_keras.layers.BatchNormalization)
        made = Normalization(mode, moves and layer.trainable, **{**config, "name": step.name})
        return _with_weights(made, shape, layer.weights)
    if step.kind is Kind.PRELU:
        made = tf_keras.layers.PReLU(**{**_config(layer, tf_keras.layers.PReLU), "name": step.name})
        return _with_weights(made, shape, layer.weights)
    kind, config, weights = _weighted(step)
    made = getattr(tf_keras.layers, kind)(**config)
    _with_weights(made, shape, weights)
    weight, axes = _FILTERS[kind]
    filter_config = FilterConfig(weight, ChannelQuantizer(mode, axes))
    return QuantizeWrapperV2(made, filter_config, name=step.name)


def make_range(quantizer: Any, name: str) -> Any:
    """The layer that rounds a tensor."""
    return QuantizeLayer(quantizer, name=f"{name}/range")


def _weighted(step: Step) -> tuple[str, dict[str, Any], list[Any]]:
    """Class, configuration and weights of a convolution or dense layer of tf_keras."""
    layer, kind = step.layer, type(step.layer).__name__
    name = f"{step.name}/layer"
    if not step.part:
        config = _config(layer, getattr(tf_keras.layers, kind))
        return kind, {**config, "activation": None, "name": name}, list(layer.weights)
    rank = kind[-2:]
    depthwise, pointwise, *bias = layer.weights
    if step.part == "depthwise":
        kind = f"DepthwiseConv{rank}"
        config = _config(layer, getattr(tf_keras.layers, kind))
        del config["filters"]
        return kind, {**config, "activation": None, "use_bias": False, "name": name}, [depthwise]
    config = {"filters": layer.filters, "kernel_size": 1, "use_bias": layer.use_bias, "name": name}
    return f"Conv{rank}", config, [pointwise, *bias]


def _config(layer: Any, target: type) -> dict[str, Any]:
    """The layer's configuration, as far as tf_keras' class takes it."""
    known: set[str] = set()
    for base in target.__mro__:
        known |= set(inspect.signature(base.__init__).parameters)  # type: ignore[misc]
    return {
        key: value
        for key, value in layer.get_config().items()
        if key in known - {"self", "kwargs", "dtype", "name", "trainable"}
        and not key.endswith(_LEFT_OUT)
    }


def _with_weights(layer: Any, shape: tuple[int | None, ...], weights: list[Any]) -> Any:
    layer.build(shape)
    layer.set_weights([np.asarray(weight) for weight in weights])
    return layer
