"""What engine and generated code take of the flash, beside the weights.

Kernels share functions with each other and with the compiler's library, so their sizes do not add
up: each kernel has the names of all functions that an image with it holds, and a model's image
holds those of all its kernels, once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.estimate.costs import Costs
from pipeline.ops.base import C_TYPES, Field
from pipeline.ops.table import kernel_call
from pipeline.records import DeployPlan

_POINTER_BYTES = 4
# struct model_tensor of the generated model.h.
_TENSOR_BYTES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the size of a model's own code depends on.

    Attributes:
        functions: kernels that it calls.
        table_bytes: parameters, schedule, inputs and outputs.
        layers: operators with a call.
        arguments: of all these calls.
    """

    functions: tuple[str, ...]
    table_bytes: int
    layers: int
    arguments: int


def parts_of(plan: DeployPlan) -> Parts:
    """The parts of a plan's generated code."""
    graph = plan.graph
    found = [kernel_call(op, graph, plan.target) for op in graph.ops]
    calls = [call for call in found if call is not None]
    largest = max((max(step.op, step.end_row) for step in plan.steps), default=0)
    step_bytes = 3 if largest <= np.iinfo(np.uint8).max else 6
    tables = [struct_bytes(call.fields) for call in calls]
    tables += [_TENSOR_BYTES * (len(graph.inputs) + len(graph.outputs))]
    return Parts(
        functions=tuple(sorted({call.function for call in calls})),
        table_bytes=sum(tables) + step_bytes * len(plan.steps),
        layers=len(calls),
        arguments=sum(
            # A ring of rows is two words; such a kernel takes a range, too.
            len(call.tensors) * (2 if call.rows else 1) + (2 if call.rows else 0)
            for call in calls
        ),
    )


def runtime_bytes(plan: DeployPlan, costs: Costs) -> int | None:
    """Flash of engine, kernels and generated code; None where a kernel's size is not known."""
    parts = parts_of(plan)
    known = [costs.kernels.get(function) for function in parts.functions]
    if None in known:
        return None
    names = set[str]().union(*(kernel.symbols for kernel in known if kernel))
    code = sum(costs.symbol_bytes[name] for name in names)
    own = costs.layer_bytes * parts.layers + costs.argument_bytes * parts.arguments
    return round(code + parts.table_bytes + own + costs.base_bytes)


def struct_bytes(fields: Iterable[Field]) -> int:
    """Size of a C struct on a core with words of 32 bits."""
    return _layout(fields)[0]


def _layout(fields: Iterable[Field]) -> tuple[int, int]:
    """Size and alignment of a C struct."""
    size, widest = 0, 1
    for field in fields:
        one, alignment, count = _field_bytes(field)
        size = -(-size // alignment) * alignment + one * count
        widest = max(widest, alignment)
    return -(-size // widest) * widest, widest


def _field_bytes(field: Field) -> tuple[int, int, int]:
    """Size and alignment of an element of a field, and how many it has."""
    value = field.value
    if isinstance(value, tuple) and value and isinstance(value[0], Field):
        size, alignment = _layout(part for part in value if isinstance(part, Field))
        return size, alignment, 1
    width = np.dtype(C_TYPES[field.c_type]).itemsize if field.c_type in C_TYPES else _POINTER_BYTES
    return width, width, len(value) if isinstance(value, tuple) else 1
