"""Small .tflite files, built tensor by tensor without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.plan.int4 import pack_int4
from pipeline.records import INT4

# Operator versions that TFLite's converter writes for int8; the interpreter refuses others.
_VERSIONS: Mapping[str, int] = {
    "ADD": 2,
    "ARG_MAX": 2,
    "AVERAGE_POOL_2D": 2,
    "CONCATENATION": 2,
    "CONV_2D": 5,
    "DEPTHWISE_CONV_2D": 3,
    "DEPTH_TO_SPACE": 1,
    "DEQUANTIZE": 2,
    "FULLY_CONNECTED": 5,
    "LEAKY_RELU": 2,
    "LOGISTIC": 2,
    "MAXIMUM": 2,
    "MAX_POOL_2D": 2,
    "MEAN": 2,
    "MINIMUM": 2,
    "MUL": 2,
    "PACK": 2,
    "PAD": 2,
    "QUANTIZE": 2,
    "REDUCE_MAX": 2,
    "RELU": 2,
    "RELU6": 2,
    "RESIZE_BILINEAR": 3,
    "RESIZE_NEAREST_NEIGHBOR": 3,
    "SLICE": 2,
    "SOFTMAX": 2,
    "SPACE_TO_DEPTH": 2,
    "SPLIT": 2,
    "SPLIT_V": 2,
    "STRIDED_SLICE": 2,
    "SUB": 3,
    "TANH": 2,
    "TILE": 2,
    "TRANSPOSE": 2,
    "TRANSPOSE_CONV": 3,
    "UNPACK": 2,
}
ACTIVATIONS: Mapping[str, int] = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3, "TANH": 4}
PADDINGS: Mapping[str, int] = {"SAME": 0, "VALID": 1}

Scales = float | Sequence[float]


def unpacked(tflite: bytes) -> Any:
    """A file as the schema's objects."""
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromPackedBuf(tflite)


class ModelBuilder:
    """Collects tensors and operators of one subgraph, then packs them.

    Example:
        builder = ModelBuilder()
        x = builder.tensor("x", (1, 8), scale=0.5)
        y = builder.tensor("y", (1, 8), scale=1 / 256, zero_point=-128)
        builder.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=1.0)
        data = builder.build([x], [y])
    """

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema: Any = schema
        self.model: Any = schema.ModelT()
        self.model.version = 3
        self.model.description = b"espalier test model"
        # Buffer 0 is the empty one of every computed tensor.
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.subgraph: Any = schema.SubGraphT()
        self.subgraph.name = b"main"
        self.subgraph.tensors = []
        self.subgraph.operators = []
        self.model.subgraphs = [self.subgraph]

    def tensor(
        self,
        name: str | bytes,
        shape: Sequence[int],
        *,
        dtype: str = "int8",
        scale: Scales | None = None,
        zero_point: int | Sequence[int] = 0,
        axis: int = 0,
        signature: Sequence[int] | None = None,
    ) -> int:
        """Add a tensor; without `scale` it has no quantization. Returns its index."""
        tensor = self._schema.TensorT()
        tensor.name = name.encode() if isinstance(name, str) else name
        tensor.shape = list(shape)
        tensor.shapeSignature = None if signature is None else list(signature)
        tensor.type = getattr(self._schema.TensorType, dtype.upper())
        if scale is not None:
            quant = self._schema.QuantizationParametersT()
            quant.scale = np.atleast_1d(np.asarray(scale, dtype=np.float32)).tolist()
            quant.zeroPoint = np.broadcast_to(np.atleast_1d(zero_point), len(quant.scale)).tolist()
            quant.quantizedDimension = axis
            tensor.quantization = quant
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def constant(
        self,
        name: str,
        values: npt.ArrayLike,
        *,
        dtype: str = "int8",
        scale: Scales | None = None,
        zero_point: int | Sequence[int] = 0,
        axis: int = 0,
    ) -> int:
        """Add a tensor with a value. Returns its index."""
        array = np.asarray(values, dtype="int8" if dtype == INT4 else dtype)
        index = self.tensor(
            name, array.shape, dtype=dtype, scale=scale, zero_point=zero_point, axis=axis
        )
        buffer = self._schema.BufferT()
        data = pack_int4(array) if dtype == INT4 else array.tobytes()
        buffer.data = np.frombuffer(data, dtype=np.uint8)
        self.model.buffers.append(buffer)
        self.subgraph.tensors[index].buffer = len(self.model.buffers) - 1
        return index

    def tensor_type(self, dtype: str) -> int:
        """TFLite's code of a type."""
        return int(getattr(self._schema.TensorType, dtype.upper()))

    def is_int8(self, index: int) -> bool:
        """Whether a tensor holds int8 values."""
        return bool(self.subgraph.tensors[index].type == self._schema.TensorType.INT8)

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: str | None = None,
        **values: object,
    ) -> Any:
        """Add an operator whose options table gets `values` as attributes; returns it."""
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._code_index(kind)
        operator.inputs = list(inputs)
        operator.outputs = list(outputs)
        if options is not None:
            table = getattr(self._schema, f"{options}T")()
            for name, value in values.items():
                assert hasattr(table, name), f"{options} has no {name}"
                setattr(table, name, value)
            operator.builtinOptions = table
            operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, options)
        self.subgraph.operators.append(operator)
        return operator

    def _code_index(self, kind: str) -> int:
        builtin = getattr(self._schema.BuiltinOperator, kind)
        for index, known in enumerate(self.model.operatorCodes):
            if known.builtinCode == builtin:
                return index
        code = self._schema.OperatorCodeT()
        code.builtinCode = builtin
        # Codes above 127 do not fit the older field, which then holds 127.
        code.deprecatedBuiltinCode = min(builtin, 127)
        code.version = _VERSIONS.get(kind, 1)
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def build(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The bytes of the file."""
        import flatbuffers

        self.subgraph.inputs = list(inputs)
        self.subgraph.outputs = list(outputs)
        packer = flatbuffers.Builder(1024)
        packer.Finish(self.model.Pack(packer), file_identifier=b"TFL3")
        return bytes(packer.Output())
