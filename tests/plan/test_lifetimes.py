"""Occupied bytes against a slow account of every row."""

from __future__ import annotations

import itertools

import pytest

from pipeline.plan.flow import Flow, Layer
from pipeline.plan.lifetimes import Block, blocks_of, live_bytes
from pipeline.plan.schedule import Part, parts_of
from tests.plan.flows import random_flow, random_spans


def rows_alive(flow: Flow, parts: list[Part]) -> list[list[set[int]]]:
    """For each buffer and each time the rows that have to be there."""
    end = len(parts)
    written: list[dict[int, int]] = [
        dict.fromkeys(range(buffer.rows), 0) if buffer.producer is None else {}
        for buffer in flow.buffers
    ]
    last_read: list[dict[int, int]] = [{} for _ in flow.buffers]
    for time, part in enumerate(parts, 1):
        layer = flow.layers[part.layer]
        for read in layer.reads:
            for row in read.rows(part.first, part.end):
                assert row in written[read.buffer]
                last_read[read.buffer][row] = time
        for row in _rows_written(layer, part):
            written[layer.output][row] = time
    return [
        [
            {
                row
                for row, birth in written[place].items()
                if birth <= time <= (end if buffer.is_output else last_read[place].get(row, birth))
            }
            for time in range(end + 1)
        ]
        for place, buffer in enumerate(flow.buffers)
    ]


def _rows_written(layer: Layer, part: Part) -> range:
    if layer.accumulates:
        return range(layer.factor if part.end == layer.units else 0)
    return range(part.first * layer.factor, part.end * layer.factor)


@pytest.mark.parametrize("seed", range(60))
def test_every_live_row_is_occupied_and_no_other_has_its_bytes(seed: int) -> None:
    flow = random_flow(seed)
    parts = [part for span in random_spans(flow, seed) for part in parts_of(flow, span)]
    alive = rows_alive(flow, parts)
    blocks = blocks_of(flow, parts)
    assert sorted(place for block in blocks for place in block.buffers) == list(
        range(len(flow.buffers))
    )
    for block in blocks:
        for time, part in enumerate([None, *parts]):
            regions = sorted(
                (*_region(flow, block, place, row), place)
                for place in block.buffers
                for row in alive[place][time]
            )
            for start, end, _ in regions:
                assert block.first[time] <= start < end <= block.end[time]
            for (start, end, place), (other_start, other_end, other) in itertools.pairwise(regions):
                if other_start < end:
                    # In place: the same bytes are read and written in the same step. A view
                    # may divide them into other rows.
                    assert start == other_start or end - start != other_end - other_start
                    assert part is not None
                    assert flow.layers[part.layer].output in (place, other)


def _region(flow: Flow, block: Block, place: int, row: int) -> tuple[int, int]:
    """First and end byte of a row in its block."""
    slot = row if block.ring is None else row % block.ring
    size = flow.buffers[place].row_bytes
    return slot * size, (slot + 1) * size


@pytest.mark.parametrize("seed", range(30))
def test_a_whole_buffer_occupies_no_more_than_it_has_to(seed: int) -> None:
    flow = random_flow(seed)
    parts = [part for span in random_spans(flow, seed) for part in parts_of(flow, span)]
    alive = rows_alive(flow, parts)
    for block in blocks_of(flow, parts):
        if block.ring is None and len(block.buffers) == 1:
            (place,) = block.buffers
            size = flow.buffers[place].row_bytes
            for time, rows in enumerate(alive[place]):
                bounds = (min(rows) * size, (max(rows) + 1) * size) if rows else (0, 0)
                assert (block.first[time], block.end[time]) == bounds


@pytest.mark.parametrize("seed", range(30))
def test_scratch_is_there_during_its_steps(seed: int) -> None:
    flow = random_flow(seed)
    parts = [part for span in random_spans(flow, seed) for part in parts_of(flow, span)]
    found = {block.scratch_of: block for block in blocks_of(flow, parts) if not block.buffers}
    wanted = {place for place, layer in enumerate(flow.layers) if layer.scratch_bytes}
    assert set(found) == wanted
    for place, block in found.items():
        assert place is not None
        layer = flow.layers[place]
        used = [time for time, part in enumerate(parts, 1) if part.layer == place]
        if layer.keeps_scratch:
            used = list(range(used[0], used[-1] + 1))
        for time, end in enumerate(block.end):
            assert end == (layer.scratch_bytes if time in used else 0)


@pytest.mark.parametrize("seed", range(30))
def test_spans_on_their_own_add_up_to_the_whole(seed: int) -> None:
    """What the search knows of a span is what it costs in the whole schedule, or nearly."""
    flow = random_flow(seed)
    spans = random_spans(flow, seed)
    alone = max(
        int(live_bytes(blocks_of(flow, parts_of(flow, span), span.first, span.last)).max())
        for span in spans
    )
    parts = [part for span in spans for part in parts_of(flow, span)]
    together = int(live_bytes(blocks_of(flow, parts)).max())
    assert together == pytest.approx(alone, rel=0.15)


def test_blocks_compare_without_their_arrays() -> None:
    flow = random_flow(1)
    parts = [part for span in random_spans(flow, 1) for part in parts_of(flow, span)]
    assert blocks_of(flow, parts) == blocks_of(flow, parts)
    assert isinstance(blocks_of(flow, parts)[0], Block)
