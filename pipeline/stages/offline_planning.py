"""A .tflite with places for its tensors, for who runs it with TensorFlow Lite Micro."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pipeline.device.tflm_host import RUNTIME
from pipeline.records import Board
from pipeline.stages.proving import prove_same
from pipeline.stages.slimming import read_model_file, write_whole


def plan_tflm_offline(
    tflite: Path, out: Path, board: Board, runtime: str | None = None
) -> dict[str, Any]:
    """Write a model with the offline memory plan that makes TFLM's head smallest.

    Args:
        tflite: the model.
        out: the file to write; it may be the model itself.
        board: whose TFLM to plan for.
        runtime: name of another TFLM to plan for.
    Returns:
        The figures as a JSON object.
    Raises:
        UnsupportedModelError: it is no usable model, or this TFLM cannot run it.
        ConfigError: there is no such TFLM, or a file cannot be read or written.
        MismatchError: outputs differ; nothing is written.
    """
    from pipeline.build.platformio import tflm_runtime
    from pipeline.plan.graph import parse_file_model
    from pipeline.plan.tflm.offline import PLACED_BY_TFLM, add_plan
    from pipeline.plan.tflm.offline_search import plan_offline
    from pipeline.plan.tflm.runtimes import find_runtime

    facts = find_runtime(tflm_runtime(board) if runtime is None else runtime)
    data = read_model_file(tflite)
    model = parse_file_model(data, tflite.stem, str(tflite), "tflm")
    plan = plan_offline(model, facts)
    planned = add_plan(data, plan.offsets)
    proof = prove_same(data, planned, str(tflite))
    rows = [
        {
            "name": name,
            "head_bytes_before": before.head_bytes,
            "head_bytes": after.head_bytes,
            "arena_bytes_before": before.arena_bytes,
            "arena_bytes": after.arena_bytes,
        }
        for name, (before, after) in plan.arenas.items()
    ]
    write_whole(out, planned)
    (own,) = (row for row in rows if row["name"] == facts.name)
    report = {
        "model": tflite.stem,
        "sha256_before": hashlib.sha256(data).hexdigest(),
        "sha256": hashlib.sha256(planned).hexdigest(),
        "tflite_bytes_before": len(data),
        "tflite_bytes": len(planned),
        "runtime": facts.name,
        **{key: value for key, value in own.items() if key != "name"},
        "lower_bound_bytes": plan.lower_bound_bytes,
        "tensors": len(plan.offsets),
        "planned_tensors": sum(offset != PLACED_BY_TFLM for offset in plan.offsets),
        "shared_tensors": plan.shared,
        "runtimes": rows,
        "proof": proof,
    }
    return report | {"notes": _notes(own, rows, report)}


def _notes(own: dict[str, Any], rows: list[dict[str, Any]], report: dict[str, Any]) -> list[str]:
    """What the plan gains, and whether TFLM on this computer agrees, in sentences."""
    notes = []
    if own["head_bytes"] == own["head_bytes_before"]:
        notes.append(
            "TFLM's own placement is already the smallest possible; the plan repeats it."
            if own["head_bytes"] == report["lower_bound_bytes"]
            else "Nothing better than what the file has now was found; the plan repeats it."
        )
    measured = report["proof"]["tflm"]
    for row in rows:
        if row["name"] != RUNTIME or not measured["equal"]:
            continue
        expected = (row["head_bytes_before"], row["head_bytes"])
        received = (measured["head_bytes_before"], measured["head_bytes"])
        if expected != received:
            notes.append(
                f"TFLM on this computer reports heads of {received[0]:,} B and {received[1]:,} B; "
                f"{expected[0]:,} B and {expected[1]:,} B were worked out. It may be of another "
                "date than the one in docs/tflm.md."
            )
    return notes
