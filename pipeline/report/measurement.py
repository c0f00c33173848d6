"""A board's figures as one JSON object; docs/measure.md describes every key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipeline import __version__
from pipeline.records import (
    BoardMeasurement,
    ClockCheck,
    DeployPlan,
    Firmware,
    InputSet,
    Spread,
)
from pipeline.report.accuracy import score
from pipeline.report.deployment import SCHEMA_VERSION, output_half

# Beyond this the board's clock and this computer's disagree by more than any crystal is off.
DRIFT_BOUND_PERCENT = 0.5

# What a tick is called in keys, by the clock of the measurement.
_TICK_NAMES = {
    "cycles": "cycles",
    "microseconds": "microseconds",
    "instructions": "instructions",
    "host": "host_ticks",
}
# Clocks that are a board's time; an emulator's is none, and a host's is not the board's.
_TIMES = ("cycles", "microseconds")
_SUSPICIOUS_RESETS = ("watchdog", "brownout", "crash")


def measurement_report(
    plan: DeployPlan,
    layer_macs: Sequence[int],
    measured: BoardMeasurement,
    inputs: InputSet,
    *,
    firmware: Firmware | None,
    layers_known: bool,
) -> dict[str, Any]:
    """Put the figures of one measurement together.

    Args:
        plan: of the model that is on the board.
        layer_macs: multiply-accumulates of each operator of the plan.
        measured, inputs: what the board did, with what.
        firmware: as it was flashed; None where this checkout has no record of it.
        layers_known: whether the board's layers are the plan's operators.
    """
    run = measured.measurement
    unit = _TICK_NAMES[run.clock]
    is_time = run.clock in _TIMES
    graph = plan.graph
    accuracy = score(run.outputs, inputs.y, output_half(plan))
    size = None if firmware is None else firmware.size
    return {
        "schema": SCHEMA_VERSION,
        "pipeline": __version__,
        "model": {"name": graph.name, "sha256": graph.sha256, "tflite_bytes": graph.tflite_bytes},
        "board": measured.board,
        "engine": measured.engine,
        "port": measured.port,
        "build_id": run.build_id,
        "toolchain": None if firmware is None else firmware.toolchain,
        "inputs": len(inputs.x[0]),
        "inputs_spec": inputs.spec,
        "warmup": run.warmup,
        "inferences": measured.inferences,
        "mismatches": run.mismatches,
        "accuracy": None if accuracy is None else accuracy.plain,
        "balanced_accuracy": None if accuracy is None else accuracy.balanced,
        "right": None if accuracy is None else accuracy.right,
        "clock": run.clock,
        "ticks_per_second": run.ticks_per_second,
        f"{unit}_per_inference": asdict(measured.ticks),
        "latency_us": _in_us(measured.ticks, run.ticks_per_second) if is_time else None,
        "round_trip_us": _in_us(measured.round_trip_us, 10**6) if is_time else None,
        "clock_check": _clock_check(measured.clock_check),
        "ram": {
            "arena_bytes": run.arena_bytes,
            "static_bytes": None if size is None else size.static_ram_bytes,
            "stack_peak_bytes": run.stack_peak_bytes,
            "free_heap_bytes": measured.free_heap_bytes,
        },
        "flash_bytes": None if size is None else size.flash_bytes,
        "reset_reason": measured.reset_reason,
        "layers": _layers(plan, layer_macs, measured, unit, layers_known),
        "warnings": _warnings(measured),
    }


def _in_us(ticks: Spread, ticks_per_second: int) -> dict[str, float]:
    """A spread of ticks in microseconds."""
    facts = asdict(ticks)
    del facts["count"]
    return {name: 1e6 * value / ticks_per_second for name, value in facts.items()}


def _clock_check(check: ClockCheck | None) -> dict[str, float] | None:
    return None if check is None else asdict(check) | {"bound_percent": DRIFT_BOUND_PERCENT}


def _layers(
    plan: DeployPlan,
    layer_macs: Sequence[int],
    measured: BoardMeasurement,
    unit: str,
    known: bool,
) -> list[dict[str, Any]]:
    """One entry per layer on the board; without names where it is not known what it is."""
    run = measured.measurement
    rows = []
    for index, ticks in enumerate(run.layer_ticks):
        op = plan.graph.ops[index] if known else None
        rows.append(
            {
                "name": None if op is None else op.name,
                "kind": None if op is None else op.kind.value,
                "macs": None if op is None else layer_macs[index],
                unit: ticks,
                "us": 1e6 * ticks / run.ticks_per_second if run.clock in _TIMES else None,
            }
        )
    return rows


def _warnings(measured: BoardMeasurement) -> list[str]:
    """What the figures do not show by themselves."""
    found = []
    check = measured.clock_check
    if check is not None and check.slow_percent > DRIFT_BOUND_PERCENT:
        found.append(
            f"The board's clock is behind this computer's by {-check.drift_percent:.2f} %: "
            "latencies may be longer than shown. Does its counter stop while the core sleeps?"
        )
    if check is not None and check.fast_percent > DRIFT_BOUND_PERCENT:
        found.append(
            f"The board's clock runs ahead of this computer's by {check.drift_percent:.2f} %: "
            "latencies may be shorter than shown. Does it run from a crystal?"
        )
    if measured.reset_reason in _SUSPICIOUS_RESETS:
        found.append(f"The board last started because of: {measured.reset_reason}.")
    return found
