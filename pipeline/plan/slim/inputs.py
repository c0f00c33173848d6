"""What the inputs of any .tflite may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import UnsupportedModelError
from pipeline.plan.file_tensors import DTYPES
from pipeline.plan.slim.source import indices, kind_of

# Types of inputs that values can be drawn for.
_DRAWN = frozenset(("float32", "int32", "uint8", "int64", "bool", "int16", "int8"))
# Of inputs that are numbers of something: embeddings, sizes. More would point outside.
_MOST_COUNTED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInput:
    """One input.

    Attributes:
        shape: with the batch.
        dtype: its NumPy name.
        low, high: what it may hold; of real values, what is told apart behind it and a bit more.
        zero_point: what means 0.
    """

    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    zero_point: float


def model_inputs(tflite: bytes) -> tuple[ModelInput, ...]:
    """The inputs of a file's first subgraph.

    Raises:
        UnsupportedModelError: one is of a type that no values can be drawn for.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(tflite)
    subgraph = model.subgraphs[0]
    return tuple(_input(model, subgraph, index) for index in indices(subgraph.inputs))


def _input(model: Any, subgraph: Any, index: int) -> ModelInput:
    tensor = subgraph.tensors[index]
    dtype = DTYPES.get(tensor.type)
    if dtype not in _DRAWN:
        raise UnsupportedModelError(
            f"input {index} must be int8, uint8, int16, int32, int64, bool or float32. Received: "
            f"TensorType {tensor.type}. Convert the model with another input type."
        )
    low, high, zero_point = _range(model, subgraph, index, dtype)
    # Of the batch, 1 is what is left.
    shape = tuple(max(1, size) for size in indices(tensor.shape))
    return ModelInput(shape=shape, dtype=dtype, low=low, high=high, zero_point=zero_point)


def _range(model: Any, subgraph: Any, index: int, dtype: str) -> tuple[float, float, float]:
    """The least and the greatest value, and the one that means 0."""
    if dtype == "float32":
        return _real_range(model, subgraph, index)
    if dtype in ("bool", "int32", "int64"):
        return 0, _MOST_COUNTED, 0
    limits = np.iinfo(dtype)
    quant = subgraph.tensors[index].quantization
    zero_points = [] if quant is None else indices(quant.zeroPoint)
    return limits.min, limits.max, zero_points[0] if zero_points else 0


def _real_range(model: Any, subgraph: Any, index: int) -> tuple[float, float, float]:
    """What the operator that quantizes an input can tell apart, and half as much again."""
    for operator in subgraph.operators or ():
        if kind_of(model, operator) != "QUANTIZE" or operator.inputs[0] != index:
            continue
        tensor = subgraph.tensors[operator.outputs[0]]
        limits = np.iinfo(DTYPES[tensor.type])
        scale = float(tensor.quantization.scale[0])
        zero_point = int(tensor.quantization.zeroPoint[0])
        low, high = (scale * (end - zero_point) for end in (int(limits.min), int(limits.max)))
        return low - (high - low) / 4, high + (high - low) / 4, 0
    return -1, 1, 0
