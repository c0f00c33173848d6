"""Functions that treat each entry by itself: activations, and what counts as one."""

from __future__ import annotations

from typing import Any

from pipeline.keras_graph import Call
from pipeline.prune.trace import Tracer, Value

# Keras activations whose output entry depends on the same input entry alone. The others
# (softmax, log_softmax, sparsemax, glu) mix channels.
# fmt: off
ELEMENTWISE_ACTIVATIONS = frozenset({
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu",
    "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "mish", "relu",
    "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus", "softsign",
    "sparse_plus", "sparse_sigmoid", "squareplus", "swish", "tanh", "tanh_shrink",
    "threshold",
})
# fmt: on

# Layers that work on each entry by itself and keep the shape.
# fmt: off
IDENTITIES = (
    "ReLU", "LeakyReLU", "ELU", "Identity", "Dropout", "SpatialDropout1D",
    "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout", "GaussianNoise",
    "AlphaDropout", "ActivityRegularization",
)
# fmt: on


def mixing_activation(layer: Any) -> str | None:
    """Name of a layer's activation where it mixes channels or is not Keras' own, else None."""
    activation = getattr(layer, "activation", None)
    if activation is None:
        return None
    name = getattr(activation, "__name__", type(activation).__name__)
    own = (getattr(activation, "__module__", None) or "").partition(".")[0] == "keras"
    if own and name in ELEMENTWISE_ACTIVATIONS:
        return None
    return str(name)


def lock_mixing_activation(tracer: Tracer, call: Call, value: Value) -> Value:
    """The value behind a layer's own activation; locked where that mixes channels."""
    name = mixing_activation(call.layer)
    if name is not None:
        tracer.lock(value.ids, call.path, f"activation {name!r} may mix channels")
    return value


def activation(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Activation layer."""
    return [
        lock_mixing_activation(tracer, call, Value(inputs[0].shape, inputs[0].axis, inputs[0].ids))
    ]


def identity(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Same shape, each entry by itself: ReLU, dropout, noise."""
    return [Value(inputs[0].shape, inputs[0].axis, inputs[0].ids)]


def softmax(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Softmax layer: locks the axes that it sums over."""
    value = inputs[0]
    axes = call.layer.axis if isinstance(call.layer.axis, list | tuple) else (call.layer.axis,)
    if value.axis in {axis % len(value.shape) for axis in axes}:
        tracer.lock(value.ids, call.path, "softmax mixes channels")
    return identity(tracer, call, inputs)


def rescaling(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Rescaling: locks where it has one number per channel."""
    if not all(isinstance(x, int | float) for x in (call.layer.scale, call.layer.offset)):
        tracer.lock(inputs[0].ids, call.path, "Rescaling holds one number per channel")
    return identity(tracer, call, inputs)


def prelu(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """PReLU: one slope per channel unless that axis is shared."""
    from pipeline.prune.records import Role

    value = inputs[0]
    if value.axis is not None and value.ids is not None:
        axis = value.axis - 1
        if call.layer.alpha.shape[axis] == len(value.ids):
            tracer.weight(call, "alpha", axis, value.ids, Role.THROUGH)
    return identity(tracer, call, inputs)
