"""The figures that one asks for first."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.report.html.sections.base import Section
from pipeline.report.html.shown import Facts, Shown
from pipeline.report.origin import COMPUTED, ESTIMATED


def section(facts: Facts, pictures: Mapping[str, str]) -> Section:
    """Cards: accuracy, cost, memory."""
    ticks = facts.ticks
    cards = [
        _accuracy(facts),
        ("MACs", _macs(facts), COMPUTED, "multiply-accumulates of one inference"),
        (
            f"{ticks.replace('_', ' ').capitalize()} per inference",
            facts.count("deployment", f"{ticks}_per_inference", "median"),
            facts.origin,
            f"median of {facts.count('deployment', 'inputs').text} inferences",
        ),
        (
            "Estimated cycles",
            facts.count("deployment", "estimated_cycles", "median"),
            ESTIMATED,
            "per inference, by the core's published timings",
        ),
        (
            "Flash",
            facts.bytes("deployment", "flash", "total_bytes"),
            COMPUTED,
            "the whole image",
        ),
        (
            "RAM in use",
            facts.bytes("deployment", "ram", "total_bytes"),
            facts.origin,
            "arena, variables and the deepest stack",
        ),
        (
            "Tensor arena",
            facts.bytes("deployment", "ram", "arena_bytes"),
            COMPUTED,
            "activations and scratch",
        ),
        (
            "Model file",
            facts.bytes("deployment", "model", "tflite_bytes"),
            COMPUTED,
            "the .tflite",
        ),
    ]
    kept = [card for card in cards if card[1].key]
    if not kept:
        return Section(id="headline", title="In short", missing="The run ended before any figure.")
    names = ("title", "figure", "origin", "note")
    return Section(
        id="headline",
        title="In short",
        view={"cards": [dict(zip(names, card, strict=True)) for card in kept]},
    )


def _accuracy(facts: Facts) -> tuple[str, Shown, str, str]:
    """That of the int8 model."""
    title, step = "Balanced accuracy", facts.accuracy_step
    if step is None:
        return title, facts.percent("deployment", "balanced_accuracy"), facts.origin, ""
    shown = facts.percent("accuracy", step, "balanced")
    if step == "device":
        return title, shown, facts.origin, "of int8, on the device"
    count = facts.get("accuracy", "int8", "samples")
    note = f"of int8, TFLite's reference kernels, {count:,} samples"
    return title, shown, COMPUTED, note


def _macs(facts: Facts) -> Shown:
    if facts.get("deployment") is not None:
        return facts.count("deployment", "model", "macs")
    if facts.get("prune") is not None:
        return facts.count("prune", "after", "macs")
    return facts.count("train", "macs")
