"""Deployments of reference models beside TensorFlow Lite Micro's figures: rows, means, targets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.records import DeployPlan, Graph, Op, OpKind

SCHEMA_VERSION = 1

# Ratios of a row: ours over theirs, by name; null where one of them is not known.
RATIOS = ("instructions", "reference", "cycles", "ram", "runtime", "weights")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A figure of the whole bench and what it should be.

    Attributes:
        name: what people call it.
        ratio: of RATIOS.
        reach, aim: at most; `aim` is where it should end.
        over: whose rows count: "convolutional" or "all" models' geometric mean, the "worst" row,
            or the row of one model by its name.
    """

    name: str
    ratio: str
    reach: float
    aim: float
    over: str


TARGETS = (
    Target(
        name="instructions / TFLM + CMSIS-NN",
        ratio="instructions",
        reach=0.35,
        aim=0.27,
        over="convolutional",
    ),
    Target(
        name="instructions / TFLM + CMSIS-NN",
        ratio="instructions",
        reach=0.60,
        aim=0.50,
        over="worst",
    ),
    Target(
        name="instructions / TFLM + CMSIS-NN",
        ratio="instructions",
        reach=0.20,
        aim=0.15,
        over="vww_96_int8",
    ),
    Target(
        name="estimated cycles / CMSIS-NN",
        ratio="cycles",
        reach=0.48,
        aim=0.38,
        over="convolutional",
    ),
    Target(
        name="RAM (arena + stack) / TFLM's arena",
        ratio="ram",
        reach=0.45,
        aim=0.30,
        over="convolutional",
    ),
    Target(
        name="runtime in flash / TFLM + CMSIS-NN", ratio="runtime", reach=0.35, aim=0.20, over="all"
    ),
    Target(name="weights in flash / .tflite", ratio="weights", reach=0.80, aim=0.70, over="all"),
)


def bench_row(
    report: Mapping[str, Any],
    plan: DeployPlan,
    anchor: Mapping[str, Any],
    mismatches: Mapping[str, int],
) -> dict[str, Any]:
    """One model's figures beside TFLM's.

    Args:
        report: of its deployment on an emulator (pipeline/report/deployment.py).
        plan: what was deployed.
        anchor: TFLM's figures for it.
        mismatches: of every way in which it ran, by "compiler, emulator".
    """
    cycles = report["estimated_cycles"]
    figures = {
        "instructions": report["instructions_per_inference"]["median"],
        "estimated_cycles": None if cycles is None else cycles["median"],
        "ram_bytes": report["ram"]["arena_bytes"] + report["ram"]["stack_peak_bytes"],
        "runtime_bytes": report["flash"]["runtime_bytes"],
        "weights_bytes": report["flash"]["weights_bytes"],
    }
    tflite_bytes = report["model"]["tflite_bytes"]
    return {
        "model": report["model"]["name"],
        "sha256": report["model"]["sha256"],
        "convolutional": anchor["convolutional"],
        "macs": report["model"]["macs"],
        "mismatches": dict(mismatches),
        **figures,
        "memory": {
            "arena_bytes": report["ram"]["arena_bytes"],
            "stack_peak_bytes": report["ram"]["stack_peak_bytes"],
            "scratch_bytes": plan.scratch_bytes,
            "inputs_bytes": sum(plan.graph.tensors[i].size_bytes for i in plan.graph.inputs),
            "tflm_arena_bytes": anchor["arena_bytes"],
        },
        "tflite_bytes": tflite_bytes,
        "tflm": {key: anchor[key] for key in _ANCHOR_KEYS},
        "ratios": {
            "instructions": ratio(figures["instructions"], anchor["cmsis_instructions"]),
            "reference": ratio(figures["instructions"], anchor["reference_instructions"]),
            "cycles": ratio(figures["estimated_cycles"], anchor["cmsis_estimated_cycles"]),
            "ram": ratio(figures["ram_bytes"], anchor["arena_bytes"]),
            "runtime": ratio(figures["runtime_bytes"], anchor["runtime_bytes"]),
            "weights": ratio(figures["weights_bytes"], tflite_bytes),
        },
        "kinds": kind_split(report["layers"], plan.graph, anchor["cmsis_instructions_by_kind"]),
    }


_ANCHOR_KEYS = (
    "reference_instructions",
    "cmsis_instructions",
    "cmsis_estimated_cycles",
    "arena_bytes",
    "runtime_bytes",
)


def ratio(ours: int | None, theirs: int | None) -> float | None:
    """Ours over theirs, to four digits; None where one of them is not known."""
    return None if ours is None or not theirs else round(ours / theirs, 4)


def kind_split(
    layers: Sequence[Mapping[str, Any]], graph: Graph, cmsis_instructions: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Instructions and cycles by kind of layer, ours beside CMSIS-NN's."""
    kinds: dict[str, dict[str, Any]] = {}
    for layer, op in zip(layers, graph.ops, strict=True):
        name = kind_name(op, graph)
        kind = kinds.setdefault(
            name, {"kind": name, "macs": 0, "instructions": 0, "estimated_cycles": 0}
        )
        kind["macs"] += layer["macs"]
        kind["instructions"] += layer["instructions"]
        kind["estimated_cycles"] += layer["estimated_cycles"] or 0
    for name in cmsis_instructions:
        # What our engine has done away with: whole operators, and the interpreter.
        kinds.setdefault(name, {"kind": name, "macs": 0, "instructions": 0, "estimated_cycles": 0})
    for name, kind in kinds.items():
        kind["cmsis_instructions"] = cmsis_instructions.get(name)
        kind["ratio"] = ratio(kind["instructions"], kind["cmsis_instructions"])
    return sorted(kinds.values(), key=lambda kind: -(kind["cmsis_instructions"] or 0))


def kind_name(op: Op, graph: Graph) -> str:
    """The kind of an operator, with the size of its filter where that decides the kernel."""
    if op.kind not in (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D):
        return str(op.kind.value)
    height, width = graph.tensors[op.inputs[1]].shape[1:3]
    name = "CONV_2D" if op.kind is OpKind.CONV_2D else "DEPTHWISE"
    return f"{name}_{height}x{width}"


def bench_report(rows: Sequence[Mapping[str, Any]], tools: Mapping[str, Any]) -> dict[str, Any]:
    """The whole bench as one JSON object.

    Args:
        rows: of `bench_row`; a model that failed has "model", "error" and "message" only.
        tools: versions of everything that the figures depend on.
    """
    done = [row for row in rows if "error" not in row]
    return {
        "schema": SCHEMA_VERSION,
        "tools": dict(tools),
        "models": [dict(row) for row in rows],
        "means": {
            over: {name: _mean(done, name, over) for name in RATIOS}
            for over in ("convolutional", "all")
        },
        "targets": [_verdict(target, done) for target in TARGETS],
    }


def _verdict(target: Target, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if target.over in ("convolutional", "all"):
        value, of = _mean(rows, target.ratio, target.over), ""
    else:
        some = [row for row in rows if target.over in ("worst", row["model"])]
        known = [(row["ratios"][target.ratio], row["model"]) for row in some]
        value, of = max((pair for pair in known if pair[0] is not None), default=(None, ""))
    if value is None:
        verdict = "unknown"
    else:
        verdict = "aim" if value <= target.aim else "reached" if value <= target.reach else "missed"
    return {
        "name": target.name,
        "over": target.over,
        "of": of,
        "value": value,
        "reach": target.reach,
        "aim": target.aim,
        "verdict": verdict,
    }


def _mean(rows: Iterable[Mapping[str, Any]], name: str, over: str) -> float | None:
    """Geometric mean of a ratio over the rows that have it."""
    values = [
        row["ratios"][name]
        for row in rows
        if row["ratios"][name] is not None and (over == "all" or row["convolutional"])
    ]
    if not values:
        return None
    return round(math.exp(sum(map(math.log, values)) / len(values)), 4)
