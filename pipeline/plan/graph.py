"""Read a .tflite file as a Graph, without TensorFlow; fold what is constant."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.ops.base import RawOp
from pipeline.ops.table import RESHAPE_KINDS, fold_op, parse_op
from pipeline.plan.file_model import FileModel
from pipeline.plan.int4 import unpack_int4
from pipeline.records import INT4, Array, Graph, Op, OpKind, QuantParams, Tensor

_FILE_IDENTIFIER = b"TFL3"

# Far more than any device holds; sizes and offsets of such tensors fit int32 in kernels.
_MOST_ELEMENTS = 1 << 28

# TFLite's TensorType codes whose values NumPy can hold, those of INT4 as int8.
_DTYPES = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
    10: "float64",
    17: INT4,
}
# The flatbuffers package checks nothing: a damaged file shows as any of these.
_DAMAGE = (
    AttributeError,
    IndexError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
    struct.error,
)
# For operators that reckon with the size of the batch.
_SLIM_FIRST = " Sizes of an open batch become constants by `espalier slim MODEL OUT.tflite`."
_FLOAT_DTYPES = ("float16", "float32", "float64")
# Operators at the edge between real and quantized values.
_EDGE_KINDS = ("DEQUANTIZE", "QUANTIZE")

_INPUT_DTYPES = ("int8", "uint8", "float32")
_OUTPUT_DTYPES = (*_INPUT_DTYPES, "int32", "int64")


def read_graph(path: Path) -> Graph:
    """Read a quantized .tflite file.

    Args:
        path: the file.
    Raises:
        ConfigError: the file cannot be read.
        UnsupportedModelError: it is no .tflite file, is damaged, is a float model, or holds
            an operator, type or shape that cannot be deployed; the message names it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the model '{path}': {error.strerror}.") from error
    return parse_graph(data, path.stem, str(path))


def parse_graph(data: bytes, name: str, origin: str) -> Graph:
    """Read the bytes of a .tflite file; see `read_graph`.

    Args:
        data: the bytes.
        name: of the graph.
        origin: where the bytes come from, for messages.
    """
    with intact(data, origin):
        return _Reader(data, name).graph()


def parse_file_model(data: bytes, name: str, origin: str, engine: str) -> FileModel:
    """Read the bytes of a .tflite file without changing anything; see `read_graph`.

    Args:
        data: the bytes.
        name: of the model.
        origin: where the bytes come from, for messages.
        engine: that messages about operators speak of.
    """
    with intact(data, origin):
        return _Reader(data, name, engine).file_model()


@contextmanager
def intact(data: bytes, origin: str) -> Iterator[None]:
    """Turn what a damaged file does to its reader into a message about the file."""
    if data[4:8] != _FILE_IDENTIFIER:
        raise UnsupportedModelError(
            f"'{origin}' is not a TensorFlow Lite model: bytes 4 to 8 must be 'TFL3'. "
            f"Received: {data[4:8]!r}. Give a .tflite file, or a .keras file with --data."
        )
    try:
        yield
    except _DAMAGE as error:
        raise UnsupportedModelError(
            f"'{origin}' is truncated or damaged: {error}. "
            f"Received: {len(data)} bytes. Copy or convert the model again."
        ) from error


class _Reader:
    """The parts of a flatbuffer, turned into records one after the other.

    Args:
        data: of the file.
        name: of the graph.
        engine: that messages about operators speak of.
    """

    def __init__(self, data: bytes, name: str, engine: str = "aot") -> None:
        import tflite

        self._data = data
        self._name = name
        self._engine = engine
        self._model: Any = tflite.Model.GetRootAsModel(data, 0)
        if self._model.SubgraphsLength() != 1:
            raise UnsupportedModelError(
                "the model must have one subgraph. "
                f"Received: {self._model.SubgraphsLength()}. "
                "Build it without control flow, or convert a single signature."
            )
        self._subgraph: Any = self._model.Subgraphs(0)
        self._op_names: dict[int, str] = {
            code: kind
            for kind, code in vars(tflite.BuiltinOperator).items()
            if isinstance(code, int)
        }

    def graph(self) -> Graph:
        """The graph, with what is constant folded."""
        tensors = self._tensors()
        inputs, outputs = self._ends(len(tensors))
        known = set(inputs) | {tensor.index for tensor in tensors if tensor.constant is not None}
        ops: list[Op] = []
        for raw in self._raw_ops(tensors, known):
            constant = fold_op(raw)
            if constant is not None:
                output = raw.outputs[0]
                tensors[output.index] = _with_constant(output, constant)
                continue
            ops += _ops(raw, len(ops))
        if not ops:
            raise UnsupportedModelError(
                "the model must compute something. Received: no operator that is not constant. "
                "Give the model of a network."
            )
        self._check_ends(tensors, inputs, outputs, known)
        return Graph(
            name=self._name,
            sha256=hashlib.sha256(self._data).hexdigest(),
            tflite_bytes=len(self._data),
            tensors=tuple(tensors),
            ops=tuple(ops),
            inputs=inputs,
            outputs=outputs,
        )

    def file_model(self) -> FileModel:
        """Everything as it stands in the file."""
        tensors = self._tensors()
        inputs, outputs = self._ends(len(tensors))
        known = set(inputs) | {tensor.index for tensor in tensors if tensor.constant is not None}
        ops = tuple(self._raw_ops(tensors, known))
        self._check_ends(tensors, inputs, outputs, known)
        return FileModel(
            name=self._name,
            data=self._data,
            tensors=tuple(tensors),
            ops=ops,
            inputs=inputs,
            outputs=outputs,
            metadata=self._metadata(),
        )

    def _tensors(self) -> list[Tensor]:
        return [self._tensor(index) for index in range(self._subgraph.TensorsLength())]

    def _ends(self, num_tensors: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Tensors that are the inputs and the outputs."""
        inputs = tuple(self._subgraph.Inputs(i) for i in range(self._subgraph.InputsLength()))
        outputs = tuple(self._subgraph.Outputs(i) for i in range(self._subgraph.OutputsLength()))
        self._check_indices(inputs, outputs, num_tensors)
        return inputs, outputs

    def _raw_ops(self, tensors: list[Tensor], known: set[int]) -> Iterator[RawOp]:
        """Operators in order; the caller may put a constant in place of an output."""
        operators = [self._subgraph.Operators(i) for i in range(self._subgraph.OperatorsLength())]
        self._check_kinds(operators)
        for operator in operators:
            raw = self._raw_op(operator, tensors)
            self._check_order(raw, known)
            known.update(tensor.index for tensor in raw.outputs)
            yield raw

    def _metadata(self) -> Mapping[str, bytes]:
        entries = [self._model.Metadata(i) for i in range(self._model.MetadataLength())]
        buffers = {
            (entry.Name() or b"").decode("utf-8", "replace"): self._model.Buffers(entry.Buffer())
            for entry in entries
        }
        return {
            name: b"" if buffer.DataLength() == 0 else buffer.DataAsNumpy().tobytes()
            for name, buffer in buffers.items()
        }

    def _tensor(self, index: int) -> Tensor:
        raw = self._subgraph.Tensors(index)
        name = (raw.Name() or b"").decode("utf-8", "replace")
        dtype = _DTYPES.get(raw.Type(), f"TensorType {raw.Type()}")
        shape = tuple(raw.Shape(i) for i in range(raw.ShapeLength()))
        if any(size < 0 for size in shape):
            raise UnsupportedModelError(
                f"tensor '{name}': the shape must be known. Received: {shape}. "
                "Convert the model with a fixed input shape."
            )
        if math.prod(shape) >= _MOST_ELEMENTS:
            raise UnsupportedModelError(
                f"tensor '{name}': must have fewer than 2**28 elements. Received: {shape}. "
                "Use a smaller layer."
            )
        if raw.Sparsity() is not None:
            raise UnsupportedModelError(
                f"tensor '{name}': sparse weights cannot be deployed. "
                "Received: a sparse tensor. Convert the model without sparsity."
            )
        return Tensor(
            index=index,
            name=name,
            shape=shape,
            dtype=dtype,
            quant=self._quant(raw, name, dtype),
            constant=self._constant(raw, name, shape, dtype),
        )

    def _quant(self, raw: Any, name: str, dtype: str) -> QuantParams | None:
        quant = raw.Quantization()
        if quant is None or quant.ScaleLength() == 0:
            return None
        scales = tuple(float(quant.Scale(i)) for i in range(quant.ScaleLength()))
        zero_points = tuple(int(quant.ZeroPoint(i)) for i in range(quant.ZeroPointLength()))
        if not all(math.isfinite(scale) and scale > 0 for scale in scales):
            raise UnsupportedModelError(
                f"tensor '{name}': scales must be finite and positive. "
                f"Received: {min(scales)} to {max(scales)}. Quantize the model again."
            )
        if len(zero_points) not in (0, 1, len(scales)):
            raise UnsupportedModelError(
                f"tensor '{name}': there must be as many zero points as scales. "
                f"Received: {len(zero_points)} and {len(scales)}. Convert the model again."
            )
        if len(zero_points) != len(scales):
            zero_points = (zero_points or (0,)) * len(scales)
        limits = np.iinfo(dtype) if dtype in ("int8", "uint8") else None
        if limits and not all(limits.min <= zero <= limits.max for zero in zero_points):
            raise UnsupportedModelError(
                f"tensor '{name}': zero points of {dtype} must be in {limits.min} .. "
                f"{limits.max}. Received: {min(zero_points)} to {max(zero_points)}. "
                "Convert the model again."
            )
        axis = quant.QuantizedDimension() if len(scales) > 1 else None
        return QuantParams(scale=scales, zero_point=zero_points, axis=axis)

    def _constant(self, raw: Any, name: str, shape: tuple[int, ...], dtype: str) -> Array | None:
        buffer = self._model.Buffers(raw.Buffer())
        if buffer is None or buffer.DataLength() == 0:
            return None
        if dtype not in _DTYPES.values():
            raise UnsupportedModelError(
                f"tensor '{name}': weights must be int8 and biases int32. Received: {dtype}. "
                "Quantize the model to full int8: espalier deploy MODEL.keras --data SPEC."
            )
        data = buffer.DataAsNumpy().tobytes()
        if dtype == INT4:
            values = unpack_int4(data, math.prod(shape))
        else:
            values = np.frombuffer(data, dtype=dtype)
        if values.size != math.prod(shape):
            raise UnsupportedModelError(
                f"tensor '{name}': {math.prod(shape)} values are expected for shape {shape}. "
                f"Received: {values.size}. The file is damaged; convert the model again."
            )
        return values.reshape(shape)

    def _check_kinds(self, operators: list[Any]) -> None:
        """Refuse unknown operators and float models, all of them in one message."""
        names = [self._kind_name(operator) for operator in operators]
        floats = [
            f"{kind} '{self._op_name(operator)}'"
            for kind, operator in zip(names, operators, strict=True)
            if kind not in _EDGE_KINDS and self._works_on_floats(operator)
        ]
        if floats:
            shown = ", ".join(floats[:5]) + (f" and {len(floats) - 5} more" if floats[5:] else "")
            raise UnsupportedModelError(
                f"every operator must work on integers for engine {self._engine}. "
                f"Received: float tensors at {shown}. Quantize to full int8, inputs and "
                "outputs included: espalier deploy MODEL.keras --data SPEC."
            )
        unknown = sorted({name for name in names if name not in OpKind.__members__})
        if unknown:
            supported = ", ".join(sorted(OpKind.__members__))
            raise UnsupportedModelError(
                f"operators that engine {self._engine} cannot run. Received: {', '.join(unknown)}. "
                f"Build the model from: {supported}.{_SLIM_FIRST if 'SHAPE' in names else ''}"
            )

    def _kind_name(self, operator: Any) -> str:
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        # Codes above 127 stand in the newer field; the older one then holds 127.
        builtin = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
        if code.CustomCode():
            return f"custom operator {code.CustomCode().decode('utf-8', 'replace')}"
        return self._op_names.get(builtin, f"operator code {builtin}")

    def _op_name(self, operator: Any) -> str:
        """Name of the first output."""
        if operator.OutputsLength() == 0:
            return ""
        name: bytes = self._subgraph.Tensors(operator.Outputs(0)).Name() or b""
        return _short_name(name.decode("utf-8", "replace"))

    def _works_on_floats(self, operator: Any) -> bool:
        indices = [operator.Inputs(i) for i in range(operator.InputsLength())]
        indices += [operator.Outputs(i) for i in range(operator.OutputsLength())]
        types = {self._subgraph.Tensors(i).Type() for i in indices if i >= 0}
        return any(_DTYPES.get(code) in _FLOAT_DTYPES for code in types)

    def _raw_op(self, operator: Any, tensors: list[Tensor]) -> RawOp:
        indices = [operator.Inputs(i) for i in range(operator.InputsLength())]
        outputs = [operator.Outputs(i) for i in range(operator.OutputsLength())]
        if any(index < -1 for index in indices):
            raise ValueError("an operator reads a tensor that does not exist")
        self._check_indices([i for i in indices if i >= 0], outputs, len(tensors))
        return RawOp(
            kind=OpKind[self._kind_name(operator)],
            name=self._op_name(operator),
            inputs=tuple(None if i < 0 else tensors[i] for i in indices),
            outputs=tuple(tensors[i] for i in outputs),
            options=operator.BuiltinOptions(),
        )

    def _check_indices(
        self, inputs: Sequence[int], outputs: Sequence[int], num_tensors: int
    ) -> None:
        for index in (*inputs, *outputs):
            if not 0 <= index < num_tensors:
                raise ValueError(f"tensor {index} of {num_tensors} does not exist")

    def _check_order(self, raw: RawOp, known: set[int]) -> None:
        for tensor in raw.inputs:
            if tensor is not None and tensor.index not in known:
                raise ValueError(f"{raw.label} reads tensor '{tensor.name}' before it exists")
        for tensor in raw.outputs:
            if tensor.index in known:
                raise ValueError(f"{raw.label} writes tensor '{tensor.name}' a second time")
        for tensor in (*raw.inputs, *raw.outputs):
            if tensor is not None and tensor.constant is None and tensor.num_elements == 0:
                raise UnsupportedModelError(
                    f"{raw.label}: tensor '{tensor.name}' must not be empty. "
                    f"Received: {tensor.shape}. Convert the model with a fixed input shape."
                )

    def _check_ends(
        self,
        tensors: list[Tensor],
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        known: set[int],
    ) -> None:
        """Check that outputs are computed, and that no type is one the firmware cannot hold."""
        if not inputs or not outputs or len(set(inputs)) != len(inputs):
            raise ValueError("the model has no inputs, no outputs, or an input twice")
        for what, indices, dtypes in (
            ("input", inputs, _INPUT_DTYPES),
            ("output", outputs, _OUTPUT_DTYPES),
        ):
            for index in indices:
                tensor = tensors[index]
                if tensor.dtype not in dtypes:
                    raise UnsupportedModelError(
                        f"{what} '{tensor.name}' must be {', '.join(dtypes[:-1])} or {dtypes[-1]}. "
                        f"Received: {tensor.dtype}. Convert with inference_{what}_type int8."
                    )
                if tensor.constant is not None or index not in known:
                    raise UnsupportedModelError(
                        f"{what} '{tensor.name}' must be computed by the model. Received: "
                        "a constant or a tensor that no operator writes. Convert again."
                    )


def _ops(raw: RawOp, first: int) -> list[Op]:
    """The operators that compute the outputs of one, numbered from `first` on."""
    parts = zip(raw.outputs, parse_op(raw), strict=True)
    return [
        Op(
            index=first + place,
            kind=OpKind.RESHAPE if raw.kind in RESHAPE_KINDS else raw.kind,
            name=_short_name(output.name),
            inputs=tuple(-1 if x is None else x.index for x in raw.inputs),
            outputs=(output.index,),
            attrs=attrs,
        )
        for place, (output, attrs) in enumerate(parts)
    ]


def _short_name(name: str) -> str:
    """The converter joins the names of fused operators by ';'."""
    return name.split(";")[0]


def _with_constant(tensor: Tensor, value: Array) -> Tensor:
    # Not ascontiguousarray, which makes a vector of a scalar.
    constant = np.array(value, order="C")
    constant.flags.writeable = False
    return Tensor(
        index=tensor.index,
        name=tensor.name,
        shape=tuple(value.shape),
        dtype=str(value.dtype),
        quant=tensor.quant,
        constant=constant,
    )
