"""The objects of a .tflite that is to become smaller, once it is known that it may."""

from __future__ import annotations

from typing import Any

from pipeline.errors import UnsupportedModelError
from pipeline.plan.graph import intact

# TFLM's table of compressed tensors speaks of tensors and buffers by their numbers.
_COMPRESSION = "COMPRESSION_METADATA"
# Operators that prepare values for others, or weights.
_EDGE_KINDS = ("QUANTIZE", "DEQUANTIZE", "CAST", "DENSIFY")


def read_model(data: bytes, origin: str) -> Any:
    """A file as a `ModelT` of the schema.

    Args:
        data: the bytes of the file.
        origin: where they come from, for messages.
    Raises:
        UnsupportedModelError: it is no .tflite file, is damaged, works on floats, has dynamic
            shapes, or holds what cannot be written again.
    """
    from ai_edge_litert import schema_py_generated as schema

    with intact(data, origin):
        model = schema.ModelT.InitFromPackedBuf(data)
        if not model.subgraphs or not model.buffers:
            raise ValueError("it has no subgraph or no buffers")
        _check_indices(model)
        _check_form(model, origin)
        _check_integers(model, schema, origin)
        for subgraph in _entrances(model):
            for index in indices(subgraph.inputs):
                _check_shape(subgraph.tensors[index], index, origin)
    return model


def indices(values: Any) -> list[int]:
    """Numbers of a vector that may be absent."""
    return [] if values is None else [int(value) for value in values]


def is_constant(model: Any, tensor: Any) -> bool:
    """Whether the file holds the values of a tensor."""
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def builtin_of(model: Any, operator: Any) -> int:
    """The builtin code of an operator, in whichever field it stands."""
    code = model.operatorCodes[operator.opcodeIndex]
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def kind_of(model: Any, operator: Any) -> str:
    """The name of an operator's kind: TFLite's, or the custom one."""
    from ai_edge_litert import schema_py_generated as schema

    code = model.operatorCodes[operator.opcodeIndex]
    if code.customCode:
        return bytes(code.customCode).decode("utf-8", "replace")
    builtin = builtin_of(model, operator)
    codes = vars(schema.BuiltinOperator).items()
    names: dict[int, str] = {number: name for name, number in codes}
    return names.get(builtin, f"operator code {builtin}")


def _entrances(model: Any) -> list[Any]:
    """Subgraphs that an application calls."""
    called = {0, *(signature.subgraphIndex for signature in model.signatureDefs or ())}
    return [model.subgraphs[index] for index in sorted(called)]


def _check_indices(model: Any) -> None:
    """Refuse files that point outside of themselves."""
    if model.buffers[0].data is not None and len(model.buffers[0].data):
        raise ValueError("buffer 0, which stands for no values, holds some")
    for subgraph in model.subgraphs:
        count = len(subgraph.tensors or ())
        used = indices(subgraph.inputs) + indices(subgraph.outputs)
        for operator in subgraph.operators or ():
            if not 0 <= operator.opcodeIndex < len(model.operatorCodes or ()):
                raise ValueError(f"operator code {operator.opcodeIndex} does not exist")
            used += [index for index in indices(operator.inputs) if index != -1]
            used += indices(operator.outputs)
        for index in used:
            if not 0 <= index < count:
                raise ValueError(f"tensor {index} of {count} does not exist")
        for tensor in subgraph.tensors or ():
            if not 0 <= tensor.buffer < len(model.buffers):
                raise ValueError(f"buffer {tensor.buffer} of {len(model.buffers)} does not exist")


def _check_form(model: Any, origin: str) -> None:
    """Refuse what lies outside of the flatbuffer, or speaks of numbers that would change."""
    operators = [op for subgraph in model.subgraphs for op in subgraph.operators or ()]
    outside = (
        model.externalBuffers
        or any(buffer.offset > 1 for buffer in model.buffers)
        or any(operator.largeCustomOptionsOffset > 1 for operator in operators)
    )
    if outside:
        raise UnsupportedModelError(
            f"'{origin}': constants must lie in the file's own buffers. Received: some beside it. "
            "Convert the model again, below 2 GB and without external weights."
        )
    names = [bytes(entry.name or b"").decode("utf-8", "replace") for entry in model.metadata or ()]
    if _COMPRESSION in names:
        raise UnsupportedModelError(
            f"'{origin}': tensors must not be compressed by TFLM's tools. Received: metadata "
            f"'{_COMPRESSION}'. Slim the model first and compress the result."
        )
    for operator in operators:
        if operator.builtinOptionsType and operator.builtinOptions is None:
            raise UnsupportedModelError(
                f"'{origin}': options of {kind_of(model, operator)} must be of a known kind. "
                f"Received: kind {operator.builtinOptionsType}. Install a newer ai-edge-litert."
            )


def _check_integers(model: Any, schema: Any, origin: str) -> None:
    """Refuse models none of whose operators works on integers."""
    types = schema.TensorType
    floats = (types.FLOAT32, types.FLOAT16, types.FLOAT64, types.BFLOAT16)
    integers = (types.INT8, types.UINT8, types.INT16)
    real = []
    for subgraph in model.subgraphs:
        for operator in subgraph.operators or ():
            ends = [*indices(operator.inputs)[:1], *indices(operator.outputs)[:1]]
            found = [subgraph.tensors[index].type for index in ends if index >= 0]
            kind = kind_of(model, operator)
            if kind in _EDGE_KINDS:
                continue
            if any(type_ in integers for type_ in found):
                return
            if any(type_ in floats for type_ in found):
                real.append(kind)
    if real:
        shown = ", ".join(dict.fromkeys(real))
        raise UnsupportedModelError(
            f"'{origin}': operators must work on integers. Received: a float model ({shown}). "
            "Quantize it first: espalier quantize MODEL.keras --data SPEC."
        )


def _check_shape(tensor: Any, index: int, origin: str) -> None:
    """Refuse an input of which more than the batch is open."""
    shape, signature = indices(tensor.shape), indices(tensor.shapeSignature)
    open_axes = [axis for axis, size in enumerate(signature or shape) if size < 1]
    stored = [size for axis, size in enumerate(shape) if axis in open_axes]
    if open_axes and (open_axes != [0] or stored != [1]):
        name = bytes(tensor.name or b"").decode("utf-8", "replace") or str(index)
        raise UnsupportedModelError(
            f"'{origin}': input '{name}' must have a known shape, but for a batch that is stored "
            f"as 1. Received: {signature or shape}, stored as {shape}. Convert the model with a "
            "fixed input shape: keras.Input(batch_shape=(1, ...))."
        )
