"""Dense layers and embeddings."""

from __future__ import annotations

from pipeline.keras_graph import Call
from pipeline.prune.records import Role
from pipeline.prune.rules.elementwise import lock_mixing_activation
from pipeline.prune.trace import Tracer, Value


def dense(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Dense; kernel [in, out] over the last axis."""
    layer = call.layer
    tracer.weight(call, "kernel", 0, tracer.along(inputs[0], -1, call), Role.IN)
    made = tracer.make(layer, layer.units)
    tracer.weight(call, "kernel", 1, made, Role.OUT)
    tracer.weight(call, "bias", 0, made, Role.OUT)
    tracer.count(layer, "units", made)
    shape = call.outputs[0].shape
    linear = getattr(layer.activation, "__name__", None) == "linear"
    value = Value(shape, len(shape) - 1, made, layer if linear else None)
    return [lock_mixing_activation(tracer, call, value)]


def embedding(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Embedding; table [tokens, out]. Its input is tokens, not channels."""
    tracer.lock(inputs[0].ids, call.path, "read as tokens")
    made = tracer.make(call.layer, call.layer.output_dim)
    tracer.weight(call, "embeddings", 1, made, Role.OUT)
    tracer.count(call.layer, "output_dim", made)
    shape = call.outputs[0].shape
    return [Value(shape, len(shape) - 1, made)]
