"""A plan for TensorFlow Lite Micro as JSON: what `espalier plan --engine tflm` prints."""

from __future__ import annotations

from typing import Any

from pipeline import __version__
from pipeline.records import Board, TflmPlan
from pipeline.report.memory import SCHEMA_VERSION, board_report
from pipeline.report.model import model_report, tensor_report


def tflm_plan_report(plan: TflmPlan, board: Board) -> dict[str, Any]:
    """Put a plan's figures together; keys as of a plan of engine aot where they mean the same."""
    graph, arena = plan.graph, plan.arena
    return {
        "schema": SCHEMA_VERSION,
        "pipeline": __version__,
        "engine": "tflm",
        "runtime": plan.runtime,
        "model": model_report(plan),
        "inputs": [tensor_report(graph.tensors[index]) for index in graph.inputs],
        "outputs": [tensor_report(graph.tensors[index]) for index in graph.outputs],
        "weights_bytes": plan.weights_bytes,
        "arena_bytes": arena.arena_bytes,
        "arena": {
            "head_bytes": arena.head_bytes,
            "tail_bytes": arena.tail_bytes,
            "used_bytes": arena.head_bytes + arena.tail_bytes,
            "peak_bytes": arena.peak_bytes,
        },
        "registrations": list(plan.registrations),
        "layers": [
            {
                "name": op.name,
                "kind": op.kind.value,
                "output_shape": list(graph.tensors[op.outputs[0]].shape),
                "macs": macs,
            }
            for op, macs in zip(graph.ops, plan.layer_macs, strict=True)
        ],
        "board": board_report(board),
    }
