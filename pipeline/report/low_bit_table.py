"""The tables of `espalier quantize --flash`: layers with four bits, and what they save."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table

from pipeline.report.tables import bytes_text, facts_table, make_table, short_name


def low_bit_tables(report: Mapping[str, Any]) -> Group:
    """A model whose filters take four bits where the budget asks for it."""
    facts = facts_table(report["model"])
    add_low_bit_rows(facts, report)
    facts.add_row(
        "size of the .tflite",
        f"{bytes_text(report['tflite_bytes_before'])} -> {bytes_text(report['tflite_bytes'])}",
    )
    if report["accuracy"] is not None:
        facts.add_row(
            "accuracy",
            f"{report['accuracy_before']:.2%} -> {report['accuracy']:.2%} of "
            f"{report['samples']:,} samples",
        )
    return Group(facts, *([low_bit_layers(report)] if report["layers"] else []))


def add_low_bit_rows(facts: Table, report: Mapping[str, Any]) -> None:
    """Flash before and after, and how far the outputs moved."""
    budget = report["flash_budget_bytes"]
    facts.add_row("budget of flash", "none" if budget is None else bytes_text(budget))
    facts.add_row(
        f"flash on {report['board']}",
        f"{bytes_text(report['flash_bytes_before'])} -> {bytes_text(report['flash_bytes'])}",
    )
    facts.add_row("outputs change by", f"{report['divergence']:.2%} of their variance")


def low_bit_layers(report: Mapping[str, Any]) -> Table:
    """Layers that could take four bits, and which do."""
    layers = make_table("<layer", "<kind", "bits", "sensitivity", "bytes with 8", "bytes with 4")
    for layer in report["layers"]:
        sensitivity = layer["sensitivity"]
        layers.add_row(
            short_name(layer["name"]),
            layer["kind"],
            str(layer["bits"]),
            "-" if sensitivity is None else f"{sensitivity:.2%}",
            f"{layer['bytes_before']:,}",
            f"{layer['bytes_after']:,}",
        )
    return layers
