"""Put a graph's memory plan and its sizes together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.ops.base import CONSTANT_TYPES, KernelCall
from pipeline.ops.table import kernel_call, macs_of
from pipeline.plan.check import check_plan
from pipeline.plan.flow import Flow, flow_of
from pipeline.plan.lifetimes import Block
from pipeline.plan.memory import MemoryPlan, plan_memory
from pipeline.records import DeployPlan, Extent, Graph, KernelTarget, Op, Placement, Step


def make_plan(graph: Graph, target: KernelTarget) -> DeployPlan:
    """Plan the schedule and the memory of a graph, and count what it costs.

    Args:
        graph: from `read_graph`.
        target: whose kernels run it.
    Raises:
        UnsupportedModelError: an operator's parameters do not fit its kernel.
    """
    calls = [kernel_call(op, graph, target) for op in graph.ops]
    flow = flow_of(graph, calls)
    memory = plan_memory(flow)
    plan = DeployPlan(
        graph=graph,
        target=target,
        steps=_steps(flow, memory),
        placements=_placements(flow, memory),
        arena_bytes=memory.layout.size_bytes,
        lower_bound_bytes=memory.bound_bytes,
        scratch_bytes=max((call.scratch_bytes for call in calls if call is not None), default=0),
        macs=sum(macs_of(op, graph) for op in graph.ops),
        weights_bytes=_weights_bytes(graph, calls),
    )
    check_plan(plan, calls)
    return plan


def _steps(flow: Flow, memory: MemoryPlan) -> tuple[Step, ...]:
    steps = []
    for part in memory.parts:
        layer = flow.layers[part.layer]
        whole = part.end - part.first == layer.units
        first, end = (0, layer.end_row) if whole else (part.first, part.end)
        steps.append(Step(op=layer.op, first_row=first, end_row=end))
    # A model of views alone computes nothing, and still has a step.
    return tuple(steps) or (Step(op=0, first_row=0, end_row=1),)


def _placements(flow: Flow, memory: MemoryPlan) -> tuple[Placement, ...]:
    placements = [
        Placement(
            tensors=tuple(
                sorted(t for place in block.buffers for t in flow.buffers[place].tensors)
            ),
            offset_bytes=offset,
            size_bytes=block.size_bytes,
            extents=_extents(block),
            ring=block.ring,
            scratch_of=None if block.scratch_of is None else flow.layers[block.scratch_of].op,
        )
        for block, offset in zip(memory.blocks, memory.layout.offsets, strict=True)
    ]
    return tuple(sorted(placements, key=lambda p: (p.extents[0].step, p.offset_bytes)))


def _extents(block: Block) -> tuple[Extent, ...]:
    """The block's occupied bytes, an entry for each change."""
    extents: list[Extent] = []
    previous = (0, 0)
    for time, bounds in enumerate(zip(block.first.tolist(), block.end.tolist(), strict=True)):
        if bounds != previous:
            extents.append(Extent(step=time - 1, first_byte=bounds[0], end_byte=bounds[1]))
        previous = bounds
    return tuple(extents)


def constants_bytes(op: Op, plan: DeployPlan) -> int:
    """Bytes of the constants that the generated code holds for one operator of a plan."""
    call = kernel_call(op, plan.graph, plan.target)
    return 0 if call is None else _constants_bytes(call)


def kernel_function(op: Op, plan: DeployPlan) -> str | None:
    """Name of the kernel that one operator of a plan calls; None where there is nothing to do."""
    call = kernel_call(op, plan.graph, plan.target)
    return None if call is None else call.function


def kernel_functions(plan: DeployPlan) -> frozenset[str]:
    """Names of the kernels that a plan calls."""
    functions = [kernel_function(op, plan) for op in plan.graph.ops]
    return frozenset(function for function in functions if function is not None)


def _constants_bytes(call: KernelCall) -> int:
    return sum(
        constant.values.size * np.dtype(CONSTANT_TYPES[constant.c_type]).itemsize
        for constant in call.constants
    )


def _weights_bytes(graph: Graph, calls: Sequence[KernelCall | None]) -> int:
    """Bytes of all constants that the generated code holds."""
    own_constants = sum(_constants_bytes(call) for call in calls if call is not None)
    operands = {
        index
        for call in calls
        if call is not None
        for index in call.tensors
        if graph.tensors[index].constant is not None
    }
    return own_constants + sum(graph.tensors[index].size_bytes for index in operands)
