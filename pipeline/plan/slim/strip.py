"""Take out of a .tflite what its operators never read, part by part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.plan.slim.source import indices, is_constant, kind_of
from pipeline.plan.tflm.offline import OFFLINE_PLAN, read_offsets, write_offsets
from pipeline.records import OpKind

# Their int8 kernels scale sums by the scales of input, filter and output; that of the bias is the
# product of the first two.
_SCALED_BY_FILTER = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
_BIAS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "TRANSPOSE_CONV": 3}


def drop_names(model: Any) -> None:
    """Names of tensors and subgraphs: operators find tensors by their numbers."""
    for subgraph in model.subgraphs:
        subgraph.name = None
        for tensor in subgraph.tensors:
            tensor.name = None


def drop_names_of_constants(model: Any) -> None:
    """Names of weights alone, and what the converter joins to the names of fused operators."""
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            if is_constant(model, tensor):
                tensor.name = None
            elif tensor.name:
                tensor.name = bytes(tensor.name).split(b";")[0]


def drop_signatures(model: Any) -> None:
    """Names under which an application finds inputs and outputs."""
    model.signatureDefs = None


def drop_metadata(model: Any) -> None:
    """Description and metadata, but for an offline memory plan, which TFLM follows."""
    model.description = None
    model.metadataBuffer = None
    kept = []
    for entry in model.metadata or ():
        if bytes(entry.name or b"") == OFFLINE_PLAN.encode():
            kept.append(entry)
        elif entry.buffer not in _buffers_in_use(model):
            model.buffers[entry.buffer].data = None
    model.metadata = kept or None
    for subgraph in model.subgraphs:
        subgraph.debugMetadataIndex = -1
        for operator in subgraph.operators or ():
            operator.debugMetadataIndex = -1


def drop_ranges(model: Any) -> None:
    """Ranges from calibration: the scales were made of them."""
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            quant = tensor.quantization
            if quant is None:
                continue
            quant.min = quant.max = None
            if not indices(quant.scale) and quant.details is None:
                tensor.quantization = None


def drop_bias_scales(model: Any) -> None:
    """Scales of the biases of int8 convolutions, which kernels work out from the others."""
    for subgraph in model.subgraphs:
        readers: dict[int, list[tuple[Any, int]]] = {}
        for operator in subgraph.operators or ():
            for place, index in enumerate(indices(operator.inputs)):
                readers.setdefault(index, []).append((operator, place))
        for index, uses in readers.items():
            if index >= 0 and all(_is_bias(model, subgraph, *use) for use in uses):
                subgraph.tensors[index].quantization = None


def _is_bias(model: Any, subgraph: Any, operator: Any, place: int) -> bool:
    from ai_edge_litert import schema_py_generated as schema

    kind = kind_of(model, operator)
    if kind not in _SCALED_BY_FILTER or place != _BIAS[kind]:
        return False
    bias = subgraph.tensors[operator.inputs[place]]
    result = subgraph.tensors[operator.outputs[0]]
    int8 = result.type == schema.TensorType.INT8 and bias.type == schema.TensorType.INT32
    zero_points = indices(bias.quantization.zeroPoint) if bias.quantization else []
    return is_constant(model, bias) and int8 and not any(zero_points)


def fix_batch(model: Any) -> None:
    """Shapes with an open batch: the stored ones, of batch 1, are all that is left."""
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.shapeSignature = None
            if indices(tensor.shape):
                tensor.hasRank = False


def share_constants(model: Any) -> None:
    """Equal constants become one tensor and one buffer; what nobody uses goes."""
    _share_buffers(model)
    for subgraph in model.subgraphs:
        _share_tensors(model, subgraph)


def drop_unused(model: Any) -> None:
    """Tensors, buffers and operator codes that nothing speaks of."""
    offsets = read_offsets(model)
    for number, subgraph in enumerate(model.subgraphs):
        kept = sorted(_tensors_in_use(model, number))
        places = {index: place for place, index in enumerate(kept)}
        subgraph.tensors = [subgraph.tensors[index] for index in kept]
        _renumber(model, number, places)
        if offsets is not None:
            offsets[number] = [offsets[number][index] for index in kept]
    if offsets is not None:
        write_offsets(model, offsets)
    _drop_buffers(model)
    _drop_codes(model)


def drop_dead_operators(model: Any) -> int:
    """Operators that only compute what nobody reads; of kinds that do nothing else.

    Returns:
        How many went.
    """
    dropped = 0
    for number, subgraph in enumerate(model.subgraphs):
        operators = subgraph.operators or []
        for operator in reversed(list(operators)):
            ends = {*indices(subgraph.outputs), *_signature_tensors(model, number)}
            read = ends.union(*(indices(other.inputs) for other in operators))
            pure = kind_of(model, operator) in OpKind.__members__
            if pure and not read.intersection(indices(operator.outputs)):
                operators.remove(operator)
                dropped += 1
    return dropped


def _share_buffers(model: Any) -> None:
    first: dict[bytes, int] = {}
    places: dict[int, int] = {}
    for number, buffer in enumerate(model.buffers):
        if buffer.data is not None:
            places[number] = first.setdefault(bytes(buffer.data), number)
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            # By convention buffer 0 stands for no values. A constant without elements is one, too.
            empty = math.prod(indices(tensor.shape)) == 0 and tensor.buffer in places
            if is_constant(model, tensor) or empty:
                tensor.buffer = places[tensor.buffer]
            else:
                tensor.buffer = 0


def _share_tensors(model: Any, subgraph: Any) -> None:
    """Let operators read the first of several equal constants."""
    ends = {*indices(subgraph.inputs), *indices(subgraph.outputs)}
    first: dict[tuple[Any, ...], int] = {}
    places: dict[int, int] = {-1: -1}
    for index, tensor in enumerate(subgraph.tensors):
        plain = not (tensor.isVariable or tensor.sparsity or tensor.variantTensors)
        if plain and is_constant(model, tensor) and index not in ends:
            places[index] = first.setdefault(_constant_key(tensor), index)
    for operator in subgraph.operators or ():
        if operator.inputs is not None:
            operator.inputs = [places.get(index, index) for index in indices(operator.inputs)]


def _constant_key(tensor: Any) -> tuple[Any, ...]:
    quant = tensor.quantization
    facts: tuple[Any, ...] = ()
    if quant is not None:
        scales = np.asarray(quant.scale if quant.scale is not None else (), np.float32)
        facts = (
            scales.tobytes(),
            *indices(quant.zeroPoint),
            id(quant.details) * bool(quant.details),
        )
        facts += (quant.quantizedDimension,)
    return (tensor.type, tuple(indices(tensor.shape)), tensor.buffer, tensor.name, facts)


def _buffers_in_use(model: Any) -> set[int]:
    return {tensor.buffer for subgraph in model.subgraphs for tensor in subgraph.tensors}


def _tensors_in_use(model: Any, number: int) -> set[int]:
    subgraph = model.subgraphs[number]
    used = {*indices(subgraph.inputs), *indices(subgraph.outputs)}
    for operator in subgraph.operators or ():
        for part in (operator.inputs, operator.outputs, operator.intermediates):
            used.update(indices(part))
    return (used | _signature_tensors(model, number)) - {-1}


def _signature_tensors(model: Any, number: int) -> set[int]:
    return {
        entry.tensorIndex
        for signature in model.signatureDefs or ()
        if signature.subgraphIndex == number
        for entry in _entries(signature)
    }


def _renumber(model: Any, number: int, places: Mapping[int, int]) -> None:
    def moved(values: Any) -> Any:
        return None if values is None else [places.get(index, -1) for index in indices(values)]

    subgraph = model.subgraphs[number]
    subgraph.inputs, subgraph.outputs = moved(subgraph.inputs), moved(subgraph.outputs)
    for operator in subgraph.operators or ():
        operator.inputs, operator.outputs = moved(operator.inputs), moved(operator.outputs)
        operator.intermediates = moved(operator.intermediates)
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == number:
            for entry in _entries(signature):
                entry.tensorIndex = places[entry.tensorIndex]


def _entries(signature: Any) -> list[Any]:
    return [*(signature.inputs or ()), *(signature.outputs or ())]


def _drop_buffers(model: Any) -> None:
    used = _buffers_in_use(model) | {entry.buffer for entry in model.metadata or ()}
    kept = [0, *sorted(used - {0})]
    places = {number: place for place, number in enumerate(kept)}
    model.buffers = [model.buffers[number] for number in kept]
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.buffer = places[tensor.buffer]
    for entry in model.metadata or ():
        entry.buffer = places[entry.buffer]


def _drop_codes(model: Any) -> None:
    operators = [operator for subgraph in model.subgraphs for operator in subgraph.operators or ()]
    first: dict[tuple[Any, ...], int] = {}
    codes: list[Any] = []
    for operator in operators:
        code = model.operatorCodes[operator.opcodeIndex]
        key = (code.builtinCode, code.deprecatedBuiltinCode, code.customCode, code.version)
        if key not in first:
            first[key] = len(codes)
            codes.append(code)
        operator.opcodeIndex = first[key]
    model.operatorCodes = codes
