"""A comparison as tables on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pipeline.report.compare import BETTER, WORSE
from pipeline.report.tables import make_table, short_name

_STYLES = {BETTER: "green", WORSE: "red"}
# Smaller changes get more places, so that none looks like none.
_SMALL_PERCENT = 0.1
_STATES = {"passed": "green", "failed": "bold red"}
# Wider than any terminal: what a table takes that is not cut.
_UNLIMITED = 100_000


@dataclass(frozen=True, slots=True)
class _InPieces:
    """A table that becomes several, one below the other, where a terminal is too narrow for it.

    Attributes:
        make: the table of some of the columns' groups.
        groups: all of them, by their places.
    """

    make: Callable[[Sequence[int]], Table]
    groups: range

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        pieces: list[Table] = []
        for size in range(len(self.groups), 0, -1):
            starts = range(0, len(self.groups), size)
            pieces = [self.make(self.groups[start : start + size]) for start in starts]
            unlimited = options.update(max_width=_UNLIMITED)
            widths = [Measurement.get(console, unlimited, piece).maximum for piece in pieces]
            if max(widths) <= options.max_width:
                break
        yield from pieces


def compare_tables(report: Mapping[str, Any]) -> Group:
    """Warnings first, then figures, gates, operators and layers."""
    labels = [subject["label"] for subject in report["subjects"]]
    parts: list[RenderableType] = [Text(text, style="yellow") for text in report["warnings"]]
    for section in dict.fromkeys(row["section"] for row in report["rows"]):
        rows = [row for row in report["rows"] if row["section"] == section]
        parts.append(_table(section, labels, rows))
    if report["gates"]:
        parts.append(_gates(labels, report["gates"]))
    if report["kinds"]:
        parts.append(_table(f"{report['kinds'][0]['unit']} by operator", labels, report["kinds"]))
    if report["layers"]:
        parts.append(_table(f"{report['layers'][0]['unit']} by layer", labels, report["layers"]))
    note = f"Changes are against {labels[0]}; of accuracies in points."
    return Group(*parts, Text(note, style="dim"))


def _gates(labels: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> _InPieces:
    def make(places: Sequence[int]) -> Table:
        table = make_table("<gate", *(labels[place] for place in places))
        for row in rows:
            table.add_row(row["name"], *(_state(row["states"][place]) for place in places))
        return table

    return _InPieces(make, range(len(labels)))


def _table(name: str, labels: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> _InPieces:
    """Figures of the first subject beside those of each other."""

    def make(places: Sequence[int]) -> Table:
        columns = [column for place in places for column in (labels[place], "<change")]
        table = make_table(f"<{name}", labels[0], *columns, "<from")
        for column in table.columns:
            # Where even one subject is too wide, words wrap before a figure is cut.
            column.no_wrap, column.overflow = column.justify == "right", "fold"
        for row in rows:
            cells = [Text(value_text(row["values"][0], row["unit"]))]
            for place in places:
                verdict = row["verdicts"][place]
                text = change_text(row["changes"][place], row["unit"], verdict)
                cells.append(Text(value_text(row["values"][place], row["unit"])))
                cells.append(Text(text, _STYLES.get(verdict or "", "dim")))
            origins = ", ".join(dict.fromkeys(row["origins"]))
            table.add_row(short_name(row["name"]), *cells, Text(origins, "dim"))
        return table

    return _InPieces(make, range(1, len(labels)))


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
