"""Put values in place of operators that compute the same whatever the input, in any file.

With the batch fixed, the sizes of tensors are constants, and so is what converters compute from
them: chains of SHAPE, STRIDED_SLICE, PACK and their like. TFLite's reference kernels say what.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.errors import UnsupportedModelError
from pipeline.plan.pack import pack
from pipeline.plan.slim.source import indices, is_constant, kind_of
from pipeline.records import OpKind
from pipeline.reference import allocated_shapes, computed_values

# Operators on sizes that no engine of Espalier runs, but that do nothing else than compute.
_PURE = frozenset(OpKind.__members__) | {
    *(
        "BATCH_MATMUL",
        "BROADCAST_ARGS",
        "CAST",
        "DIV",
        "FILL",
        "FLOOR_DIV",
        "FLOOR_MOD",
        "GATHER",
        "GATHER_ND",
        "RANGE",
    ),
    *("RANK", "REDUCE_MIN", "REDUCE_PROD", "SELECT", "SELECT_V2", "SUM", "ZEROS_LIKE"),
}
# These look at the size of their input alone.
_SIZES = ("SHAPE", "RANK", "ZEROS_LIKE")
# Results up to so many bytes cost less than the operator; larger ones must not outgrow its inputs.
_SMALL_BYTES = 64


def fold_constants(model: Any) -> int:
    """Take out operators whose results are known.

    Args:
        model: a `ModelT`; its operators and buffers change. With several subgraphs, or with
            operators that TFLite lacks, it stays as it is.
    Returns:
        How many went.
    """
    if len(model.subgraphs) != 1:
        return 0
    subgraph = model.subgraphs[0]
    found = _constant_operators(model, subgraph)
    if not found:
        return 0
    wanted = [index for operator in found for index in indices(operator.outputs)]
    try:
        values = computed_values(pack(model), wanted)
    except UnsupportedModelError:
        return 0
    worth = _worth_it(model, subgraph, found, values)
    for operator in worth:
        for index in indices(operator.outputs):
            _set_value(model, subgraph.tensors[index], values[index])
        subgraph.operators.remove(operator)
    if worth:
        _write_shapes(model, subgraph)
    return len(worth)


def _constant_operators(model: Any, subgraph: Any) -> list[Any]:
    """Operators that compute the same whatever the input, in order."""
    constant = {i for i, tensor in enumerate(subgraph.tensors) if is_constant(model, tensor)}
    # Tensors whose size is the stored one, whatever the values.
    sized = {*indices(subgraph.inputs)}
    ends = {*indices(subgraph.outputs)}
    found = []
    for operator in subgraph.operators or ():
        kind = kind_of(model, operator)
        inputs = [index for index in indices(operator.inputs) if index >= 0]
        outputs = indices(operator.outputs)
        if kind not in _PURE or not inputs:
            continue
        known = constant.issuperset(inputs) or (kind in _SIZES and inputs[0] in sized)
        if known and not ends.intersection(outputs):
            found.append(operator)
            constant.update(outputs)
        elif all(i in constant or _keeps_size(subgraph, i, sized) for i in inputs):
            sized.update(outputs)
    return found


def _keeps_size(subgraph: Any, index: int, sized: set[int]) -> bool:
    """Whether a computed input has a known size and cannot itself be one."""
    from ai_edge_litert import schema_py_generated as schema

    numbers = (schema.TensorType.INT32, schema.TensorType.INT64)
    return index in sized and subgraph.tensors[index].type not in numbers


def _worth_it(model: Any, subgraph: Any, found: list[Any], values: dict[int, Any]) -> list[Any]:
    """The operators whose results may stand in the file, and all that they need."""
    sizes = {
        index: len(model.buffers[tensor.buffer].data)
        for index, tensor in enumerate(subgraph.tensors)
        if is_constant(model, tensor)
    }
    worth = []
    for operator in found:
        inputs = [index for index in indices(operator.inputs) if index >= 0]
        known = kind_of(model, operator) in _SIZES or all(index in sizes for index in inputs)
        made = {index: values[index].nbytes for index in indices(operator.outputs)}
        before = sum(sizes.get(index, 0) for index in inputs)
        if known and sum(made.values()) <= max(_SMALL_BYTES, before):
            sizes.update(made)
            worth.append(operator)
    return worth


def _write_shapes(model: Any, subgraph: Any) -> None:
    """Give computed tensors the shapes that they have now that sizes are known.

    A converter that could not tell the size of an axis wrote 1. TFLite works shapes out anew; TFLM
    and Espalier take those of the file.
    """
    shapes = allocated_shapes(pack(model))
    for index, tensor in enumerate(subgraph.tensors):
        if not is_constant(model, tensor) and indices(tensor.shape) != [*shapes[index]]:
            tensor.shape = np.array(shapes[index], np.int32)


def _set_value(model: Any, tensor: Any, value: Any) -> None:
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(value.tobytes(), np.uint8)
    tensor.buffer = len(model.buffers)
    tensor.shape = np.array(value.shape, np.int32)
    tensor.shapeSignature = None
    model.buffers.append(buffer)
