"""Put a graph's memory plan and its sizes together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.ops.base import CONSTANT_TYPES, KernelCall
from pipeline.ops.table import kernel_call, macs_of
from pipeline.plan.memory import arena_bytes, buffers_of, lower_bound_bytes, place
from pipeline.records import DeployPlan, Graph, KernelTarget, Step


def make_plan(graph: Graph, target: KernelTarget) -> DeployPlan:
    """Plan the memory of a graph and count what it costs.

    Args:
        graph: from `read_graph`.
        target: whose kernels run it.
    Raises:
        UnsupportedModelError: an operator's parameters do not fit its kernel.
    """
    calls = [kernel_call(op, graph, target) for op in graph.ops]
    buffers = buffers_of(graph, calls)
    placements = place(buffers)
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
        target=target,
        steps=_whole_steps(calls),
        placements=placements,
        arena_bytes=arena_bytes(placements),
        lower_bound_bytes=lower_bound_bytes(buffers),
        scratch_bytes=max((call.scratch_bytes for call in calls if call is not None), default=0),
        macs=sum(macs_of(op, graph) for op in graph.ops),
        weights_bytes=own_constants + sum(graph.tensors[i].size_bytes for i in operands),
    )


def _whole_steps(calls: Sequence[KernelCall | None]) -> tuple[Step, ...]:
    """The schedule that computes one operator after the other."""
    return tuple(
        Step(op=index, first_row=0, end_row=call.rows[-1] if call is not None and call.rows else 1)
        for index, call in enumerate(calls)
    )
