"""Memory plan of the tensor arena: buffers with lifetimes, put at offsets, near the bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.ops.base import KernelCall
from pipeline.records import ARENA_ALIGNMENT_BYTES, Graph, OpKind, Placement

# Reorderings that are tried where the first orders leave a gap to the lower bound.
_MOVES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """Memory that one or several tensors use one after the other.

    Attributes:
        tensors: their indices.
        size_bytes: of the largest, a multiple of ARENA_ALIGNMENT_BYTES.
        first_op, last_op: positions in the execution order, both inclusive; -1 is before
            the first operator.
        scratch_of: the operator whose scratch it is, instead of tensors.
    """

    tensors: tuple[int, ...]
    size_bytes: int
    first_op: int
    last_op: int
    scratch_of: int | None = None

    def overlaps(self, other: Buffer) -> bool:
        """Whether both are alive at some point."""
        return self.first_op <= other.last_op and other.first_op <= self.last_op


def buffers_of(graph: Graph, calls: Sequence[KernelCall | None]) -> tuple[Buffer, ...]:
    """Buffers of all computed tensors, with shared ones merged, and of the kernels' scratch.

    A RESHAPE's output is its input. The output of a kernel that may work in place takes
    over its input's buffer if nobody reads that input later.

    Args:
        graph: the model.
        calls: of its operators.
    """
    first_op, last_op = _lifetimes(graph)
    owner: dict[int, int] = {}
    members: dict[int, list[int]] = {}
    for index in graph.inputs:
        owner[index] = index
        members[index] = [index]
    for op in graph.ops:
        source = _shared_input(graph, op.index, calls, owner, members, last_op)
        for output in op.outputs:
            root = output if source is None else owner[source]
            owner[output] = root
            members.setdefault(root, []).append(output)
            if source is not None:
                last_op[root] = max(last_op[root], last_op[output])
    scratch = tuple(
        Buffer(
            tensors=(),
            size_bytes=_aligned(call.scratch_bytes),
            first_op=index,
            last_op=index,
            scratch_of=index,
        )
        for index, call in enumerate(calls)
        if call is not None and call.scratch_bytes
    )
    return scratch + tuple(
        Buffer(
            tensors=tuple(tensors),
            size_bytes=_aligned(max(graph.tensors[index].size_bytes for index in tensors)),
            first_op=first_op[root],
            last_op=last_op[root],
        )
        for root, tensors in members.items()
    )


def _lifetimes(graph: Graph) -> tuple[dict[int, int], dict[int, int]]:
    """First and last operator of every computed tensor."""
    first_op = dict.fromkeys(graph.inputs, -1)
    last_op = dict.fromkeys(graph.inputs, -1)
    for op in graph.ops:
        for index in op.inputs:
            if index in first_op:
                last_op[index] = op.index
        for index in op.outputs:
            first_op[index] = last_op[index] = op.index
    for index in graph.outputs:
        last_op[index] = len(graph.ops) - 1
    return first_op, last_op


def _shared_input(
    graph: Graph,
    position: int,
    calls: Sequence[KernelCall | None],
    owner: dict[int, int],
    members: dict[int, list[int]],
    last_op: dict[int, int],
) -> int | None:
    """The input whose buffer the operator's output takes over, or None."""
    op = graph.ops[position]
    if op.kind is OpKind.RESHAPE:
        return op.inputs[0]
    call = calls[position]
    if call is None or not call.in_place:
        return None
    size = graph.tensors[op.outputs[0]].size_bytes
    graph_outputs = set(graph.outputs)
    for index in op.inputs:
        # The whole buffer must end here: another tensor in it may be read later, or be an output.
        if (
            index in owner
            and graph.tensors[index].size_bytes == size
            and last_op[owner[index]] == position
            and not graph_outputs.intersection(members[owner[index]])
        ):
            return index
    return None


def _aligned(size: int) -> int:
    return -(-size // ARENA_ALIGNMENT_BYTES) * ARENA_ALIGNMENT_BYTES


def lower_bound_bytes(buffers: Sequence[Buffer]) -> int:
    """The largest live set: no plan for this order of operators can be smaller."""
    last = max((buffer.last_op for buffer in buffers), default=-1)
    return max(
        (
            sum(b.size_bytes for b in buffers if b.first_op <= position <= b.last_op)
            for position in range(-1, last + 1)
        ),
        default=0,
    )


def place(buffers: Sequence[Buffer]) -> tuple[Placement, ...]:
    """Give every buffer an offset such that buffers alive together never overlap.

    First fit by several orders; where none meets the lower bound, the buffer that ends
    highest is moved forward in the best order, again and again.
    """
    bound = lower_bound_bytes(buffers)
    orders = [
        sorted(buffers, key=lambda b: (-b.size_bytes, b.first_op)),
        sorted(buffers, key=lambda b: (b.first_op, -b.size_bytes)),
        sorted(buffers, key=lambda b: (b.first_op - b.last_op, -b.size_bytes)),
        sorted(buffers, key=lambda b: (-b.last_op, -b.size_bytes)),
    ]
    plans = [_first_fit(order) for order in orders]
    plan, order = min(zip(plans, orders, strict=True), key=lambda pair: arena_bytes(pair[0]))
    best = plan
    for move in range(_MOVES):
        if arena_bytes(best) == bound:
            break
        order = _highest_forward(order, plan, move)
        plan = _first_fit(order)
        if arena_bytes(plan) < arena_bytes(best):
            best = plan
    return tuple(sorted(best, key=lambda p: (p.first_op, p.offset_bytes)))


def _first_fit(order: Sequence[Buffer]) -> list[Placement]:
    """Place buffers one after the other, each at the lowest offset that is free for it."""
    placed: list[tuple[Buffer, int]] = []
    for buffer in order:
        offset = 0
        neighbours = [(at, at + b.size_bytes) for b, at in placed if b.overlaps(buffer)]
        for start, end in sorted(neighbours):
            if offset + buffer.size_bytes <= start:
                break
            offset = max(offset, end)
        placed.append((buffer, offset))
    return [
        Placement(
            tensors=buffer.tensors,
            offset_bytes=offset,
            size_bytes=buffer.size_bytes,
            first_op=buffer.first_op,
            last_op=buffer.last_op,
            scratch_of=buffer.scratch_of,
        )
        for buffer, offset in placed
    ]


def _highest_forward(order: Sequence[Buffer], plan: Sequence[Placement], move: int) -> list[Buffer]:
    """The order with the buffer that ends highest moved to an earlier place."""
    highest = max(range(len(plan)), key=lambda i: plan[i].offset_bytes + plan[i].size_bytes)
    target = highest * (move % 7) // 8
    reordered = list(order)
    reordered.insert(target, reordered.pop(highest))
    return reordered


def arena_bytes(placements: Sequence[Placement]) -> int:
    """Size of the arena that holds all placements."""
    return max((p.offset_bytes + p.size_bytes for p in placements), default=0)
