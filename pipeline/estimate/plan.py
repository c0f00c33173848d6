"""Estimates of a whole plan, layer by layer."""

from __future__ import annotations

import numpy as np

from pipeline.estimate.costs import Costs, cost_of
from pipeline.estimate.runs import KernelRun, kernel_runs
from pipeline.estimate.runtime import runtime_bytes
from pipeline.ops.base import CONSTANT_TYPES
from pipeline.records import DeployPlan, Graph, LayerEstimate, PlanEstimate


def estimate_plan(plan: DeployPlan, costs: Costs) -> PlanEstimate:
    """Estimate every layer of a plan from the calls that its generated code makes."""
    layers = []
    counted: set[int] = set()
    for run in kernel_runs(plan):
        if run is None:
            layers.append(LayerEstimate(function="", weights_bytes=0, instructions=0, cycles=0))
            continue
        instructions, cycles = cost_of(run, costs) or (None, None)
        layers.append(
            LayerEstimate(
                function=run.call.function,
                weights_bytes=_weights_bytes(run, plan.graph, counted),
                instructions=instructions,
                cycles=cycles,
            )
        )
    return PlanEstimate(layers=tuple(layers), runtime_bytes=runtime_bytes(plan, costs))


def _weights_bytes(run: KernelRun, graph: Graph, counted: set[int]) -> int:
    """Constants of a call; operands that several share count where the first reads them."""
    own = sum(
        constant.values.size * np.dtype(CONSTANT_TYPES[constant.c_type]).itemsize
        for constant in run.call.constants
    )
    operands = {index for index in run.call.tensors if graph.tensors[index].constant is not None}
    new = operands - counted
    counted |= operands
    return own + sum(graph.tensors[index].size_bytes for index in new)
