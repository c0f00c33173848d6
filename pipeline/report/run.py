"""The report of a whole run as one JSON object; docs/report.md describes every key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline import __version__
from pipeline.records import Board, FlashPart
from pipeline.report.verdict import at, gates

SCHEMA_VERSION = 2


def run_report(
    name: str,
    config: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    board: Board,
    budget: Mapping[str, Any] | None = None,
    image: Mapping[str, Any] | None = None,
    flash_parts: Sequence[FlashPart] = (),
    provenance: Mapping[str, Any] | None = None,
    failure: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Put the facts of all stages together.

    Args:
        name: of the run.
        config: all sections of its run.toml.
        facts: "train", "prune" and "quantize", facts.json of these stages; "plan", plan.json;
            "deployment", the JSON object of pipeline/report/deployment.py. What a run has not got,
            or did not come to, is not there.
        board: where the model goes.
        budget: of [prune]: "limits" by name, and "accuracy" or None; None without one.
        image: "size" of the build's size.json; None for a host's.
        flash_parts: of the firmware.
        provenance: where all of it comes from.
        failure: what ended the run before its end: its "message"; None for nothing.
    """
    report = {
        "schema": SCHEMA_VERSION,
        "pipeline": __version__,
        "name": name,
        "config": config,
        "accuracy": _accuracies(facts),
        "train": facts.get("train"),
        "prune": facts.get("prune"),
        "quantize": facts.get("quantize"),
        "plan": facts.get("plan"),
        "deployment": facts.get("deployment"),
        "board": _board(board),
        "budget": budget,
        "image": image,
        "flash_parts": [
            {
                "owner": part.owner,
                "symbol": part.symbol,
                "layer": part.layer,
                "bytes": part.size_bytes,
            }
            for part in flash_parts
        ],
        "provenance": provenance,
        "failure": failure,
    }
    return {**report, "gates": gates(report)}


def _accuracies(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The accuracy at each step of a run; None for one that there is not."""
    quantized = at(facts, "quantize", "accuracy") or {}
    return {
        "unpruned": _unpruned(facts),
        "float": quantized.get("float"),
        "int8": quantized.get("int8"),
        "device": _on_device(facts.get("deployment")),
    }


def _unpruned(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    pruned = facts.get("prune")
    samples = at(facts, "quantize", "accuracy", "float", "samples")
    if pruned is None or samples is None:
        return None
    return {
        "samples": samples,
        "plain": pruned["before"]["accuracy"],
        "balanced": pruned["before"]["balanced_accuracy"],
        "confusion": at(pruned, "confusion", "before"),
    }


def _on_device(deployment: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if deployment is None or deployment["accuracy"] is None:
        return None
    return {
        "samples": deployment["inputs"],
        "plain": deployment["accuracy"],
        "balanced": deployment["balanced_accuracy"],
        "confusion": deployment["confusion"],
    }


def _board(board: Board) -> dict[str, Any]:
    return {
        "name": board.name,
        "description": board.description,
        "core": board.core,
        "clock_hz": board.clock_hz,
        "flash_bytes": board.flash_bytes,
        "ram_bytes": board.ram_bytes,
    }
