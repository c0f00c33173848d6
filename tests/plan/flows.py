"""Flows of random models, for tests of the planner."""

from __future__ import annotations

import dataclasses

import numpy as np

from pipeline.ops.base import KernelCall
from pipeline.ops.table import kernel_call
from pipeline.plan.flow import Flow, flow_of
from pipeline.plan.graph import parse_graph
from pipeline.plan.schedule import Span
from pipeline.records import Graph, KernelTarget
from tests.small_models import image_network


def random_model(seed: int, operators: int = 12) -> tuple[Graph, list[KernelCall | None]]:
    """A random graph, and calls of which some want scratch."""
    graph = parse_graph(image_network(seed, operators), "random", "random")
    rng = np.random.default_rng(seed)
    calls: list[KernelCall | None] = []
    for op in graph.ops:
        call = kernel_call(op, graph, KernelTarget.PORTABLE)
        if call is not None and rng.integers(2):
            call = dataclasses.replace(call, scratch_bytes=int(rng.integers(1, 300)))
        calls.append(call)
    return graph, calls


def random_flow(seed: int, operators: int = 12) -> Flow:
    """The flow of a random model."""
    return flow_of(*random_model(seed, operators))


def random_spans(flow: Flow, seed: int) -> list[Span]:
    """Any schedule: spans of any length, bands and direction."""
    rng = np.random.default_rng(seed)
    spans = []
    first = 0
    while first < len(flow.layers):
        last = min(first + int(rng.integers(1, 8)), len(flow.layers)) - 1
        bands = tuple(
            int(rng.integers(1, layer.units + 1)) if rng.integers(2) else 1
            for layer in flow.layers[first : last + 1]
        )
        # Rows that are added up come in their order.
        may_turn = not any(layer.accumulates for layer in flow.layers[first : last + 1])
        upward = may_turn and bool(rng.integers(2))
        spans.append(Span(first=first, last=last, bands=bands, upward=upward))
        first = last + 1
    return spans
