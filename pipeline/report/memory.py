"""A memory plan as JSON: what `espalier plan` prints and plan/plan.json holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline import __version__
from pipeline.records import Board, DeployPlan, Placement, Tensor
from pipeline.report.channels import channels_report

SCHEMA_VERSION = 1


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
        "model": {
            "name": graph.name,
            "sha256": graph.sha256,
            "tflite_bytes": graph.tflite_bytes,
            "macs": plan.macs,
        },
        "inputs": [_tensor(graph.tensors[index]) for index in graph.inputs],
        "outputs": [_tensor(graph.tensors[index]) for index in graph.outputs],
        "weights_bytes": plan.weights_bytes,
        "arena_bytes": plan.arena_bytes,
        "lower_bound_bytes": plan.lower_bound_bytes,
        "scratch_bytes": plan.scratch_bytes,
        "constant_channels": channels_report(plan.channels),
        "layers": [
            {
                "name": op.name,
                "kind": op.kind.value,
                "output_shape": list(graph.tensors[op.outputs[0]].shape),
                "macs": macs,
                "live_bytes": live_bytes(plan, op.index),
            }
            for op, macs in zip(graph.ops, layer_macs, strict=True)
        ],
        "placements": [_placement(plan, place) for place in plan.placements],
    }
    if board is not None:
        report["board"] = {
            "name": board.name,
            "flash_bytes": board.flash_bytes,
            "ram_bytes": board.ram_bytes,
        }
    return report


def live_bytes(plan: DeployPlan, op: int) -> int:
    """Bytes of all buffers that are alive while operator `op` runs."""
    return sum(
        place.size_bytes for place in plan.placements if place.first_op <= op <= place.last_op
    )


def _tensor(tensor: Tensor) -> dict[str, Any]:
    quant = tensor.quant
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "scale": None if quant is None else quant.scale[0],
        "zero_point": None if quant is None else quant.zero_point[0],
    }


def _placement(plan: DeployPlan, place: Placement) -> dict[str, Any]:
    return {
        "tensors": [plan.graph.tensors[index].name for index in place.tensors],
        "offset_bytes": place.offset_bytes,
        "size_bytes": place.size_bytes,
        "first_op": place.first_op,
        "last_op": place.last_op,
    }
