"""Normalization layers."""

from __future__ import annotations

from pipeline.keras_graph import Call
from pipeline.prune.records import Role
from pipeline.prune.rules.elementwise import identity
from pipeline.prune.trace import Tracer, Value


def batch_normalization(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """BatchNormalization: four vectors, or two without scale and center."""
    ids = tracer.along(inputs[0], call.layer.axis, call)
    for weight in ("gamma", "beta", "moving_mean", "moving_variance"):
        tracer.weight(call, weight, 0, ids, Role.THROUGH)
    return [Value(inputs[0].shape, call.layer.axis % len(inputs[0].shape), ids)]


def group_normalization(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """GroupNormalization: one channel per group is per channel; else its statistics mix them."""
    layer = call.layer
    ids = tracer.along(inputs[0], layer.axis, call)
    if layer.groups == len(ids):
        tracer.count(layer, "groups", ids)
    else:
        tracer.lock(ids, call.path, "GroupNormalization takes statistics over several channels")
    for weight in ("gamma", "beta"):
        tracer.weight(call, weight, 0, ids, Role.THROUGH)
    return [Value(inputs[0].shape, layer.axis % len(inputs[0].shape), ids)]


def over_channels(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """LayerNormalization and others whose statistics run over channels, or are kept for each."""
    name = type(call.layer).__name__
    tracer.lock(inputs[0].ids, call.path, f"{name} works on all channels together")
    return identity(tracer, call, inputs)
