"""A deployment's figures as one JSON object; docs/deploy.md describes every key."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from pipeline import __version__
from pipeline.records import AnyPlan, Firmware, InputSet, Measurement
from pipeline.report.accuracy import score
from pipeline.report.channels import channels_report
from pipeline.report.model import model_report

SCHEMA_VERSION = 1

# What one tick of a measurement is called in keys and on the terminal, by the device's clock.
# An emulator counts instructions: they are never called cycles or milliseconds.
TICK_NAMES = {
    "instructions": "instructions",
    "cycles": "cycles",
    "microseconds": "microseconds",
    "host": "host_ticks",
}


def deployment_report(
    plan: AnyPlan,
    firmware: Firmware,
    measurement: Measurement,
    inputs: InputSet,
    layer_macs: Sequence[int],
) -> dict[str, Any]:
    """Put the figures of one deployment together.

    Args:
        plan, firmware, measurement: of the same model.
        inputs: what the device was given.
        layer_macs: multiply-accumulates of each operator of the plan.
    """
    ticks = TICK_NAMES[measurement.clock]
    estimate = measurement.estimate
    accuracy = score(measurement.outputs, inputs.y, output_half(plan))
    return {
        "schema": SCHEMA_VERSION,
        "pipeline": __version__,
        "model": model_report(plan),
        "board": firmware.board,
        "engine": firmware.engine,
        "emulator": measurement.device,
        "toolchain": firmware.toolchain,
        "build_id": measurement.build_id,
        "inputs": len(inputs.x[0]),
        "inputs_spec": inputs.spec,
        "mismatches": measurement.mismatches,
        "accuracy": None if accuracy is None else accuracy.plain,
        "balanced_accuracy": None if accuracy is None else accuracy.balanced,
        "right": None if accuracy is None else accuracy.right,
        "confusion": None if accuracy is None else [list(row) for row in accuracy.confusion],
        "clock": measurement.clock,
        "warmup": measurement.warmup,
        f"{ticks}_per_inference": summary(measurement.ticks),
        "estimated_cycles": None if estimate is None else summary(estimate.inferences),
        "flash_wait_states": None if estimate is None else estimate.flash_wait_states,
        "ram": ram(firmware, measurement),
        "flash": flash(firmware, plan),
        "constant_channels": channels_report(plan.channels),
        "layers": layers(plan, layer_macs, measurement, ticks),
    }


def summary(ticks: Sequence[int]) -> dict[str, int]:
    """Median (a value that occurred), smallest and largest."""
    return {"median": statistics.median_low(ticks), "min": min(ticks), "max": max(ticks)}


def ram(firmware: Firmware, measurement: Measurement) -> dict[str, int | None]:
    """RAM in bytes; what a hosted process cannot tell is null, and the total then, too."""
    static = None if firmware.size is None else firmware.size.static_ram_bytes
    stack = measurement.stack_peak_bytes
    known = static is not None and stack is not None
    return {
        "arena_bytes": measurement.arena_bytes,
        "static_bytes": static,
        "stack_peak_bytes": stack,
        "total_bytes": measurement.arena_bytes + (static or 0) + (stack or 0) if known else None,
    }


def flash(firmware: Firmware, plan: AnyPlan) -> dict[str, int | None]:
    """Flash in bytes; a hosted build has only the model's weights."""
    size = firmware.size
    if size is None:
        weights: int | None = plan.weights_bytes
        return {
            "weights_bytes": weights,
            "runtime_bytes": None,
            "harness_bytes": None,
            "framework_bytes": None,
            "total_bytes": None,
        }
    return {
        "weights_bytes": size.weights_bytes,
        "runtime_bytes": size.runtime_bytes,
        "harness_bytes": size.harness_bytes,
        "framework_bytes": size.framework_bytes,
        "total_bytes": size.flash_bytes,
    }


def layers(
    plan: AnyPlan, layer_macs: Sequence[int], measurement: Measurement, ticks: str
) -> list[dict[str, Any]]:
    """One entry per operator of the plan, in execution order."""
    estimate = measurement.estimate
    cycles = (None,) * len(layer_macs) if estimate is None else estimate.layers
    rows = zip(plan.graph.ops, layer_macs, measurement.layer_ticks, cycles, strict=True)
    return [
        {
            "name": op.name,
            "kind": op.kind.value,
            "macs": macs,
            ticks: count,
            "estimated_cycles": estimated,
        }
        for op, macs, count, estimated in rows
    ]


def output_half(plan: AnyPlan) -> float:
    """Raw value that stands for a probability of one half in the first output."""
    quant = plan.graph.tensors[plan.graph.outputs[0]].quant
    return 0.5 if quant is None else 0.5 / quant.scale[0] + quant.zero_point[0]
