"""Run a plan on an arena of labels: every byte knows which byte of which tensor lies in it.

This shares no code with the planner, so that a mistake there shows here and not on a device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.ops.base import KernelCall
from pipeline.ops.rows import num_rows, row_bytes
from pipeline.ops.table import rows_read, rows_written
from pipeline.records import TENSOR_ALIGNMENT_BYTES, DeployPlan, Step

# A label is the tensor's number times this, plus the byte's; negative for anything else.
_MOST_BYTES = 1 << 32
_GARBAGE = -1

# What a kernel may do with a byte; a row's number for a row that it may write over in place.
_UNUSED = -1
_READ = -2
_WRITTEN = -3


class PlanError(AssertionError):
    """The planner has made a plan that would compute nonsense: a bug of the pipeline."""


def check_plan(plan: DeployPlan, calls: Sequence[KernelCall | None]) -> None:
    """Check that every step finds what it reads, and that the outputs are there in the end.

    Args:
        plan: to be checked.
        calls: the kernel call of each operator.
    Raises:
        PlanError: a step reads a byte that was overwritten or never computed, its rows or its
            scratch overlap, a row is computed twice or never, or something lies outside the
            arena.
    """
    _Run(plan, calls).run()


class _Run:
    def __init__(self, plan: DeployPlan, calls: Sequence[KernelCall | None]) -> None:
        self._plan, self._graph, self._calls = plan, plan.graph, calls
        self._arena = np.full(plan.arena_bytes, _GARBAGE, dtype=np.int64)
        # During a step, what its kernel does with each byte.
        self._use = np.full(plan.arena_bytes, _UNUSED, dtype=np.int64)
        self._places = {index: place for place in plan.placements for index in place.tensors}
        # A view has the labels of the tensor that it shows.
        self._origin = list(range(len(plan.graph.tensors)))
        for op, call in zip(plan.graph.ops, calls, strict=True):
            if call is None:
                self._origin[op.outputs[0]] = self._origin[op.inputs[0]]
        self._computed: set[tuple[int, int]] = set()
        # Of operators that take in their rows in order, how far they are.
        self._ended: dict[int, int] = {}

    def run(self) -> None:
        for place in self._plan.placements:
            inside = 0 <= place.offset_bytes <= len(self._arena) - place.size_bytes
            aligned = place.offset_bytes % TENSOR_ALIGNMENT_BYTES == 0
            self._require(inside and aligned, f"{place} does not fit the arena")
        for index, row in self._rows_of(self._graph.inputs):
            self._arena[self._bytes(index, row)] = self._labels(index, row)
        for number, step in enumerate(self._plan.steps):
            call = self._calls[step.op]
            if call is not None:
                self._run_step(step, call, f"step {number}, {step}")
        for op, call in zip(self._graph.ops, self._calls, strict=True):
            if call is not None:
                missing = set(self._rows_of(op.outputs)) - self._computed
                self._require(not missing, f"{op.name} lacks rows: {sorted(missing)}")
        for index, row in self._rows_of(self._graph.outputs):
            self._require(self._holds(index, row), f"row {row} of output {index} is lost")

    def _run_step(self, step: Step, call: KernelCall, what: str) -> None:
        op, graph = self._graph.ops[step.op], self._graph
        read = list(_rows(rows_read(op, graph, step.first_row, step.end_row)))
        written = list(_rows(rows_written(op, graph, step.first_row, step.end_row)))
        result = graph.tensors[op.outputs[0]]
        if call.keeps_scratch:
            self._require(step.first_row == self._ended.get(step.op, 0), f"{what}: out of order")
            self._ended[step.op] = step.end_row
        for index, row in read:
            self._require(self._holds(index, row), f"{what}: row {row} of {index} is not there")
            tensor = graph.tensors[index]
            like = (num_rows(tensor), row_bytes(tensor)) == (num_rows(result), row_bytes(result))
            self._use[self._bytes(index, row)] = row if call.in_place and like else _READ
        for index, row in written:
            use = self._use[self._bytes(index, row)]
            free = np.all(use == _UNUSED) or np.all(use == row)
            self._require(bool(free), f"{what}: row {row} overwrites what the step reads")
            self._require((index, row) not in self._computed, f"{what}: row {row} again")
            self._computed.add((index, row))
        for index, row in written:
            self._use[self._bytes(index, row)] = _WRITTEN
        self._use_scratch(step, call, what)
        for index, row in written:
            self._arena[self._bytes(index, row)] = self._labels(index, row)
        for index, row in read + written:
            self._use[self._bytes(index, row)] = _UNUSED

    def _use_scratch(self, step: Step, call: KernelCall, what: str) -> None:
        """Overwrite the scratch of a step; where it is kept, check what the step before left."""
        found = [place for place in self._plan.placements if place.scratch_of == step.op]
        self._require(len(found) == (call.scratch_bytes > 0), f"{what}: scratch")
        for place in found:
            self._require(place.size_bytes >= call.scratch_bytes, f"{what}: scratch")
            region = slice(place.offset_bytes, place.offset_bytes + place.size_bytes)
            self._require(bool(np.all(self._use[region] == _UNUSED)), f"{what}: scratch")
            if call.keeps_scratch and step.first_row > 0:
                kept = np.all(self._arena[region] == _GARBAGE - step.op - 1)
                self._require(bool(kept), f"{what}: its scratch is lost")
            self._arena[region] = _GARBAGE - (step.op + 1 if call.keeps_scratch else 0)

    def _rows_of(self, tensors: Sequence[int]) -> Iterator[tuple[int, int]]:
        return _rows({index: range(num_rows(self._graph.tensors[index])) for index in tensors})

    def _bytes(self, index: int, row: int) -> slice:
        """Where a row lies in the arena."""
        place, size = self._places[index], row_bytes(self._graph.tensors[index])
        slot = row if place.ring is None else row % place.ring
        start = place.offset_bytes + slot * size
        return slice(start, start + size)

    def _labels(self, index: int, row: int) -> npt.NDArray[np.int64]:
        size = row_bytes(self._graph.tensors[index])
        return np.arange(row * size, (row + 1) * size) + self._origin[index] * _MOST_BYTES

    def _holds(self, index: int, row: int) -> bool:
        return np.array_equal(self._arena[self._bytes(index, row)], self._labels(index, row))

    def _require(self, condition: bool, message: str) -> None:
        if not condition:
            raise PlanError(f"the plan of {self._graph.name} is wrong: {message}")


def _rows(ranges: Mapping[int, range]) -> Iterator[tuple[int, int]]:
    return ((index, row) for index, rows in ranges.items() for row in rows)
