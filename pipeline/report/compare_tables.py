"""A comparison as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.report.compare import BETTER, WORSE
from pipeline.report.tables import make_table, short_name

_STYLES = {BETTER: "green", WORSE: "red"}
# Smaller changes get more places, so that none looks like none.
_SMALL_PERCENT = 0.1
_STATES = {"passed": "green", "failed": "bold red"}


def compare_tables(report: Mapping[str, Any]) -> Group:
    """Warnings first, then figures, gates, operators and layers."""
    labels = [subject["label"] for subject in report["subjects"]]
    parts: list[RenderableType] = [Text(text, style="yellow") for text in report["warnings"]]
    for section in dict.fromkeys(row["section"] for row in report["rows"]):
        rows = [row for row in report["rows"] if row["section"] == section]
        parts.append(_table(section, labels, rows))
    if report["gates"]:
        gates = make_table("<gate", *labels)
        for gate in report["gates"]:
            gates.add_row(gate["name"], *(_state(state) for state in gate["states"]))
        parts.append(gates)
    if report["kinds"]:
        parts.append(_table(f"{report['kinds'][0]['unit']} by operator", labels, report["kinds"]))
    if report["layers"]:
        parts.append(_table(f"{report['layers'][0]['unit']} by layer", labels, report["layers"]))
    note = f"Changes are against {labels[0]}; of accuracies in points."
    return Group(*parts, Text(note, style="dim"))


def _table(name: str, labels: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Table:
    first, *others = labels
    columns = [column for label in others for column in (label, "<change")]
    table = make_table(f"<{name}", first, *columns, "<from")
    for row in rows:
        cells: list[Text] = []
        triples = zip(row["values"], row["changes"], row["verdicts"], strict=True)
        for index, (value, change, verdict) in enumerate(triples):
            cells.append(Text(value_text(value, row["unit"])))
            if index:
                text = change_text(change, row["unit"], verdict)
                cells.append(Text(text, _STYLES.get(verdict or "", "dim")))
        origins = ", ".join(dict.fromkeys(row["origins"]))
        table.add_row(short_name(row["name"]), *cells, Text(origins, "dim"))
    return table


def _state(state: str | None) -> Text:
    return Text("-" if state is None else state, _STATES.get(state or "", "dim"))


def value_text(value: float | None, unit: str) -> str:
    """A value of a row."""
    if value is None:
        return "-"
    if unit == "share":
        return f"{value:.2%}"
    return f"{value:,} B" if unit == "B" else f"{value:,}"


def change_text(change: float | None, unit: str, verdict: str | None) -> str:
    """A change with its sign, and in words what a colour would say."""
    if change is None:
        return verdict or ""
    if change == 0:
        return "="
    places = 2 if unit == "share" else 1 if abs(change) >= _SMALL_PERCENT else 3
    number = f"{change:+.{places}f} {'points' if unit == 'share' else '%'}"
    return f"{number} {verdict}"
