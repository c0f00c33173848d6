"""Which bytes of each buffer are occupied at each step of a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.plan.flow import Flow, Read
from pipeline.plan.schedule import Part
from pipeline.records import TENSOR_ALIGNMENT_BYTES

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Something that needs memory: buffers that take it over from each other, or scratch.

    Attributes:
        buffers: positions in `Flow.buffers`; empty for scratch.
        scratch_of: position of the layer whose scratch it is, or None.
        ring: rows that it holds, or None where it holds its buffers whole.
        size_bytes: of the block.
        first, end: occupied bytes at each time, `first` to `end` - 1 from the block's start; none
            where both are equal. Time 0 is before the first step, time t during step t - 1.
    """

    buffers: tuple[int, ...]
    scratch_of: int | None
    ring: int | None
    size_bytes: int
    first: IntArray = field(compare=False, repr=False)
    end: IntArray = field(compare=False, repr=False)


def blocks_of(
    flow: Flow, parts: Sequence[Part], first_layer: int = 0, last_layer: int | None = None
) -> list[Block]:
    """Everything that needs memory while some layers run.

    Args:
        flow: the model.
        parts: their steps.
        first_layer, last_layer: the layers, by default all. What earlier ones computed for them
            or for later ones is there, and what later ones need stays.
    """
    last_layer = len(flow.layers) - 1 if last_layer is None else last_layer
    return _Timeline(flow, parts, first_layer, last_layer).blocks()


def live_bytes(blocks: Sequence[Block]) -> IntArray:
    """Bytes that any placement needs at each time.

    Blocks begin at whole words. Each counts the words whose first byte it occupies: no two blocks
    can have the same.
    """
    word = TENSOR_ALIGNMENT_BYTES
    total = np.zeros_like(blocks[0].first)
    for block in blocks:
        total += (-(-block.end // word) + -block.first // word) * word
    return total


@dataclass(frozen=True, slots=True)
class _Rows:
    """Occupied rows of one buffer at each time: first to end - 1, none where both are 0."""

    first: IntArray
    end: IntArray


class _Timeline:
    """The steps of some layers, seen from the buffers."""

    def __init__(
        self, flow: Flow, parts: Sequence[Part], first_layer: int, last_layer: int
    ) -> None:
        self._flow = flow
        self._first_layer, self._last_layer = first_layer, last_layer
        self._times = np.arange(len(parts) + 1)
        by_layer: dict[int, list[tuple[int, int, int]]] = {}
        for time, part in enumerate(parts, 1):
            by_layer.setdefault(part.layer, []).append((time, part.first, part.end))
        # (time, first unit, end unit) of each step of a layer, in order of time.
        self._steps = {layer: np.array(steps) for layer, steps in by_layer.items()}
        self._rows = {
            place: self._occupied(place)
            for place in range(len(flow.buffers))
            if self._is_there(place)
        }
        self._blocks: dict[tuple[int, ...], Block] = {}

    def blocks(self) -> list[Block]:
        """Everything that needs memory."""
        blocks = [self._block(group) for group in self._groups()]
        return blocks + [
            self._scratch(layer) for layer in self._steps if self._flow.layers[layer].scratch_bytes
        ]

    def _runs(self, layer: int | None) -> bool:
        return layer is not None and self._first_layer <= layer <= self._last_layer

    def _is_there(self, place: int) -> bool:
        """Whether the buffer needs memory at any time."""
        buffer = self._flow.buffers[place]
        if buffer.producer is not None and buffer.producer >= self._first_layer:
            return self._runs(buffer.producer)
        # An input is loaded even if no one reads it.
        loaded = buffer.producer is None and self._first_layer == 0
        return loaded or buffer.is_output or max(buffer.consumers, default=-1) >= self._first_layer

    def _stays(self, place: int) -> bool:
        """Whether the whole buffer is needed after the last step."""
        buffer = self._flow.buffers[place]
        return buffer.is_output or max(buffer.consumers, default=-1) > self._last_layer

    def _occupied(self, place: int) -> _Rows:
        """Rows that are there and still needed, or are just being written."""
        buffer = self._flow.buffers[place]
        first, end = self._needed(place)
        written = None
        if buffer.producer is not None and self._runs(buffer.producer):
            written = self._written(buffer.producer)
            there_first, there_end = _accumulated(written, self._times)
            first, end = np.maximum(first, there_first), np.minimum(end, there_end)
        none = end <= first
        first, end = np.where(none, buffer.rows, first), np.where(none, 0, end)
        if written is not None:
            time = written[:, 0]
            first[time] = np.minimum(first[time], written[:, 1])
            end[time] = np.maximum(end[time], written[:, 2])
        elif buffer.producer is None and self._first_layer == 0:
            first[0], end[0] = 0, buffer.rows
        none = end <= first
        return _Rows(np.where(none, 0, first), np.where(none, 0, end))

    def _written(self, layer: int) -> IntArray:
        """(time, first row, end row) of each step of a layer that writes rows of its output."""
        description, steps = self._flow.layers[layer], self._steps[layer]
        if description.accumulates:
            return np.array([[steps[-1, 0], 0, description.factor]])
        scaled: IntArray = steps * np.array([1, description.factor, description.factor])
        return scaled

    def _needed(self, place: int) -> tuple[IntArray, IntArray]:
        """Rows of a buffer that the step at each time or a later one reads."""
        buffer = self._flow.buffers[place]
        if self._stays(place):
            return np.zeros_like(self._times), np.full_like(self._times, buffer.rows)
        first = np.full_like(self._times, buffer.rows)
        end = np.zeros_like(self._times)
        for consumer in filter(self._runs, buffer.consumers):
            steps = self._steps[consumer]
            following = np.searchsorted(steps[:, 0], self._times, "left")
            for read in self._flow.layers[consumer].reads:
                if read.buffer == place:
                    starts, stops = _still_read(read, steps, buffer.rows)
                    first = np.minimum(first, starts[following])
                    end = np.maximum(end, stops[following])
        return first, end

    def _groups(self) -> list[tuple[int, ...]]:
        """Groups of buffers, each of which takes over the rows of one before it.

        Of the ways to work in place, each layer takes the one with the smallest peak, then with
        the least memory over time.
        """
        groups: dict[int, tuple[int, ...]] = {place: (place,) for place in self._rows}
        total = sum(map(self._live, groups.values()), np.zeros_like(self._times))
        for layer in sorted(self._steps):
            output = groups[self._flow.layers[layer].output]
            sources = self._flow.layers[layer].in_place
            ways: list[tuple[int, int, tuple[int, ...], IntArray]]
            ways = [(int(total.max()), int(total.sum()), (), total)]
            for place in sources:
                source = groups[place]
                if source != output and self._hands_over(place, layer):
                    joined = tuple(sorted(source + output))
                    live = total - self._live(source) - self._live(output) + self._live(joined)
                    ways.append((int(live.max()), int(live.sum()), joined, live))
            _, _, joined, total = min(ways, key=lambda way: way[:2])
            groups.update(dict.fromkeys(joined, joined))
        return sorted(set(groups.values()))

    def _live(self, group: tuple[int, ...]) -> IntArray:
        return live_bytes([self._block(group)])

    def _hands_over(self, source: int, layer: int) -> bool:
        """Whether each row of `source` is read for the last time when `layer` writes that row."""
        if self._stays(source):
            return False
        rows, written = self._rows[source], self._written(layer)
        row_bytes = self._flow.buffers[source].row_bytes
        # Of the last step there is no time afterwards: nothing is left then.
        first, end = np.append(rows.first, 0) * row_bytes, np.append(rows.end, 0) * row_bytes
        after = written[:, 0] + 1
        row_bytes = self._flow.buffers[self._flow.layers[layer].output].row_bytes
        starts, stops = written[:, 1] * row_bytes, written[:, 2] * row_bytes
        return bool(np.all((first[after] >= stops) | (end[after] <= starts)))

    def _block(self, group: tuple[int, ...]) -> Block:
        if group not in self._blocks:
            self._blocks[group] = self._new_block(group)
        return self._blocks[group]

    def _new_block(self, group: tuple[int, ...]) -> Block:
        """The memory of a group: a ring where not all rows are ever there together."""
        buffers = [self._flow.buffers[place] for place in group]
        size = buffers[0].rows * buffers[0].row_bytes
        first = np.full_like(self._times, size)
        end = np.zeros_like(self._times)
        for place, buffer in zip(group, buffers, strict=True):
            rows = self._rows[place]
            alive = rows.end > rows.first
            first = np.where(alive, np.minimum(first, rows.first * buffer.row_bytes), first)
            end = np.maximum(end, rows.end * buffer.row_bytes)
        alive = end > first
        first = np.where(alive, first, 0)
        ring = None
        most = int((end - first).max())
        if most < size and all(map(self._may_ring, group)):
            # Rows go round in it: it is there as a whole from the first of them to the last.
            ring, size = most // buffers[0].row_bytes, most
            times = np.flatnonzero(alive)
            first, end = np.zeros_like(first), np.zeros_like(end)
            end[times[0] : times[-1] + 1] = size
        return Block(
            buffers=group,
            scratch_of=None,
            ring=ring,
            size_bytes=size,
            first=first,
            end=end,
        )

    def _may_ring(self, place: int) -> bool:
        """Whether the buffer may hold some of its rows only: it is not handed on whole."""
        buffer = self._flow.buffers[place]
        return buffer.may_ring and self._runs(buffer.producer) and not self._stays(place)

    def _scratch(self, layer: int) -> Block:
        """The scratch of a layer: there during its steps, and between them if it has to stay."""
        size = self._flow.layers[layer].scratch_bytes
        end = np.zeros_like(self._times)
        times = self._steps[layer][:, 0]
        end[times] = size
        if self._flow.layers[layer].keeps_scratch:
            end[times[0] : times[-1] + 1] = size
        return Block(
            buffers=(),
            scratch_of=layer,
            ring=None,
            size_bytes=size,
            first=np.zeros_like(end),
            end=end,
        )


def _accumulated(steps: IntArray, times: IntArray) -> tuple[IntArray, IntArray]:
    """First and end unit of what a layer has computed by the end of each time."""
    count = np.searchsorted(steps[:, 0], times, "right")
    upward = steps[0, 1] > steps[-1, 1]
    start = steps[0, 2] if upward else steps[0, 1]
    first = np.append(start, np.minimum.accumulate(steps[:, 1]))
    end = np.append(start, np.maximum.accumulate(steps[:, 2]))
    return first[count], end[count]


def _still_read(read: Read, steps: IntArray, height: int) -> tuple[IntArray, IntArray]:
    """First and end row of what each step and all after it read, and of what none reads."""
    starts, stops = read.limits(steps[:, 1], steps[:, 2])
    starts = np.where(stops > starts, starts, height)
    starts = np.minimum.accumulate(np.append(starts, height)[::-1])[::-1]
    return starts, np.maximum.accumulate(np.append(stops, 0)[::-1])[::-1]
