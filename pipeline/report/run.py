"""The report of a whole run as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline import __version__

SCHEMA_VERSION = 1


def run_report(
    name: str,
    config: Mapping[str, Any],
    trained: Mapping[str, Any],
    quantized: Mapping[str, Any],
    deployment: Mapping[str, Any],
    *,
    pruned: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Put the facts of all stages together.

    Args:
        name: of the run.
        config: all sections of its run.toml.
        trained, quantized: facts.json of these stages.
        deployment: the JSON object of pipeline/report/deployment.py.
        pruned: facts.json of the prune stage, None without one.
    """
    device = None
    if deployment["accuracy"] is not None:
        device = {
            "samples": deployment["inputs"],
            "plain": deployment["accuracy"],
            "balanced": deployment["balanced_accuracy"],
        }
    before = None
    if pruned is not None:
        before = {
            "samples": quantized["accuracy"]["float"]["samples"],
            "plain": pruned["before"]["accuracy"],
            "balanced": pruned["before"]["balanced_accuracy"],
        }
    return {
        "schema": SCHEMA_VERSION,
        "pipeline": __version__,
        "name": name,
        "config": config,
        "accuracy": {
            "unpruned": before,
            "float": quantized["accuracy"]["float"],
            "int8": quantized["accuracy"]["int8"],
            "device": device,
        },
        "train": trained,
        "prune": pruned,
        "quantize": quantized,
        "deployment": deployment,
    }
