"""Which files can become smaller, and what is said about the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.errors import UnsupportedModelError
from pipeline.plan.pack import pack
from pipeline.plan.slim.source import read_model
from tests import one_op
from tests.plan.test_pack import unpacked


def changed(change: Callable[[Any, Any], None]) -> bytes:
    """A model of one ADD, after a change of (its objects, the schema)."""
    from ai_edge_litert import schema_py_generated as schema

    model = unpacked(one_op.single(one_op.add, (1, 4, 4, 2), (0.1, 0)))
    change(model, schema)
    return pack(model)


def to_float(model: Any, schema: Any) -> None:
    for tensor in model.subgraphs[0].tensors:
        tensor.type = schema.TensorType.FLOAT32


def to_float_with_sparse_weights(model: Any, schema: Any) -> None:
    to_float(model, schema)
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DENSIFY
    weights = schema.TensorT()
    weights.type, weights.shape = schema.TensorType.INT8, [4]
    operator.opcodeIndex = len(model.operatorCodes)
    operator.inputs = operator.outputs = [len(model.subgraphs[0].tensors)]
    model.operatorCodes.append(code)
    model.subgraphs[0].tensors.append(weights)
    model.subgraphs[0].operators.append(operator)


def with_open(axis: int) -> Callable[[Any, Any], None]:
    def change(model: Any, schema: Any) -> None:
        x = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
        sizes = [-1 if i == axis else n for i, n in enumerate(x.shape)]
        x.shapeSignature = np.array(sizes, np.int32)

    return change


def with_stored_batch(model: Any, schema: Any) -> None:
    for tensor in model.subgraphs[0].tensors:
        tensor.shapeSignature = np.array([-1, *tensor.shape[1:]], np.int32)
        tensor.shape = np.array([4, *tensor.shape[1:]], np.int32)


def compressed(model: Any, schema: Any) -> None:
    entry = schema.MetadataT()
    entry.name, entry.buffer = b"COMPRESSION_METADATA", 0
    model.metadata = [entry]


def with_data_beside(model: Any, schema: Any) -> None:
    model.subgraphs[0].operators[0].largeCustomOptionsOffset = 4096


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(to_float, r"float model \(ADD\).*espalier quantize", id="float"),
        pytest.param(to_float_with_sparse_weights, r"float model \(ADD\)", id="sparse float"),
        pytest.param(with_open(1), "must have a known shape.*fixed input shape", id="height"),
        pytest.param(with_stored_batch, "must have a known shape", id="batch stored as 4"),
        pytest.param(compressed, "Slim the model first", id="compressed"),
        pytest.param(with_data_beside, "the file's own buffers", id="data beside the file"),
    ],
)
def test_refused_by_name(change: Callable[[Any, Any], None], message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        read_model(changed(change), "model.tflite")


def test_open_batch_is_taken() -> None:
    assert read_model(changed(with_open(0)), "model.tflite").subgraphs


@pytest.mark.parametrize("length", [0, 7, 40, 200])
def test_damage_is_named(length: int) -> None:
    tflite = one_op.single(one_op.add, (1, 4, 4, 2), (0.1, 0))
    with pytest.raises(UnsupportedModelError, match="model.tflite"):
        read_model(tflite[:length], "model.tflite")


def test_tensors_that_do_not_exist_are_damage() -> None:
    def change(model: Any, schema: Any) -> None:
        model.subgraphs[0].operators[0].inputs = [0, 99]

    with pytest.raises(UnsupportedModelError, match="truncated or damaged: tensor 99"):
        read_model(changed(change), "model.tflite")
