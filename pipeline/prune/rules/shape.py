"""Layers that move entries without computing: flatten, reshape, permute, pad, pool, resize."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.keras_graph import Call
from pipeline.prune.records import IdVector
from pipeline.prune.trace import Tracer, Value

Shape = tuple[int | None, ...]


def spatial(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Pooling, padding, cropping, upsampling, resizing: channels stay on the last axis."""
    ids = tracer.along(inputs[0], -1, call)
    shape = call.outputs[0].shape
    return [Value(shape, len(shape) - 1, ids)]


def permute(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Permute."""
    return move_axes(call, inputs[0], (0, *call.layer.dims))


def move_axes(call: Call, value: Value, order: tuple[int, ...]) -> list[Value]:
    """The channels follow their axis; `order` as in numpy.transpose."""
    if value.axis is None:
        return [Value(call.outputs[0].shape)]
    return [Value(call.outputs[0].shape, order.index(value.axis), value.ids)]


def repeat_vector(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """RepeatVector: [batch, C] -> [batch, n, C]."""
    return [Value(call.outputs[0].shape, 2, tracer.along(inputs[0], 1, call))]


def flatten(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Flatten: entry s*C + c of the result belongs to channel c."""
    return [reshape_to(tracer, call, inputs[0], call.outputs[0].shape)]


def reshape(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Reshape layer; its target shape follows the channels."""
    result = reshape_to(tracer, call, inputs[0], call.outputs[0].shape)
    for position in range(len(result.shape) - 1):
        ids = result.ids if result.axis == position + 1 else None
        tracer.count(call.layer, "target_shape", ids, position)
    return [result]


def reshape_to(tracer: Tracer, call: Call, value: Value, shape: Shape) -> Value:
    """A value's entries in another shape, the batch left alone.

    The ids of all entries are laid out in the new shape; the axis along which alone they
    vary carries the channels. Where there is none (channels split over two axes), entries
    that share an index on the last axis are joined.
    """
    if value.axis is None or value.ids is None:
        return Value(shape)
    if None in value.shape[1:] or None in shape[1:]:
        if value.axis == len(value.shape) - 1 and shape[-1] == len(value.ids):
            return Value(shape, len(shape) - 1, value.ids)
        tracer.lock(value.ids, call.path, "reshapes channels together with open sizes")
        return tracer.refuse(call, [], "")[0]
    layout = _laid_out(value.ids, value.axis, value.shape).reshape([_size(s) for s in shape[1:]])
    for axis in reversed(range(layout.ndim)):
        rows = np.moveaxis(layout, axis, 0).reshape(layout.shape[axis], -1)
        if layout.shape[axis] > 1 and (rows == rows[:, :1]).all():
            return Value(shape, axis + 1, rows[:, 0])
    rows = np.moveaxis(layout, -1, 0).reshape(layout.shape[-1], -1)
    for column in rows.T[1:]:
        tracer.join(rows[:, 0], column)
    return Value(shape, len(shape) - 1, rows[:, 0])


def _laid_out(ids: IdVector, axis: int, shape: Shape) -> IdVector:
    """Ids of all entries of a tensor without its batch."""
    sizes = [_size(size) for size in shape[1:]]
    broadcast = [1] * len(sizes)
    broadcast[axis - 1] = len(ids)
    return np.broadcast_to(ids.reshape(broadcast), sizes)


def _size(size: int | None) -> int:
    assert size is not None
    return size


def reduced(tracer: Tracer, call: Call, value: Value, axes: Any, keepdims: bool) -> list[Value]:
    """A mean, sum or maximum over axes; over the channels themselves it locks them."""
    rank = len(value.shape)
    if axes is None:
        gone = set(range(rank))
    else:
        gone = {axis % rank for axis in (axes if isinstance(axes, list | tuple) else (axes,))}
    if value.axis is None:
        return [Value(call.outputs[0].shape)]
    if value.axis in gone or 0 in gone:
        return tracer.refuse(call, [value], f"{call.layer.name} reduces over channels")
    kept = [axis for axis in range(rank) if keepdims or axis not in gone]
    return [Value(call.outputs[0].shape, kept.index(value.axis), value.ids)]


def global_pooling(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Global average or maximum over all positions."""
    axes = tuple(range(1, len(inputs[0].shape) - 1))
    return reduced(tracer, call, inputs[0], axes, call.layer.keepdims)
