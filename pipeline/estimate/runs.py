"""The kernel calls of a plan: which kernel, with which parameters, for which rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.ops.base import Field, KernelCall
from pipeline.ops.table import kernel_call
from pipeline.records import DeployPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRun:
    """All calls of one layer's kernel in one inference.

    Attributes:
        call: as the generated code has it.
        params: its parameter struct: numbers, tuples, structs as mappings, and the values of the
            constants that it points to.
        rings: rows that the buffer of each tensor holds at once; empty for a kernel that takes
            whole tensors.
        ranges: (first, end) of the rows that each call computes.
    """

    call: KernelCall
    params: Mapping[str, Any]
    rings: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]

    @property
    def calls(self) -> int:
        """How often the kernel is called."""
        return len(self.ranges)

    @property
    def rows(self) -> int:
        """Rows that all calls compute."""
        return sum(end - first for first, end in self.ranges)


def kernel_runs(plan: DeployPlan) -> tuple[KernelRun | None, ...]:
    """The calls of each operator of a plan; None for one that computes nothing."""
    ranges: dict[int, list[tuple[int, int]]] = {}
    for step in plan.steps:
        ranges.setdefault(step.op, []).append((step.first_row, step.end_row))
    rings = {index: place.ring for place in plan.placements for index in place.tensors}
    runs: list[KernelRun | None] = []
    for op in plan.graph.ops:
        call = kernel_call(op, plan.graph, plan.target)
        if call is None:
            runs.append(None)
            continue
        held = [
            rings.get(index) or rows for index, rows in zip(call.tensors, call.rows, strict=False)
        ]
        runs.append(
            KernelRun(
                call=call,
                params=_params(call),
                rings=tuple(held),
                ranges=tuple(ranges[op.index]),
            )
        )
    return tuple(runs)


def _params(call: KernelCall) -> dict[str, Any]:
    constants = {constant.name: constant.values for constant in call.constants}

    def value_of(field: Field) -> Any:
        value = field.value
        if isinstance(value, str):
            return constants[value]
        if isinstance(value, tuple) and value and isinstance(value[0], Field):
            return {part.name: value_of(part) for part in value if isinstance(part, Field)}
        return value

    return {field.name: value_of(field) for field in call.fields}
