"""What the templates print: names, numbers and C expressions, all worked out here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.ops.base import Constant, Field, KernelCall
from pipeline.ops.table import kernel_call, macs_of
from pipeline.records import (
    ARENA_ALIGNMENT_BYTES,
    Array,
    DeployPlan,
    Graph,
    Op,
    Placement,
    Step,
    Tensor,
)

_VALUES_PER_LINE = {
    "int8_t": 20,
    "uint8_t": 20,
    "int16_t": 14,
    "uint16_t": 14,
    "int32_t": 8,
    "uint32_t": 8,
    "double": 4,
}
_STEPS_PER_LINE = 6
_DTYPE_CONSTANTS = {
    "int8": "MODEL_INT8",
    "uint8": "MODEL_UINT8",
    "float32": "MODEL_FLOAT32",
    "int32": "MODEL_INT32",
    "int64": "MODEL_INT64",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayView:
    """One constant array: `rows` are lines of comma-separated values."""

    symbol: str
    c_type: str
    length: int
    comment: str
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerView:
    """One operator: a comment, the parameters as lines, and the call; call is "" for none."""

    index: int
    comment: str
    params_type: str
    params_symbol: str
    params_lines: tuple[str, ...]
    call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorView:
    """An input or output of the model."""

    name: str
    comment: str
    offset_bytes: int
    size_bytes: int
    dtype: str
    scale: str
    zero_point: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """The whole model."""

    name: str
    sha256: str
    arena_bytes: int
    arena_alignment: int
    inputs_bytes: int
    outputs_bytes: int
    inputs: tuple[TensorView, ...]
    outputs: tuple[TensorView, ...]
    headers: tuple[str, ...]
    arrays: tuple[ArrayView, ...]
    layers: tuple[LayerView, ...]
    num_steps: int
    step_type: str
    step_rows: tuple[str, ...]
    takes_rows: bool


def model_view(plan: DeployPlan) -> ModelView:
    """Everything that the templates print for a plan."""
    graph = plan.graph
    places = {index: place for place in plan.placements for index in place.tensors}
    scratch = {place.scratch_of: place.offset_bytes for place in plan.placements}
    calls = [(op, kernel_call(op, graph, plan.target)) for op in graph.ops]
    arrays = [
        _array_view(f"model_{op.index:02d}_{constant.name}", constant)
        for op, call in calls
        if call is not None
        for constant in call.constants
    ]
    arrays += [_operand_view(graph.tensors[index]) for index in _constant_operands(graph, calls)]
    return ModelView(
        name=comment_text(graph.name),
        sha256=graph.sha256,
        arena_bytes=plan.arena_bytes,
        arena_alignment=ARENA_ALIGNMENT_BYTES,
        inputs_bytes=sum(graph.tensors[index].size_bytes for index in graph.inputs),
        outputs_bytes=sum(graph.tensors[index].size_bytes for index in graph.outputs),
        inputs=tuple(_tensor_view(graph.tensors[i], places[i]) for i in graph.inputs),
        outputs=tuple(_tensor_view(graph.tensors[i], places[i]) for i in graph.outputs),
        headers=tuple(sorted({call.header for _, call in calls if call is not None})),
        arrays=tuple(arrays),
        layers=tuple(
            _layer_view(op, call, plan, places, scratch.get(op.index)) for op, call in calls
        ),
        num_steps=len(plan.steps),
        step_type=_step_type(plan.steps),
        step_rows=_step_rows(plan.steps),
        takes_rows=any(call.rows for _, call in calls if call is not None),
    )


def _constant_operands(graph: Graph, calls: list[tuple[Op, KernelCall | None]]) -> list[int]:
    """Constant tensors that are passed to a kernel as if they were computed."""
    used = {
        index
        for _, call in calls
        if call is not None
        for index in call.tensors
        if graph.tensors[index].constant is not None
    }
    return sorted(used)


def _layer_view(
    op: Op,
    call: KernelCall | None,
    plan: DeployPlan,
    places: Mapping[int, Placement],
    scratch: int | None,
) -> LayerView:
    comment = _layer_comment(op, plan)
    if call is None:
        return LayerView(
            index=op.index,
            comment=f"{comment}; shares its input's memory",
            params_type="",
            params_symbol="",
            params_lines=(),
            call="",
        )
    symbol = f"layer_{op.index:02d}"
    arguments = [f"&{symbol}", *_tensor_arguments(call, plan.graph, places)]
    if call.rows:
        arguments += ["first_row", "end_row"]
    if call.scratch_bytes:
        arguments.append(f"AT({scratch})")
    return LayerView(
        index=op.index,
        comment=comment,
        params_type=call.params_type,
        params_symbol=symbol,
        params_lines=tuple(
            f".{field.name} = {_initialiser(field, op.index)}," for field in call.fields
        ),
        call=f"{call.function}({', '.join(arguments)})",
    )


def _layer_comment(op: Op, plan: DeployPlan) -> str:
    graph = plan.graph
    inputs = ", ".join(_shape(graph.tensors[i]) for i in op.inputs if _is_computed(graph, i))
    output = _shape(graph.tensors[op.outputs[0]])
    macs = macs_of(op, graph)
    cost = f", {macs:,} MACs" if macs else ""
    pads = [comment_text(pad.name) for pad in plan.folded_padding if op.name in pad.layers]
    padding = f", with the padding of {', '.join(pads)}" if pads else ""
    name = comment_text(op.name)
    return f"{op.index}: {op.kind.value} {name}: {inputs} -> {output}{cost}{padding}"


def _is_computed(graph: Graph, index: int) -> bool:
    return index >= 0 and graph.tensors[index].constant is None


def _shape(tensor: Tensor) -> str:
    return "[" + ", ".join(str(size) for size in tensor.shape) + "]"


def comment_text(text: str) -> str:
    """A text as it may stand in a C comment, also at the end of its line.

    It is printable ASCII without comment marks, without trigraphs, and without backslashes or
    spaces at the end: a backslash there would draw the next line into the comment.
    """
    clean = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    clean = re.sub(r"\?(?=\?)", "? ", clean)
    return clean.replace("*/", "* /").replace("/*", "/ *").rstrip("\\ ")


def _tensor_arguments(call: KernelCall, graph: Graph, places: Mapping[int, Placement]) -> list[str]:
    if not call.rows:
        return [_address(graph.tensors[index], places) for index in call.tensors]
    arguments: list[str] = []
    for index, rows in zip(call.tensors, call.rows, strict=True):
        ring = places[index].ring if index in places else None
        macro = "OUTPUT_ROWS" if len(arguments) == len(call.tensors) - 1 else "INPUT_ROWS"
        address = _address(graph.tensors[index], places)
        arguments.append(f"{macro}({address}, {rows if ring is None else ring})")
    if call.gathered:
        together = ", ".join(arguments[: call.gathered])
        arguments[: call.gathered] = [f"(const struct input_rows[]){{{together}}}"]
    return arguments


def _address(tensor: Tensor, places: Mapping[int, Placement]) -> str:
    if tensor.constant is not None:
        return f"model_tensor_{tensor.index}"
    return f"AT({places[tensor.index].offset_bytes})"


def _step_type(steps: tuple[Step, ...]) -> str:
    """The C type that holds every number of the schedule: a table of many steps is flash."""
    largest = max((max(step.op, step.end_row) for step in steps), default=0)
    return "uint8_t" if largest <= np.iinfo(np.uint8).max else "uint16_t"


def _step_rows(steps: tuple[Step, ...]) -> tuple[str, ...]:
    texts = [f"{{{step.op}, {step.first_row}, {step.end_row}}}" for step in steps]
    return tuple(
        ", ".join(texts[at : at + _STEPS_PER_LINE]) for at in range(0, len(texts), _STEPS_PER_LINE)
    )


def _initialiser(field: Field, layer: int) -> str:
    value = field.value
    if isinstance(value, str):
        return f"model_{layer:02d}_{value}"
    if isinstance(value, tuple):
        parts = [
            f".{part.name} = {_initialiser(part, layer)}" if isinstance(part, Field) else str(part)
            for part in value
        ]
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, float):
        return _float_literal(value)
    # The literal -2147483648 is a long expression in C.
    return str(value) if value != -(1 << 31) else "INT32_MIN"


def _array_view(symbol: str, constant: Constant) -> ArrayView:
    return _rows_view(symbol, constant.c_type, constant.values, constant.comment)


def _operand_view(tensor: Tensor) -> ArrayView:
    assert tensor.constant is not None
    symbol = f"model_tensor_{tensor.index}"
    return _rows_view(symbol, f"{tensor.dtype}_t", tensor.constant, comment_text(tensor.name))


def _rows_view(symbol: str, c_type: str, values: Array, comment: str) -> ArrayView:
    flat = np.ravel(values).tolist()
    step = _VALUES_PER_LINE[c_type]
    texts = ["INT32_MIN" if value == -(1 << 31) else str(value) for value in flat]
    return ArrayView(
        symbol=symbol,
        c_type=c_type,
        length=len(flat),
        comment=comment,
        rows=tuple(", ".join(texts[at : at + step]) for at in range(0, len(texts), step)),
    )


def _tensor_view(tensor: Tensor, place: Placement) -> TensorView:
    quant = tensor.quant
    scale = 1.0 if quant is None else quant.scale[0]
    return TensorView(
        name=comment_text(tensor.name),
        comment=f"{tensor.dtype} {_shape(tensor)}",
        offset_bytes=place.offset_bytes,
        size_bytes=tensor.size_bytes,
        dtype=_DTYPE_CONSTANTS[tensor.dtype],
        scale=_float_literal(scale),
        zero_point=0 if quant is None else quant.zero_point[0],
    )


def _float_literal(value: float) -> str:
    """A float32 in C, with as many digits as it takes to be that very value."""
    text = f"{np.float32(value):.9g}"
    return (text if "." in text or "e" in text else f"{text}.0") + "f"
