"""The tables of `espalier slim`, and the lines about a proof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table

from pipeline.report.tables import (
    bytes_text,
    channels_row,
    channels_table,
    facts_table,
    make_table,
)

_RUNTIMES = {
    "reference": "TFLite's reference kernels",
    "tflm": "TensorFlow Lite Micro on this computer",
}


def slim_tables(report: Mapping[str, Any]) -> Group:
    """A slimmed .tflite: what went, what was proven, and what was decided on the way."""
    parts = make_table("<what went", "bytes", "left")
    left = report["tflite_bytes_before"]
    parts.add_row("", "", bytes_text(left))
    for saving in report["savings"]:
        left -= saving["saved_bytes"]
        parts.add_row(saving["part"], f"{-saving['saved_bytes']:,}", bytes_text(left))
    facts = facts_table(report["model"])
    before, after = report["tflite_bytes_before"], report["tflite_bytes"]
    less = f"{100 * (before - after) / before:.1f} % less"
    facts.add_row("size of the .tflite", f"{bytes_text(before)} -> {bytes_text(after)} ({less})")
    facts.add_row("operators", f"{report['operators_before']} -> {report['operators']}")
    if report["macs"] is not None:
        facts.add_row("MACs", f"{report['macs_before']:,} -> {report['macs']:,}")
    channels = report["constant_channels"]
    channels_row(facts, channels)
    add_proof(facts, report["proof"])
    for note in report["notes"]:
        facts.add_row("note", note)
    shown = [channels_table(channels)] if channels is not None and channels["removed"] else []
    return Group(parts, facts, *shown)


def add_proof(facts: Table, proof: Mapping[str, Any]) -> None:
    """A line for each runtime that both files were to run on."""
    for key, title in _RUNTIMES.items():
        run = proof[key]
        if run["equal"]:
            text = f"all outputs equal on {proof['inputs']} inputs"
        else:
            text = f"not compared: {run['reason']}"
        facts.add_row(title, text)
