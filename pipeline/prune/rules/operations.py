"""Operations of keras.ops that stand in a functional graph without a layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.keras_graph import Call, TensorRef
from pipeline.prune.rules import merge, shape
from pipeline.prune.trace import Tracer, Value

# fmt: off
UNARY = frozenset({
    "Abs", "Absolute", "Negative", "Square", "Sqrt", "Exp", "Expm1", "Log", "Log1p", "Tanh",
    "Sign", "Reciprocal", "Clip", "Sin", "Cos", "Round", "Floor", "Ceil", "Relu", "Relu6",
    "Sigmoid", "SparseSigmoid", "Softplus", "Softsign", "SoftShrink", "SparsePlus", "Silu",
    "Squareplus", "LogSigmoid", "LeakyRelu", "HardSigmoid", "HardSilu", "Elu", "Selu",
    "Gelu", "Celu", "TanhShrink", "HardTanh", "HardShrink", "Threshold", "Rsqrt", "Erf",
    "Cast", "StopGradient", "Copy",
})
# fmt: on
BINARY = frozenset(
    [
        "Add",
        "Subtract",
        "Multiply",
        "Divide",
        "TrueDivide",
        "DivideNoNan",
        "Maximum",
        "Minimum",
        "Power",
    ]
)
REDUCTIONS = frozenset(["Mean", "Sum", "Max", "Min", "Amax", "Amin"])


def unary(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Elementwise with one tensor; further arguments must be plain numbers."""
    if len(inputs) != 1 or any(np.ndim(value) for value in _constants(call)):
        return tracer.refuse(call, inputs, f"{call.layer.name} has tensors for arguments")
    return [Value(inputs[0].shape, inputs[0].axis, inputs[0].ids)]


def binary(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Elementwise with broadcasting; a constant with one number per channel locks them."""
    constants = [Value(tuple(np.shape(value))) for value in _constants(call)]
    return merge.broadcast(tracer, call, [*inputs, *constants])


def _constants(call: Call) -> list[Any]:
    values = (*call.args, *call.kwargs.values())
    return [value for value in values if not isinstance(value, TensorRef) and value is not None]


def concatenate(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """keras.ops.concatenate."""
    return merge.concatenate(tracer, call, inputs)


def reduction(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """keras.ops.mean, sum, max, min."""
    return shape.reduced(tracer, call, inputs[0], call.layer.axis, call.layer.keepdims)


def reshape(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """keras.ops.reshape; channels must keep an axis whose size its configuration leaves open."""
    value = inputs[0]
    target = call.layer.newshape
    if not isinstance(target, list | tuple) or (target[0] not in (-1, None) and value.shape[0]):
        return tracer.refuse(call, inputs, "reshapes the batch")
    result = shape.reshape_to(tracer, call, value, call.outputs[0].shape)
    for position in range(1, len(result.shape)):
        ids = result.ids if result.axis == position else None
        tracer.count(call.layer, "newshape", ids, position)
    return [result]


def transpose(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """keras.ops.transpose with the batch in front."""
    rank = len(inputs[0].shape)
    axes = call.layer.axes or tuple(reversed(range(rank)))
    order = tuple(axis % rank for axis in axes)
    if order[0] != 0:
        return tracer.refuse(call, inputs, "transposes the batch")
    return shape.move_axes(call, inputs[0], order)


def expand_dims(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """keras.ops.expand_dims behind the batch."""
    out = call.outputs[0].shape
    axes = call.layer.axis if isinstance(call.layer.axis, list | tuple) else (call.layer.axis,)
    new = {axis % len(out) for axis in axes}
    return _keep_axes(
        tracer, call, inputs[0], [axis for axis in range(len(out)) if axis not in new]
    )


def _keep_axes(tracer: Tracer, call: Call, value: Value, places: list[int]) -> list[Value]:
    """`places[i]` is where axis i of the input lies in the output."""
    if places[0] != 0:
        return tracer.refuse(call, [value], "moves the batch")
    out = call.outputs[0].shape
    return [Value(out) if value.axis is None else Value(out, places[value.axis], value.ids)]


def squeeze(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """keras.ops.squeeze of named axes; all axes of size one would change with the channels."""
    value = inputs[0]
    rank = len(value.shape)
    if call.layer.axis is None:
        return tracer.refuse(call, inputs, "squeezes axes without naming them")
    axes = call.layer.axis if isinstance(call.layer.axis, list | tuple) else (call.layer.axis,)
    gone = {axis % rank for axis in axes}
    if value.axis in gone:
        tracer.lock(value.ids, call.path, "squeezes the channel axis away")
        return [Value(call.outputs[0].shape)]
    kept = [axis for axis in range(rank) if axis not in gone]
    places = [kept.index(axis) if axis in kept else -1 for axis in range(rank)]
    return _keep_axes(tracer, call, value, places)
