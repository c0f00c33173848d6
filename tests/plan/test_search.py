"""Schedules that the search finds, against those that it must not be worse than."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.ops.table import kernel_call
from pipeline.plan.flow import Flow, flow_of
from pipeline.plan.graph import parse_graph
from pipeline.plan.schedule import Span
from pipeline.plan.search import ScheduleSearch
from pipeline.records import KernelTarget
from tests import one_op
from tests.plan.flows import random_flow
from tests.small_models import image
from tests.tflite_models import ModelBuilder


def peak(search: ScheduleSearch, spans: list[Span]) -> int:
    return max(map(search.peak_bytes, spans))


def partitions(count: int) -> Iterator[list[tuple[int, int]]]:
    """All ways to cut a sequence of layers into spans."""
    for cuts in itertools.product((False, True), repeat=count - 1):
        starts = [0, *(place + 1 for place, cut in enumerate(cuts) if cut)]
        yield [(start, end - 1) for start, end in zip(starts, [*starts[1:], count], strict=True)]


def small_flow(seed: int) -> Flow:
    return random_flow(seed, operators=6)


@pytest.mark.parametrize("seed", range(20))
def test_no_other_spans_need_less_memory(seed: int) -> None:
    flow = small_flow(seed)
    search = ScheduleSearch(flow)
    smallest = search.smallest()
    assert [span.first for span in smallest] == [
        0,
        *(span.last + 1 for span in smallest[:-1]),
    ]
    assert smallest[-1].last == len(flow.layers) - 1
    best = min(
        max(search.peak_bytes(_single_rows(*ends)) for ends in spans)
        for spans in partitions(len(flow.layers))
    )
    # Layers that see their inputs whole end a span for the search, which may cost a few bytes.
    assert peak(search, smallest) <= best * 1.02


def _single_rows(first: int, last: int) -> Span:
    return Span(first=first, last=last, bands=(1,) * (last - first + 1))


@pytest.mark.parametrize("seed", range(20))
def test_the_cheapest_stays_within_the_limit(seed: int) -> None:
    flow = random_flow(seed)
    search = ScheduleSearch(flow)
    smallest = search.smallest()
    steps = sum(map(search.steps, smallest))
    bound = peak(search, smallest)
    for limit in (bound, int(bound * 1.1), 10 * bound):
        cheaper = search.cheapest(limit)
        assert peak(search, cheaper) <= limit
        assert sum(map(search.steps, cheaper)) <= steps
        steps = sum(map(search.steps, cheaper))


def test_with_plenty_of_memory_every_layer_has_one_step() -> None:
    flow = random_flow(5)
    search = ScheduleSearch(flow)
    spans = search.cheapest(1 << 30)
    assert sum(map(search.steps, spans)) == len(flow.layers)


def test_a_chain_through_a_wide_image_needs_rows_only() -> None:
    """A stem, a depthwise and a pointwise layer with stride: nothing large is ever whole."""
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = image(builder, (1, 32, 32, 3))
    stem = one_op.conv_2d(builder, rng, x, channels=16)
    deep = one_op.depthwise_conv_2d(builder, rng, stem, stride=(2, 2))
    thin = one_op.conv_2d(builder, rng, deep, channels=8, kernel=(1, 1))
    graph = parse_graph(builder.build([x], [thin]), "chain", "chain")
    calls = [kernel_call(op, graph, KernelTarget.PORTABLE) for op in graph.ops]
    search = ScheduleSearch(flow_of(graph, calls))
    (span,) = search.smallest()
    image_bytes, stem_row, deep_row = 32 * 32 * 3, 32 * 16, 16 * 16
    # The input as a whole, three rows of the stem, one of the depthwise layer; the output grows
    # into the rows of the input that are read.
    assert search.peak_bytes(span) <= image_bytes + 3 * stem_row + deep_row + 8 * 16
    assert search.peak_bytes(span) >= image_bytes + 2 * stem_row
