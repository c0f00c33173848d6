"""Write a graph as a .tflite file, with nothing in it that no interpreter needs."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from pipeline.plan.int4 import pack_int4
from pipeline.plan.pack import pack
from pipeline.records import INT4, Graph, Op, OpKind, Tensor


def write_tflite(graph: Graph, source: bytes) -> bytes:
    """The bytes of a .tflite file that holds a graph.

    Only what operators use is written: no names of constants, no ranges from calibration, no
    metadata, and one buffer for equal constants.

    Args:
        graph: tensors and operators; operators' attributes are not looked at.
        source: the file that the graph was read from. Operators are found there by their first
            output and keep their options, and so do the signatures.
    """
    from ai_edge_litert import schema_py_generated as schema

    return _Writer(graph, schema.ModelT.InitFromPackedBuf(source), schema).file()


class _Writer:
    """The parts of a file, collected from records and from the file of before."""

    def __init__(self, graph: Graph, before: Any, schema: Any) -> None:
        self._graph, self._schema = graph, schema
        self._before, self._subgraph = before, before.subgraphs[0]
        self._written_by = {
            index: operator for operator in self._subgraph.operators for index in operator.outputs
        }
        used = {*graph.inputs, *graph.outputs}
        for op in graph.ops:
            used.update(_inputs(op), self._operator_of(op).outputs)
        self._place = {index: place for place, index in enumerate(sorted(used - {-1}))}
        self._buffers = [schema.BufferT()]
        self._buffer_of: dict[bytes, int] = {}
        # (builtin code, version) of each kind of operator.
        self._codes: list[tuple[int, int]] = []

    def file(self) -> bytes:
        schema = self._schema
        subgraph = schema.SubGraphT()
        subgraph.name = self._subgraph.name
        subgraph.tensors = [self._tensor(self._graph.tensors[index]) for index in self._place]
        subgraph.inputs = [self._place[index] for index in self._graph.inputs]
        subgraph.outputs = [self._place[index] for index in self._graph.outputs]
        # An operator with several outputs stands in the graph once for each of them, side by side.
        parts = itertools.groupby(self._graph.ops, key=lambda op: id(self._operator_of(op)))
        subgraph.operators = [self._operator(next(ops)) for _, ops in parts]
        model = schema.ModelT()
        model.version = self._before.version
        model.operatorCodes = [self._code(*code) for code in self._codes]
        model.subgraphs = [subgraph]
        model.buffers = self._buffers
        model.signatureDefs = self._signatures()
        return pack(model)

    def _operator_of(self, op: Op) -> Any:
        """The operator of the file of before that computes the output."""
        return self._written_by[op.outputs[0]]

    def _tensor(self, tensor: Tensor) -> Any:
        made = self._schema.TensorT()
        # The converter joins the names of fused operators by ';'; the first one tells enough.
        if tensor.constant is None:
            made.name = tensor.name.split(";")[0].encode("utf-8")
        made.shape = np.array(tensor.shape, dtype=np.int32)
        made.type = getattr(self._schema.TensorType, tensor.dtype.upper())
        made.buffer = 0 if tensor.constant is None else self._buffer(_data(tensor))
        if tensor.quant is not None:
            quant = self._schema.QuantizationParametersT()
            quant.scale = np.array(tensor.quant.scale, dtype=np.float32)
            quant.zeroPoint = np.array(tensor.quant.zero_point, dtype=np.int64)
            quant.quantizedDimension = tensor.quant.axis or 0
            made.quantization = quant
        return made

    def _buffer(self, data: bytes) -> int:
        """Place of a buffer with these bytes; equal ones share it."""
        if data not in self._buffer_of:
            self._buffer_of[data] = len(self._buffers)
            buffer = self._schema.BufferT()
            buffer.data = np.frombuffer(data, np.uint8)
            self._buffers.append(buffer)
        return self._buffer_of[data]

    def _operator(self, op: Op) -> Any:
        before = self._operator_of(op)
        made = self._schema.OperatorT()
        made.inputs = [self._place.get(index, -1) for index in _inputs(op)]
        made.outputs = [self._place[index] for index in before.outputs]
        if op.kind is OpKind.RESHAPE:
            # It may have been a SQUEEZE, or have had another shape.
            made.opcodeIndex = self._code_index(self._schema.BuiltinOperator.RESHAPE, 1)
            made.builtinOptionsType = self._schema.BuiltinOptions.ReshapeOptions
            made.builtinOptions = self._schema.ReshapeOptionsT()
            made.builtinOptions.newShape = list(self._graph.tensors[op.outputs[0]].shape)
            return made
        code = self._before.operatorCodes[before.opcodeIndex]
        # Codes below 128 stand in the older field in old files, and in both in new ones.
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        made.opcodeIndex = self._code_index(builtin, code.version)
        made.builtinOptionsType = before.builtinOptionsType
        made.builtinOptions = before.builtinOptions
        return made

    def _code_index(self, builtin: int, version: int) -> int:
        """Place of an operator code; only those that are used are written."""
        if (builtin, version) not in self._codes:
            self._codes.append((builtin, version))
        return self._codes.index((builtin, version))

    def _code(self, builtin: int, version: int) -> Any:
        code = self._schema.OperatorCodeT()
        code.builtinCode = builtin
        # Codes above 127 do not fit the older field, which then holds 127.
        code.deprecatedBuiltinCode = min(builtin, 127)
        code.version = version
        return code

    def _signatures(self) -> list[Any] | None:
        """The signatures with the new places of their tensors."""
        for signature in self._before.signatureDefs or ():
            for entry in (*signature.inputs, *signature.outputs):
                entry.tensorIndex = self._place[entry.tensorIndex]
        signatures: list[Any] | None = self._before.signatureDefs
        return signatures


def _inputs(op: Op) -> tuple[int, ...]:
    """The inputs that the file needs: a RESHAPE has its shape in its options."""
    return op.inputs[:1] if op.kind is OpKind.RESHAPE else op.inputs


def _data(tensor: Tensor) -> bytes:
    """A constant as the file holds it."""
    assert tensor.constant is not None
    return pack_int4(tensor.constant) if tensor.dtype == INT4 else tensor.constant.tobytes()
