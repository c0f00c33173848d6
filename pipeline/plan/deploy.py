"""Put a graph's memory plan and its sizes together."""

from __future__ import annotations

import numpy as np

from pipeline.ops.base import CONSTANT_TYPES
from pipeline.ops.table import kernel_call, macs_of
from pipeline.plan.memory import arena_bytes, buffers_of, lower_bound_bytes, place
from pipeline.records import DeployPlan, Graph


def make_plan(graph: Graph) -> DeployPlan:
    """Plan the memory of a graph and count what it costs.

    Args:
        graph: from `read_graph`.
    Raises:
        UnsupportedModelError: an operator's parameters do not fit its kernel.
    """
    buffers = buffers_of(graph)
    placements = place(buffers)
    calls = [kernel_call(op, graph) for op in graph.ops]
    own_constants = sum(
        constant.values.size * np.dtype(CONSTANT_TYPES[constant.c_type]).itemsize
        for call in calls
        if call is not None
        for constant in call.constants
    )
    operands = {
        index
        for call in calls
        if call is not None
        for index in call.tensors
        if graph.tensors[index].constant is not None
    }
    return DeployPlan(
        graph=graph,
        placements=placements,
        arena_bytes=arena_bytes(placements),
        lower_bound_bytes=lower_bound_bytes(buffers),
        scratch_bytes=0,
        macs=sum(macs_of(op, graph) for op in graph.ops),
        weights_bytes=own_constants + sum(graph.tensors[i].size_bytes for i in operands),
    )
