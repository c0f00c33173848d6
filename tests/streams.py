"""Plans that compute a chain of operators a few rows at a time, through rings of rows."""

from __future__ import annotations

from pipeline.ops.rows import num_rows, row_bytes
from pipeline.ops.table import kernel_call, rows_read, rows_written
from pipeline.records import (
    ARENA_ALIGNMENT_BYTES,
    DeployPlan,
    Extent,
    Graph,
    KernelTarget,
    Placement,
    Step,
)


def streamed(graph: Graph, target: KernelTarget, *, rows: int, spare: int) -> DeployPlan:
    """A plan in which no tensor between two operators exists whole, unless it has to.

    Args:
        graph: its operators each compute one tensor from rows of the others.
        target: whose kernels run it.
        rows: that the last operator computes at a time.
        spare: rows by which each ring is larger than it needs to be.
    """
    made = dict.fromkeys(range(len(graph.ops)), 0)
    makers = {op.outputs[0]: op for op in graph.ops}
    steps: list[Step] = []

    def make(position: int, end: int) -> None:
        op = graph.ops[position]
        while made[position] < end:
            first = made[position]
            last = min(end, first + rows) if position == len(graph.ops) - 1 else end
            for index, needed in rows_read(op, graph, first, last).items():
                if index in makers:
                    make(makers[index].index, needed.stop)
            steps.append(Step(op=position, first_row=first, end_row=last))
            made[position] = last

    make(len(graph.ops) - 1, num_rows(graph.tensors[graph.ops[-1].outputs[0]]))
    whole = {*graph.inputs, *graph.outputs}
    rings = {
        index: min(_rows_alive(graph, steps, index) + spare, num_rows(graph.tensors[index]))
        for index in makers
        if index not in whole
    }
    scratch = {
        op.index: call.scratch_bytes
        for op in graph.ops
        if (call := kernel_call(op, graph, target)) is not None and call.scratch_bytes
    }
    sizes = [
        *((index, None, graph.tensors[index].size_bytes) for index in sorted(whole)),
        *((index, ring, ring * row_bytes(graph.tensors[index])) for index, ring in rings.items()),
        *((None, op, size) for op, size in scratch.items()),
    ]
    placements = []
    offset = 0
    for index, extra, size in sizes:
        placements.append(
            Placement(
                tensors=() if index is None else (index,),
                offset_bytes=offset,
                size_bytes=size,
                extents=(Extent(-1, 0, size),),
                ring=None if index is None else extra,
                scratch_of=extra if index is None else None,
            )
        )
        offset += -(-size // ARENA_ALIGNMENT_BYTES) * ARENA_ALIGNMENT_BYTES
    return DeployPlan(
        graph=graph,
        target=target,
        steps=tuple(steps),
        placements=tuple(placements),
        arena_bytes=offset,
        lower_bound_bytes=offset,
        scratch_bytes=max(scratch.values(), default=0),
        macs=0,
        weights_bytes=0,
    )


def _rows_alive(graph: Graph, steps: list[Step], index: int) -> int:
    """The most rows of a tensor, from the first to the last, that are alive in one step."""
    reads = {}
    for time, step in enumerate(steps):
        for row in rows_read(graph.ops[step.op], graph, step.first_row, step.end_row).get(
            index, ()
        ):
            reads[row] = time
    alive: set[int] = set()
    most = 1
    for time, step in enumerate(steps):
        op = graph.ops[step.op]
        alive |= set(rows_written(op, graph, step.first_row, step.end_row).get(index, ()))
        most = max(most, max(alive, default=0) - min(alive, default=0) + 1)
        alive = {row for row in alive if reads.get(row, -1) > time}
    return most
