"""Layers that combine tensors: elementwise with broadcasting, and concatenation."""

from __future__ import annotations

import numpy as np

from pipeline.keras_graph import Call
from pipeline.prune.trace import Tracer, Value


def broadcast(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Add, Subtract, Multiply, Average, Maximum, Minimum and the like.

    Shapes are aligned at their last axes. Channels of all inputs are joined by index (a
    squeeze-and-excite gate with the tensor that it scales); an input of size one along the
    channel axis is spread over all channels and imposes nothing.
    """
    shape = call.outputs[0].shape
    rank = len(shape)
    values = [value for value in inputs if len(value.shape)]
    aligned = {
        value.axis - len(value.shape) + rank
        for value in values
        if value.axis is not None and _spans(value, shape[value.axis - len(value.shape)])
    }
    if len(aligned) > 1:
        for value in values:
            tracer.lock(value.ids, call.path, "combines tensors with channels on different axes")
        return tracer.refuse(call, [], "")
    if not aligned:
        return [Value(shape)]
    axis = aligned.pop()
    joined = None
    stays = False
    for value in values:
        own = axis - rank + len(value.shape)
        if own < 0 or value.shape[own] != shape[axis]:
            continue
        if value.axis != own or value.ids is None:
            stays = True
        elif joined is None:
            joined = value.ids
        else:
            tracer.join(joined, value.ids)
    if stays:
        tracer.lock(joined, call.path, "combined with something of fixed size")
    return [Value(shape, axis, joined)]


def _spans(value: Value, size: int | None) -> bool:
    """Whether the channels of a value are those of the result, not one spread over them."""
    assert value.axis is not None
    return value.shape[value.axis] == size


def concatenate(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Concatenate: vectors in a row along the channel axis; along others joined by index."""
    shape = call.outputs[0].shape
    axis = call.layer.axis % len(shape)
    tracked = {value.axis for value in inputs if value.axis is not None}
    if not tracked:
        return [Value(shape)]
    if len(tracked) > 1:
        return tracer.refuse(call, inputs, "concatenates tensors with channels on different axes")
    channel_axis = tracked.pop()
    assert channel_axis is not None
    vectors = [tracer.along(value, channel_axis, call) for value in inputs]
    if axis == channel_axis:
        return [Value(shape, axis, np.concatenate(vectors))]
    for vector in vectors[1:]:
        tracer.join(vectors[0], vector)
    return [Value(shape, channel_axis, vectors[0])]
