"""Convolutions of one to three dimensions, channels last."""

from __future__ import annotations

import numpy as np

from pipeline.keras_graph import Call
from pipeline.prune.records import IdVector, Role
from pipeline.prune.rules.elementwise import lock_mixing_activation
from pipeline.prune.trace import Tracer, Value


def convolution(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Conv1D, Conv2D, Conv3D; kernel [..., in / groups, out].

    With groups, output channels stay equally many per group: entries at the same place of
    every group are joined, inputs and outputs alike. With one input channel per group, whole
    groups go, as in a depthwise convolution.
    """
    layer = call.layer
    read = tracer.along(inputs[0], -1, call)
    groups = layer.groups
    if groups > 1 and len(read) == groups:
        out = np.repeat(read, layer.filters // groups)
        tracer.weight(call, "kernel", -1, out, Role.THROUGH)
        tracer.weight(call, "bias", 0, out, Role.THROUGH)
        tracer.count(layer, "filters", out)
        tracer.count(layer, "groups", read)
        return [_result(tracer, call, out)]
    if groups > 1:
        read = _join_groups(tracer, read, groups)
    made = tracer.make(layer, layer.filters)
    if groups > 1:
        _join_groups(tracer, made, groups)
    tracer.weight(call, "kernel", -2, read, Role.IN)
    return [_produce(tracer, call, made, -1)]


def _join_groups(tracer: Tracer, ids: IdVector, groups: int) -> IdVector:
    """Joins the entries at the same place of every group; returns those of the first."""
    size = len(ids) // groups
    for start in range(size, len(ids), size):
        tracer.join(ids[:size], ids[start : start + size])
    return ids[:size]


def transposed(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Conv1DTranspose, Conv2DTranspose, Conv3DTranspose; kernel [..., out, in]."""
    read = tracer.along(inputs[0], -1, call)
    made = tracer.make(call.layer, call.layer.filters)
    tracer.weight(call, "kernel", -1, read, Role.IN)
    return [_produce(tracer, call, made, -2)]


def depthwise(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """DepthwiseConv1D, DepthwiseConv2D; kernel [..., in, multiplier D].

    Outputs c*D ... c*D + D - 1 follow input c.
    """
    read = tracer.along(inputs[0], -1, call)
    out = np.repeat(read, call.layer.depth_multiplier)
    tracer.weight(call, "kernel", -2, read, Role.THROUGH)
    tracer.weight(call, "bias", 0, out, Role.THROUGH)
    return [_result(tracer, call, out)]


def separable(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """SeparableConv1D, SeparableConv2D; depthwise [..., in, D], pointwise [..., in*D, out]."""
    layer = call.layer
    read = tracer.along(inputs[0], -1, call)
    tracer.weight(call, "depthwise_kernel", -2, read, Role.THROUGH)
    tracer.weight(call, "pointwise_kernel", -2, np.repeat(read, layer.depth_multiplier), Role.IN)
    made = tracer.make(layer, layer.filters)
    return [_produce(tracer, call, made, -1, kernel="pointwise_kernel")]


def _produce(
    tracer: Tracer, call: Call, made: IdVector, axis: int, *, kernel: str = "kernel"
) -> Value:
    tracer.weight(call, kernel, axis, made, Role.OUT)
    tracer.weight(call, "bias", 0, made, Role.OUT)
    tracer.count(call.layer, "filters", made)
    return _result(tracer, call, made)


def _result(tracer: Tracer, call: Call, ids: IdVector) -> Value:
    shape = call.outputs[0].shape
    # A batch normalization behind a nonlinear activation cannot be folded into the kernel.
    linear = getattr(call.layer.activation, "__name__", None) == "linear"
    source = call.layer if linear else None
    return lock_mixing_activation(tracer, call, Value(shape, len(shape) - 1, ids, source))
