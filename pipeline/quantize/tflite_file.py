"""A .tflite as objects whose weights and recorded ranges can be changed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.records import Array


@cache
def enum_names(enumeration: type) -> dict[int, str]:
    """Names of a schema enumeration by their numbers."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator of the main graph.

    Attributes:
        kind: TFLite's name, e.g. "CONV_2D"; "CUSTOM name" of a custom one.
        inputs, outputs: indices of tensors; -1 is an input that is left out.
        options: of its kind, as the schema's object; None for none.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any = field(compare=False, repr=False)


class TfliteFile:
    """The main graph of a .tflite.

    Args:
        content: of the file.
    """

    def __init__(self, content: bytes) -> None:
        from tensorflow.lite.python import schema_py_generated as schema

        self._model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        self._graph = self._model.subgraphs[0]
        names = enum_names(schema.BuiltinOperator)
        codes = [_kind(code, names) for code in self._model.operatorCodes]
        self.operators: tuple[Operator, ...] = tuple(
            Operator(
                kind=codes[operator.opcodeIndex],
                inputs=tuple(int(index) for index in operator.inputs),
                outputs=tuple(int(index) for index in operator.outputs),
                options=operator.builtinOptions,
            )
            for operator in self._graph.operators
        )
        self.inputs = tuple(int(index) for index in self._graph.inputs)
        self.outputs = tuple(int(index) for index in self._graph.outputs)
        self._types = enum_names(schema.TensorType)

    def name(self, index: int) -> str:
        """Of a tensor."""
        return bytes(self._graph.tensors[index].name).decode()

    def layer(self, position: int) -> str:
        """Of an operator: its output, without the model's name in front and the operation's behind.

        The model's own outputs have lost theirs; there the weights' names say the layer.
        """
        operator = self.operators[position]
        names = [self.name(i) for i in (operator.outputs[0], *operator.inputs) if i >= 0]
        telling = [name for name in names if "/" in name and not name.startswith("Stateful")]
        first = (telling or names)[0].split(";")[0]
        parts = [part for part in first.split("/") if part]
        # A model inside a model of the same name, which fixes its batch; there TensorFlow numbers
        # every scope once more.
        if len(parts) > 2 and parts[0] == parts[1]:
            numbered = re.search(r"_\d+$", parts[0])
            inner = [re.sub(r"_\d+$", "", part) if numbered else part for part in parts[1:-1]]
            parts = [*inner, parts[-1]]
        return "/".join(parts[1:-1]) if len(parts) > 2 else first

    def type_name(self, index: int) -> str:
        """TFLite's name of a tensor's type."""
        return self._types[self._graph.tensors[index].type]

    def shape(self, index: int) -> tuple[int, ...]:
        """Of a tensor; () for a scalar."""
        shape = self._graph.tensors[index].shape
        return () if shape is None else tuple(int(size) for size in shape)

    def dtype(self, index: int) -> np.dtype[Any]:
        """Of a tensor; TypeError for one that NumPy does not have."""
        dtype: np.dtype[Any] = np.dtype(self.type_name(index).lower())
        return dtype

    def scales(self, index: int) -> npt.NDArray[np.float64]:
        """Of a tensor, one or one per channel; empty where it is not quantized."""
        quantization = self._graph.tensors[index].quantization
        scale = None if quantization is None else quantization.scale
        return np.zeros(0) if scale is None else np.asarray(scale, np.float64)

    def zero_point(self, index: int) -> int:
        """Of a tensor of one scale."""
        return int(self._graph.tensors[index].quantization.zeroPoint[0])

    def constant(self, index: int) -> npt.NDArray[Any] | None:
        """Values of a constant tensor; None of one that is computed."""
        if index < 0:
            return None
        data = self._model.buffers[self._graph.tensors[index].buffer].data
        if data is None or len(data) == 0:
            return None
        values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), self.dtype(index))
        return values.reshape(self.shape(index))

    def set_constant(self, index: int, values: Array) -> None:
        """Give a constant tensor other values, in a buffer of its own: others may share it."""
        from tensorflow.lite.python import schema_py_generated as schema

        expected = self.dtype(index), self.shape(index)
        if (values.dtype, values.shape) != expected:
            raise ValueError(f"expected {expected}, received {values.dtype}, {values.shape}")
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._graph.tensors[index].buffer = len(self._model.buffers)
        self._model.buffers.append(buffer)

    def recorded_range(self, index: int) -> tuple[float, float] | None:
        """What calibration saw of a tensor; None of one that it did not look at."""
        quantization = self._graph.tensors[index].quantization
        if quantization is None or quantization.min is None or quantization.max is None:
            return None
        return float(quantization.min[0]), float(quantization.max[0])

    def record_range(self, index: int, low: float, high: float) -> None:
        """Let a tensor have another range; only of one that has one already."""
        quantization = self._graph.tensors[index].quantization
        quantization.min = np.array([low], np.float32)
        quantization.max = np.array([high], np.float32)

    def set_quantization(self, index: int, scales: npt.ArrayLike, zero_point: int = 0) -> None:
        """Give a tensor other scales, one or one per channel; its axis stays."""
        from tensorflow.lite.python import schema_py_generated as schema

        tensor = self._graph.tensors[index]
        values = np.atleast_1d(np.asarray(scales, np.float32))
        quantization = schema.QuantizationParametersT()
        quantization.scale = values
        quantization.zeroPoint = np.full(len(values), zero_point, np.int64)
        quantization.quantizedDimension = tensor.quantization.quantizedDimension
        tensor.quantization = quantization

    def copy_tensor(self, index: int, name: str) -> int:
        """Index of a new tensor like another one."""
        from tensorflow.lite.python import schema_py_generated as schema

        tensor = schema.TensorT()
        vars(tensor).update(vars(self._graph.tensors[index]))
        tensor.name = name.encode()
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def set_input(self, position: int, place: int, index: int) -> None:
        """Let an operator read another tensor."""
        operator = self._graph.operators[position]
        operator.inputs = np.array(operator.inputs, np.int32)
        operator.inputs[place] = index

    def set_output(self, position: int, index: int) -> None:
        """Let an operator write another tensor, its only one."""
        self._graph.operators[position].outputs = np.array([index], np.int32)

    def insert_quantize(self, position: int, source: int, result: int) -> None:
        """Put a QUANTIZE before an operator."""
        from tensorflow.lite.python import schema_py_generated as schema

        operator = schema.OperatorT()
        operator.opcodeIndex = self._quantize_code()
        operator.inputs = np.array([source], np.int32)
        operator.outputs = np.array([result], np.int32)
        operator.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
        operator.builtinOptions = schema.QuantizeOptionsT()
        self._graph.operators.insert(position, operator)

    def set_graph_input(self, index: int) -> None:
        """Let the model's only input be another tensor."""
        (old,) = self.inputs
        self._graph.inputs = np.array([index], np.int32)
        for signature in self._model.signatureDefs or ():
            for entry in signature.inputs or ():
                entry.tensorIndex = index if entry.tensorIndex == old else entry.tensorIndex

    def fuse_requantizing(self) -> bool:
        """Make one QUANTIZE of each DEQUANTIZE and QUANTIZE behind it; whether there were any.

        Nothing but such QUANTIZE operators may read what the DEQUANTIZE gives.
        """
        fused = []
        for position, operator in enumerate(self.operators):
            readers = self.readers(operator.outputs[0])
            only_quantize = all(self.operators[reader].kind == "QUANTIZE" for reader in readers)
            given_out = operator.outputs[0] in self.outputs
            if operator.kind == "DEQUANTIZE" and readers and only_quantize and not given_out:
                for reader in readers:
                    self._graph.operators[reader].inputs = np.array(operator.inputs, np.int32)
                fused.append(position)
        for position in reversed(fused):
            del self._graph.operators[position]
        return bool(fused)

    def _quantize_code(self) -> int:
        """Index of the operator code of QUANTIZE, which is added where there is none."""
        from tensorflow.lite.python import schema_py_generated as schema

        quantize = schema.BuiltinOperator.QUANTIZE
        for index, code in enumerate(self._model.operatorCodes):
            if max(code.builtinCode, code.deprecatedBuiltinCode) == quantize:
                return index
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = quantize
        # That which computes from int8 to int8.
        code.version = 2
        self._model.operatorCodes.append(code)
        return len(self._model.operatorCodes) - 1

    def readers(self, index: int) -> tuple[int, ...]:
        """Positions of the operators that read a tensor."""
        return tuple(
            position for position, operator in enumerate(self.operators) if index in operator.inputs
        )

    def one_operator(self, position: int) -> bytes:
        """A model of one operator alone: its computed inputs to its outputs."""
        from tensorflow.lite.python import schema_py_generated as schema

        operator = self._graph.operators[position]
        used = [int(i) for i in (*operator.inputs, *operator.outputs) if i >= 0]
        kept = list(dict.fromkeys(used))
        place = {old: new for new, old in enumerate(kept)}
        alone = schema.OperatorT()
        vars(alone).update(vars(operator))
        alone.inputs = np.array([place.get(int(i), -1) for i in operator.inputs], np.int32)
        alone.outputs = np.array([place[int(i)] for i in operator.outputs], np.int32)
        computed = [i for i in self.operators[position].inputs if i >= 0]
        graph = schema.SubGraphT()
        graph.tensors = [self._graph.tensors[index] for index in kept]
        given = dict.fromkeys(i for i in computed if self.constant(i) is None)
        graph.inputs = np.array([place[i] for i in given], np.int32)
        graph.outputs = alone.outputs
        graph.operators = [alone]
        graph.name = b"main"
        model = schema.ModelT()
        model.version = self._model.version
        model.operatorCodes, model.buffers = self._model.operatorCodes, self._model.buffers
        model.subgraphs = [graph]
        return _pack(model)

    def pack(self) -> bytes:
        """The file with all changes."""
        return _pack(self._model)


def _kind(code: Any, names: dict[int, str]) -> str:
    builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
    kind = names.get(builtin, str(builtin))
    return f"CUSTOM {bytes(code.customCode or b'').decode()}" if kind == "CUSTOM" else kind


def _pack(model: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
