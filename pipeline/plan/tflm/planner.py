"""TFLM's greedy memory planner: how large the head of the arena becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """A tensor or scratch buffer that the planner places.

    Attributes:
        size_bytes: rounded up to the arena's alignment.
        first, last: operators (counted from 1; 0 is before the first) between which it is there.
        offset_bytes: where an offline plan in the file puts it; None where it does not.
    """

    size_bytes: int
    first: int
    last: int
    offset_bytes: int | None = None


@dataclass(slots=True)
class _Placed:
    buffer: Buffer
    offset: int

    @property
    def end(self) -> int:
        return self.offset + self.buffer.size_bytes


def head_bytes(buffers: Sequence[Buffer]) -> int:
    """Bytes of the head for these buffers, in the order in which TFLM adds them."""
    offsets = greedy_offsets(buffers)
    ends = (offset + buffer.size_bytes for offset, buffer in zip(offsets, buffers, strict=True))
    return max(ends, default=0)


def greedy_offsets(buffers: Sequence[Buffer]) -> list[int]:
    """Where each buffer comes to lie.

    Args:
        buffers: in the order in which TFLM adds them.
    Source: TFLM `GreedyMemoryPlanner` (micro/memory_planner/greedy_memory_planner.cc); the same
    placement, buffer for buffer.
    """
    placed: list[_Placed] = []
    offsets = [0] * len(buffers)
    for number in _in_order(buffers):
        buffer = buffers[number]
        offset = buffer.offset_bytes
        if offset is None:
            offset = _first_gap(placed, buffer)
        offsets[number] = offset
        # After those at the same offset: the list that TFLM walks has that order.
        place = next((n for n, entry in enumerate(placed) if entry.offset > offset), len(placed))
        placed.insert(place, _Placed(buffer, offset))
    return offsets


def _in_order(buffers: Sequence[Buffer]) -> list[int]:
    """Those with a fixed place, then the others: larger first, of equal ones the later first."""
    numbers = range(len(buffers))
    fixed = [number for number in numbers if buffers[number].offset_bytes is not None]
    free = [number for number in numbers if buffers[number].offset_bytes is None]
    return fixed + sorted(reversed(free), key=lambda number: -buffers[number].size_bytes)


def _first_gap(placed: Sequence[_Placed], wanted: Buffer) -> int:
    offset = 0
    for entry in placed:
        if entry.buffer.first > wanted.last or wanted.first > entry.buffer.last:
            continue
        if entry.offset - offset >= wanted.size_bytes:
            break
        offset = max(offset, entry.end)
    return offset
