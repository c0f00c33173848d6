"""What `espalier doctor` found, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipeline.report.tables import make_table

_MARKS = {"ok": ("ok", "green"), "gap": ("-", "yellow"), "missing": ("MISSING", "bold red")}


def doctor_tables(report: Mapping[str, Any]) -> Group:
    """Everything that was looked at, then how each gap is mended."""
    table = make_table("<", "<what", "<state", "<found")
    topic = ""
    for finding in report["findings"]:
        mark, style = _MARKS[finding["state"]]
        shown = "" if finding["topic"] == topic else finding["topic"]
        topic = finding["topic"]
        table.add_row(shown, finding["name"], Text(mark, style=style), finding["found"])
    gaps = [finding for finding in report["findings"] if finding["state"] != "ok"]
    parts = (part for finding in gaps for part in (_gap(finding), Text("")))
    return Group(table, *parts, Text(_verdict(report, len(gaps))))


def _gap(finding: Mapping[str, Any]) -> Table:
    """One gap; lines are not cut, as commands are copied from here."""
    table = Table(box=None, show_header=False, title=f"{finding['name']}: {finding['found']}")
    table.title_justify, table.title_style = "left", _MARKS[finding["state"]][1]
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("until then", finding["without"])
    table.add_row("fix", finding["fix"])
    return table


def _verdict(report: Mapping[str, Any], gaps: int) -> str:
    if not report["ready"]:
        return "Not ready: mend what is MISSING, then look again."
    others = f" {gaps} optional things are not there." if gaps else ""
    return f"Ready: `make run` and `espalier run` have what they need.{others}"
