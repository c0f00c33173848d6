"""What a model would cost, as one JSON object; docs/profile.md describes every key."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import __version__
from pipeline.records import Board, DeployPlan, PlanEstimate
from pipeline.report.memory import live_bytes, steps_of

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What was profiled.

    Attributes:
        kind: "tflite", "keras" or "builder".
        name: of it.
        params: weights of a Keras model; None where the file does not say.
    """

    kind: str
    name: str
    params: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What estimates rest on.

    Attributes:
        core, toolchain: that costs were fitted on and with.
        errors: for models that took no part in the fit.
        holds: whether the board's core is such a one.
    """

    core: str
    toolchain: str
    errors: Mapping[str, Any]
    holds: bool


def profile_report(
    plan: DeployPlan,
    layer_macs: Sequence[int],
    estimate: PlanEstimate,
    board: Board,
    origin: Origin,
    basis: Basis,
) -> dict[str, Any]:
    """Put facts and estimates of a plan together.

    Args:
        plan: of the model, or of a stand-in of its shapes.
        layer_macs: multiply-accumulates of each operator.
        estimate: of the plan.
        board: where it would run.
        origin: what was profiled.
        basis: what the estimate rests on.
    """
    graph = plan.graph
    shapes = [list(graph.tensors[index].shape[1:]) for index in graph.inputs]
    return {
        "schema": SCHEMA_VERSION,
        "pipeline": __version__,
        "model": {
            "name": origin.name,
            "kind": origin.kind,
            "params": origin.params,
            "macs": plan.macs,
            "input_shapes": shapes,
            "weights": "its own" if origin.kind == "tflite" else "random stand-ins",
        },
        "board": {
            "name": board.name,
            "core": board.core,
            "clock_hz": board.clock_hz,
            "ram_bytes": board.ram_bytes,
            "flash_bytes": board.flash_bytes,
        },
        "arena_bytes": plan.arena_bytes,
        "weights_bytes": plan.weights_bytes,
        "too_large_for": _too_large_for(plan, estimate, board),
        "estimated": _estimated(estimate, plan, board, basis),
        "error": _errors(basis.errors),
        "layers": _layers(plan, layer_macs, estimate, basis),
    }


def _estimated(
    estimate: PlanEstimate, plan: DeployPlan, board: Board, basis: Basis
) -> dict[str, Any]:
    runtime = estimate.runtime_bytes
    instructions = estimate.instructions if basis.holds else None
    cycles = estimate.cycles if basis.holds else None
    # An emulated board has no time of its own, whatever its clock says.
    timed = cycles is not None and board.clock_hz is not None and board.clock != "instructions"
    return {
        "instructions": instructions,
        "cycles": cycles,
        "latency_ms": round(1000 * cycles / board.clock_hz, 3)
        if timed and cycles is not None and board.clock_hz
        else None,
        "runtime_bytes": runtime,
        "flash_bytes": None if runtime is None else plan.weights_bytes + runtime,
        "core": basis.core,
        "toolchain": basis.toolchain,
        "why_unknown": _why_unknown(estimate, board, basis),
    }


def _too_large_for(plan: DeployPlan, estimate: PlanEstimate, board: Board) -> list[str]:
    """Memories of the board that are too small for what is known; firmware takes more."""
    needs = (
        ("RAM", plan.arena_bytes, board.ram_bytes),
        ("flash", plan.weights_bytes + (estimate.runtime_bytes or 0), board.flash_bytes),
    )
    return [name for name, need, limit in needs if limit is not None and need > limit]


def _why_unknown(estimate: PlanEstimate, board: Board, basis: Basis) -> str | None:
    if not basis.holds:
        return (
            f"costs were fitted on a {basis.core}; what a {board.core} takes is not known. "
            "Measure it: espalier measure"
        )
    if estimate.unknown:
        return (
            f"nobody has fitted the costs of {', '.join(estimate.unknown)}. Measure the model: "
            "espalier deploy; or fit them: make costs"
        )
    return None


def _errors(errors: Mapping[str, Any]) -> dict[str, Any]:
    """How far off estimates were for models that took no part in the fit, as shares."""
    found: dict[str, Any] = {"models": len(errors["models"])}
    for kind in ("instructions", "cycles", "runtime_bytes"):
        shares = [abs(model[kind]) for model in errors["models"].values()]
        found[kind] = {"median": round(statistics.median(shares), 4), "largest": max(shares)}
    return found


def _layers(
    plan: DeployPlan, layer_macs: Sequence[int], estimate: PlanEstimate, basis: Basis
) -> list[dict[str, Any]]:
    needs = [
        max((live_bytes(plan, step) for step in steps_of(plan, op.index)), default=0)
        for op in plan.graph.ops
    ]
    fullest = max(needs, default=0)
    rows = zip(plan.graph.ops, layer_macs, estimate.layers, needs, strict=True)
    return [
        {
            "name": op.name,
            "kind": op.kind.value,
            "kernel": layer.function or None,
            "output_shape": list(plan.graph.tensors[op.outputs[0]].shape),
            "macs": macs,
            "weights_bytes": layer.weights_bytes,
            "live_bytes": live,
            "is_peak": live == fullest > 0,
            "estimated_instructions": layer.instructions if basis.holds else None,
            "estimated_cycles": layer.cycles if basis.holds else None,
        }
        for op, macs, layer, live in rows
    ]
