"""The report of a run as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.report.tables import (
    before_and_after_table,
    deployment_tables,
    fine_tuning_text,
    make_table,
    percent_text,
)
from pipeline.report.verdict import FAILED, OPEN, PASSED

_STATES = {PASSED: "green", FAILED: "bold red", OPEN: "dim"}


def run_tables(report: Mapping[str, Any]) -> Group:
    """The report of a whole run: accuracy at each step, then the deployment."""
    accuracy = Table(box=SIMPLE_HEAD, title=f"Run {report['name']}", title_justify="left")
    for name in ("model", "samples", "accuracy", "balanced accuracy"):
        accuracy.add_column(name, justify="left" if name == "model" else "right")
    pruned = report.get("prune")
    for label, key in (
        ("float, before pruning", "unpruned"),
        ("float, pruned" if pruned else "float", "float"),
        ("int8", "int8"),
        ("int8 on the device", "device"),
    ):
        row = report["accuracy"].get(key)
        if row is not None:
            shares = (percent_text(row[name]) for name in ("plain", "balanced"))
            accuracy.add_row(label, f"{row['samples']:,}", *shares)
    parts: list[RenderableType] = [accuracy]
    if pruned:
        how = f"{pruned['method']}, {fine_tuning_text(pruned['trained_epochs'])}"
        parts.append(before_and_after_table(f"pruned by {how}", pruned))
        parts += [Text(note) for note in pruned["notes"]]
    if report["deployment"] is not None:
        parts.append(deployment_tables(report["deployment"], with_layers=False))
    return Group(*parts, _gates_table(report["gates"]))


def _gates_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """What was asked of a run, and whether it holds."""
    table = make_table("<gate", "<", "<")
    for gate in found:
        state = Text("no limit" if gate["state"] == OPEN else gate["state"], _STATES[gate["state"]])
        table.add_row(gate["title"], state, gate["sentence"])
    return table
