"""Read a .tflite file as a Graph, without TensorFlow; fold what is constant."""

from __future__ import annotations

import hashlib
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
from pipeline.plan.file_tensors import dtype_of, read_tensor
from pipeline.records import Array, Graph, Op, OpKind, Tensor

_FILE_IDENTIFIER = b"TFL3"

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
    """Turn what a damaged file does to its reader into a message about the file.

    Args:
        data: the bytes of the file.
        origin: where they come from, for messages.
    Raises:
        UnsupportedModelError: it is no .tflite file, or reading it failed.
    """
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
        """The graph, with what is constant folded.

        Raises:
            UnsupportedModelError: see `read_graph`.
        """
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
        count = self._subgraph.TensorsLength()
        return [read_tensor(self._model, self._subgraph, index) for index in range(count)]

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
        types = {dtype_of(self._subgraph.Tensors(i)) for i in indices if i >= 0}
        return not types.isdisjoint(_FLOAT_DTYPES)

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
