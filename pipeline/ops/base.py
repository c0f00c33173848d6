"""What every operator's file provides, and the records that its functions exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np

from pipeline.errors import UnsupportedModelError
from pipeline.ops.rows import RowWindow
from pipeline.records import Array, Graph, Op, OpKind, Tensor

# C types of parameters and constants, with the NumPy type that has the same range.
C_TYPES: Mapping[str, str] = {
    "int8_t": "int8",
    "uint8_t": "uint8",
    "int16_t": "int16",
    "uint16_t": "uint16",
    "int32_t": "int32",
    "uint32_t": "uint32",
}
# Of constants alone: parameters are integers, or float.
CONSTANT_TYPES: Mapping[str, str] = {**C_TYPES, "double": "float64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawOp:
    """An operator as it stands in the file.

    Attributes:
        kind, name: as in `records.Op`.
        inputs, outputs: the tensors; None for an absent optional input.
        options: the flatbuffer table of builtin options, or None.
    """

    kind: OpKind
    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Any = None

    @property
    def label(self) -> str:
        """Kind and name, as messages quote it."""
        return f"{self.kind.value} '{self.name}'"

    def options_as(self, table_class: Any) -> Any:
        """Read the builtin options as a class of the tflite schema package.

        Raises:
            UnsupportedModelError: the operator has no options.
        """
        if self.options is None:
            raise UnsupportedModelError(
                f"{self.label}: the file holds no options for this operator. "
                "It is damaged, or written by an unusual converter; convert the model again."
            )
        table = table_class()
        table.Init(self.options.Bytes, self.options.Pos)
        return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """An array that the generated code holds for one layer.

    Attributes:
        name: within the layer, e.g. "filter".
        c_type: key of CONSTANT_TYPES.
        values: flattened in C order.
        comment: layout and meaning, for readers of the generated code.
    """

    name: str
    c_type: str
    values: Array = field(compare=False, repr=False)
    comment: str = ""


# A field of the parameter struct: a number, several, the name of a Constant, or a struct.
FieldValue: TypeAlias = "int | float | tuple[int, ...] | str | tuple[Field, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One designated initialiser of a kernel's parameter struct."""

    name: str
    c_type: str
    value: FieldValue


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCall:
    """One call of a kernel: everything that a template prints, nothing left to compute.

    Attributes:
        function: C function of firmware/lib/kernels.
        header: the file that declares it.
        params_type: its parameter struct, without "struct".
        fields: the struct's contents.
        constants: arrays that fields refer to by name.
        tensors: tensor indices passed after the parameters, in order; inputs, then outputs.
        gathered: how many of `tensors`, from the first on, are passed together as one array of
            rings of rows; 0 where each is an argument of its own.
        rows: for a kernel that computes a range of rows, how many rows it counts in each of
            `tensors`: they are passed as rings of rows (firmware/lib/kernels/rows.h), and the
            range after them. Empty for a kernel that takes whole tensors as plain pointers.
        scratch_bytes: memory that the kernel may overwrite during a call, passed last, aligned
            to TENSOR_ALIGNMENT_BYTES; 0 for a kernel without that argument.
        keeps_scratch: whether the scratch has to stay as it is between the calls of a layer.
        in_place: whether the kernel reads each element before it writes it, so that the output
            may be an input of the same size.
    """

    function: str
    header: str
    params_type: str
    fields: tuple[Field, ...]
    constants: tuple[Constant, ...]
    tensors: tuple[int, ...]
    rows: tuple[int, ...] = ()
    scratch_bytes: int = 0
    keeps_scratch: bool = False
    in_place: bool = False
    gathered: int = 0


class OpModule(Protocol):
    """The functions of an operator's file."""

    def parse(self, raw: RawOp) -> object:
        """Return the attributes, checked as far as the operator alone allows.

        Of an operator in SPLIT_KINDS, a tuple with the attributes of each output.

        Raises UnsupportedModelError with the operator's label, the expectation, what was
        received, and the way out.
        """

    def macs(self, op: Op, graph: Graph) -> int:
        """Multiply-accumulates of one inference."""

    def row_windows(self, op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
        """For each computed input, the rows of it that an output row reads.

        EVERY_ROW where the operator takes in one row of its input after the other. None where
        it has to see its inputs whole, whatever its kernel.
        """

    def call(self, op: Op, graph: Graph) -> KernelCall:
        """The call of the portable kernel."""


class DspModule(Protocol):
    """The function of a file in ops/dsp."""

    def call(self, op: Op, graph: Graph) -> KernelCall | None:
        """The call of a DSP kernel, or None where no DSP kernel fits the layer."""


def field_of(name: str, c_type: str, value: FieldValue, label: str) -> Field:
    """Make a field after checking that its numbers fit its C type.

    Args:
        name, c_type, value: of the field.
        label: of the operator, for messages.
    Raises:
        UnsupportedModelError: a number is out of range.
    """
    if c_type in C_TYPES:
        info = np.iinfo(C_TYPES[c_type])
        numbers = value if isinstance(value, tuple) else (value,)
        for number in numbers:
            if isinstance(number, int) and not info.min <= number <= info.max:
                raise UnsupportedModelError(
                    f"{label}: {name} must be in {info.min} .. {info.max} for engine aot. "
                    f"Received: {number}. Use a smaller layer."
                )
    return Field(name=name, c_type=c_type, value=value)


def fields_of(label: str, **values: tuple[str, FieldValue]) -> tuple[Field, ...]:
    """Make several fields from name=(C type, value)."""
    return tuple(field_of(name, c_type, value, label) for name, (c_type, value) in values.items())


def label_of(op: Op) -> str:
    """Kind and name, as messages quote it."""
    return f"{op.kind.value} '{op.name}'"
