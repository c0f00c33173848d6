"""A memory plan as JSON: what `espalier plan` prints and plan/plan.json holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pipeline import __version__
from pipeline.records import Board, DeployPlan, Placement
from pipeline.report.channels import channels_report
from pipeline.report.model import model_report, tensor_report

SCHEMA_VERSION = 2


def plan_report(
    plan: DeployPlan, layer_macs: Sequence[int], board: Board | None = None
) -> dict[str, Any]:
    """Put a plan's figures together.

    Args:
        plan: the plan.
        layer_macs: multiply-accumulates of each operator of the plan.
        board: adds what the board has beside what the model needs.
    """
    graph = plan.graph
    report = {
        "schema": SCHEMA_VERSION,
        "pipeline": __version__,
        "model": model_report(plan),
        "inputs": [tensor_report(graph.tensors[index]) for index in graph.inputs],
        "outputs": [tensor_report(graph.tensors[index]) for index in graph.outputs],
        "weights_bytes": plan.weights_bytes,
        "arena_bytes": plan.arena_bytes,
        "lower_bound_bytes": plan.lower_bound_bytes,
        "scratch_bytes": plan.scratch_bytes,
        "constant_channels": channels_report(plan.channels),
        "folded_padding": [dataclasses.asdict(pad) for pad in plan.folded_padding],
        "layers": [
            {
                "name": op.name,
                "kind": op.kind.value,
                "output_shape": list(graph.tensors[op.outputs[0]].shape),
                "macs": macs,
                "steps": len(steps_of(plan, op.index)),
                "live_bytes": max(
                    (live_bytes(plan, step) for step in steps_of(plan, op.index)), default=0
                ),
            }
            for op, macs in zip(graph.ops, layer_macs, strict=True)
        ],
        "steps": [[step.op, step.first_row, step.end_row] for step in plan.steps],
        "placements": [_placement(plan, place) for place in plan.placements],
    }
    if board is not None:
        report["board"] = board_report(board)
    return report


def board_report(board: Board) -> dict[str, Any]:
    """What a board has."""
    return {
        "name": board.name,
        "flash_bytes": board.flash_bytes,
        "ram_bytes": board.ram_bytes,
    }


def steps_of(plan: DeployPlan, op: int) -> list[int]:
    """Positions of an operator's steps in the schedule; none of one that is a view."""
    return [number for number, step in enumerate(plan.steps) if step.op == op]


def live_bytes(plan: DeployPlan, step: int) -> int:
    """Occupied bytes of all buffers during a step; -1 is before the first."""
    return sum(len(place.occupied(step)) for place in plan.placements)


def _placement(plan: DeployPlan, place: Placement) -> dict[str, Any]:
    return {
        "tensors": [plan.graph.tensors[index].name for index in place.tensors],
        "offset_bytes": place.offset_bytes,
        "size_bytes": place.size_bytes,
        "ring": place.ring,
        "scratch_of": place.scratch_of,
        "extents": [[e.step, e.first_byte, e.end_byte] for e in place.extents],
    }
