"""Memory plan of a model: a schedule of steps, and a place in the arena for all that they need.

The smallest arena is sought first. A schedule with fewer steps is preferred to it if it needs at
most _TOLERANCE more: a step costs the call of a kernel, and the rows around it are read again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.plan.flow import Flow
from pipeline.plan.lifetimes import Block, blocks_of, live_bytes
from pipeline.plan.placement import Layout, place
from pipeline.plan.schedule import Part, Span, parts_of
from pipeline.plan.search import ScheduleSearch

_TOLERANCE = 0.02
# Limits that are tried for a schedule with fewer steps, each nearer to the smallest arena.
_ATTEMPTS = 4
# A layout so near to the largest live set is not worth turning spans for.
_NEARLY = 1.01
# Spans that are turned upward and downward: those with the largest live sets.
_MOST_TURNED = 8
# Changes of a layout that are tried while spans are turned, and with those that turned out best.
_QUICK, _THOROUGH = 100, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """A schedule with its memory.

    Attributes:
        parts: the steps.
        blocks: all that needs memory.
        layout: where the blocks lie.
        bound_bytes: the largest live set; no layout for this schedule can be smaller.
    """

    parts: tuple[Part, ...]
    blocks: tuple[Block, ...]
    layout: Layout
    bound_bytes: int


def plan_memory(flow: Flow) -> MemoryPlan:
    """Find a schedule and a layout for a model.

    Args:
        flow: the model.
    """
    search = ScheduleSearch(flow)
    spans = search.smallest()
    smallest = _best_directions(flow, search, spans)
    floor = max((search.peak_bytes(span) for span in spans), default=0)
    allowed = int(smallest.layout.size_bytes * (1 + _TOLERANCE))
    limit = max(allowed, floor)
    for _ in range(_ATTEMPTS):
        cheaper = _best_directions(flow, search, search.cheapest(limit), allowed)
        if cheaper.layout.size_bytes <= allowed:
            return min(cheaper, smallest, key=lambda plan: len(plan.parts))
        # What could not be placed within the limit is left out of the next one.
        limit -= cheaper.layout.size_bytes - allowed
        if limit < floor:
            break
    return smallest


def _best_directions(
    flow: Flow, search: ScheduleSearch, spans: Sequence[Span], enough_bytes: int = 0
) -> MemoryPlan:
    """The plan of spans, each computed downward or upward such that the arena is small.

    Args:
        flow: the model.
        search: what is known of the spans.
        spans: the schedule.
        enough_bytes: a size of the arena that needs no improvement.
    """
    streams = [
        number
        for number, span in enumerate(spans)
        if search.steps(span) > search.layers(span) and search.may_turn(span)
    ]
    streams.sort(key=lambda number: -search.peak_bytes(spans[number]))
    streams = sorted(streams[:_MOST_TURNED])
    # A chain of layers zigzags best; where that is not enough, single spans and all that follow
    # are turned as long as it helps.
    changes = [frozenset(streams[1::2]), frozenset(streams[::2])]
    changes += [frozenset(streams[number:]) for number in range(len(streams))]
    changes += [frozenset([number]) for number in streams]
    turned = frozenset[int]()
    best = _lay_out(flow, spans, turned, _QUICK)
    for change in changes:
        if best.layout.size_bytes <= max(best.bound_bytes * _NEARLY, enough_bytes):
            break
        plan = _lay_out(flow, spans, turned ^ change, _QUICK)
        if plan.layout.size_bytes < best.layout.size_bytes:
            best, turned = plan, turned ^ change
    if best.layout.size_bytes == best.bound_bytes:
        return best
    return _lay_out(flow, spans, turned, _THOROUGH)


def _lay_out(flow: Flow, spans: Sequence[Span], upward: frozenset[int], changes: int) -> MemoryPlan:
    """The plan of spans, of which some are computed upward."""
    parts = [
        part
        for number, span in enumerate(spans)
        for part in parts_of(flow, dataclasses.replace(span, upward=number in upward))
    ]
    blocks = blocks_of(flow, parts)
    return MemoryPlan(
        parts=tuple(parts),
        blocks=tuple(blocks),
        layout=place(blocks, changes),
        bound_bytes=int(live_bytes(blocks).max()),
    )
