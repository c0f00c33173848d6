"""What values a tensor can have: bounds that nothing leaves."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.plan.constant_channels.intervals import reaches_of
from tests.exact import ReferenceTensors, samples
from tests.plan.constant_channels.networks import (
    Network,
    parse,
    slim,
)
from tests.plan.constant_channels.random_network import random_network


def test_absurd_scales_are_refused() -> None:
    net = Network()
    with pytest.raises(UnsupportedModelError, match="scaled results must stay below"):
        slim(net.end(net.x, filter_scale=1e9, output=(1e-9, 0)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_value_leaves_its_bounds(seed: int) -> None:
    tflite = random_network(seed)
    graph = parse(tflite)
    reaches = reaches_of(graph)
    reference = ReferenceTensors(tflite)
    for x in samples(graph, seed, count=2):
        reference.run(graph, x)
        for op in graph.ops:
            values, reach = reference.read(op.outputs[0]), reaches[op.outputs[0]]
            assert (values >= reach.low).all(), op.kind
            assert (values <= reach.high).all(), op.kind
