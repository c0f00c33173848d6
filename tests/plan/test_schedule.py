"""Schedules: every row once, and after the rows that it needs."""

from __future__ import annotations

import pytest

from pipeline.plan.flow import Flow
from pipeline.plan.schedule import Part, Span, parts_of
from tests.plan.flows import random_flow, random_spans


@pytest.mark.parametrize("seed", range(60))
def test_every_row_once_and_after_what_it_needs(seed: int) -> None:
    flow = random_flow(seed)
    done: dict[int, set[int]] = {place: set() for place in range(len(flow.layers))}
    for span in random_spans(flow, seed):
        for part in parts_of(flow, span):
            assert span.first <= part.layer <= span.last
            assert part.end - part.first <= span.bands[part.layer - span.first]
            _compute(flow, part, done)
        for place in range(span.first, span.last + 1):
            assert done[place] == set(range(flow.layers[place].units))


def _compute(flow: Flow, part: Part, done: dict[int, set[int]]) -> None:
    layer = flow.layers[part.layer]
    for read in layer.reads:
        producer = flow.buffers[read.buffer].producer
        if producer is not None:
            before = flow.layers[producer]
            rows = read.rows(part.first, part.end)
            needed = {row // before.factor for row in rows}
            if before.accumulates and rows:
                needed = set(range(before.units))
            assert needed <= done[producer]
    units = set(range(part.first, part.end))
    assert units.isdisjoint(done[part.layer])
    done[part.layer] |= units


@pytest.mark.parametrize("upward", [False, True])
def test_rows_follow_each_other_in_one_direction(upward: bool) -> None:
    flow = next(
        flow
        for flow in map(random_flow, range(100))
        if not any(layer.accumulates for layer in flow.layers)
    )
    last = len(flow.layers) - 1
    span = Span(first=0, last=last, bands=(1,) * (last + 1), upward=upward)
    for place, layer in enumerate(flow.layers):
        rows = [part.first for part in parts_of(flow, span) if part.layer == place]
        assert rows == (list(range(layer.units))[::-1] if upward else list(range(layer.units)))
