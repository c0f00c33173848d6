"""A study as tables: on a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.report.study import COST_NAMES, UNPRUNED, amount_of, identity_of, point_text

# Columns of words; all others are figures.
_WORDS = ("method", "amount", "best by", "trials")

_Cells = tuple[list[str], list[list[str]]]


def study_tables(report: Mapping[str, Any]) -> Group:
    """Each point over its seeds, a table for each model, and what failed."""
    parts: list[RenderableType] = []
    for model in report["models"]:
        columns, lines = _cells(report, _rows(report, model))
        table = Table(box=SIMPLE_HEAD, title=f"{report['name']}: {model}", title_justify="left")
        for name in columns:
            table.add_column(name, justify="left" if name in _WORDS else "right")
        for line in lines:
            table.add_row(*line, style="bold" if line[columns.index("best by")] else None)
        parts.append(table)
    parts += [Text(f"failed: {line}", style="yellow") for line in _failures(report)]
    parts.append(Text(_note(report), style="dim"))
    return Group(*parts)


def study_markdown(report: Mapping[str, Any], plots: Mapping[str, Sequence[str]]) -> str:
    """The study as a page.

    Args:
        report: of the study.
        plots: names of pictures beside the page, by model.
    """
    equal = ", ".join(
        f"{key} {value}" for key, value in report["equal"].items() if value not in ([], ())
    )
    parts = [f"# Study {report['name']}", f"Equal for all trials: {equal}.", _note(report)]
    for model in report["models"]:
        rows = _rows(report, model)
        best = [row for row in rows if row["front"]["validation"]]
        whole = report["models"][model]
        parts += [
            f"## {model}",
            f"Before pruning: {whole['params']:,} parameters, {whole['macs']:,} MACs.",
            *(f"![{name}]({quote(name)})" for name in plots.get(model, ())),
            "### Best by validation samples",
            _markdown(*_cells(report, _by_cost(report, best))),
            "### All points",
            _markdown(*_cells(report, rows, folders=_folders(report, model))),
        ]
    if report["failed"]:
        parts += ["## Failed", "\n".join(f"- {line}" for line in _failures(report))]
    return "\n\n".join(parts) + "\n"


def _rows(report: Mapping[str, Any], model: str) -> list[Mapping[str, Any]]:
    return [row for row in report["rows"] if row["model"] == model]


def _by_cost(
    report: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    first = report["columns"][0]
    return sorted(rows, key=lambda row: float(row["costs"][first]["mean"]))


def _cells(
    report: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    folders: Mapping[str, Sequence[str]] | None = None,
) -> _Cells:
    """Names of columns, and the lines below them."""
    metric = report["metric"]
    int8 = any(row["int8"] for row in rows) and metric != "average_precision"
    columns = ["method", "amount", *(COST_NAMES[name][0] for name in report["columns"])]
    columns += ["validation", "test", *(["int8 test"] if int8 else []), "s", "best by"]
    lines = []
    for row in rows:
        line = [row["label"], amount_of(row)]
        line += [f"{row['costs'][name]['mean']:,.0f}" for name in report["columns"]]
        sides = [row["validation"], row["test"], *([row["int8"]["test"]] if int8 else [])]
        line += [_percent(side[metric]) for side in sides]
        line += [f"{row['seconds']['mean']:.0f}", _fronts(row)]
        lines.append(line)
    if folders is not None:
        columns.append("trials")
        for row, line in zip(rows, lines, strict=True):
            line.append(", ".join(f"`{name}`" for name in folders[identity_of(row)]))
    return columns, lines


def _fronts(row: Mapping[str, Any]) -> str:
    """Against which costs no other point is better, by the validation samples."""
    names = [COST_NAMES[name][0] for name in row["front"]["validation"] if name != "all"]
    return ", ".join(names) or ("together" if row["front"]["validation"] else "")


def _folders(report: Mapping[str, Any], model: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for record in report["trials"]:
        if record["point"]["model"] == model:
            name = record["folder"].rpartition("/")[2]
            found.setdefault(identity_of(record["point"]), []).append(name)
    return found


def _failures(report: Mapping[str, Any]) -> list[str]:
    return [
        f"{'a trial of the search' if record['point'] is None else point_text(record['point'])}: "
        f"{record['error']}: {record['reason']}"
        for record in report["failed"]
    ]


def _note(report: Mapping[str, Any]) -> str:
    metric = report["metric"].replace("_", " ")
    seeds = {tuple(row["seeds"]) for row in report["rows"] if row["method"] != UNPRUNED}
    several = any(len(same) > 1 for same in seeds)
    spread = ", mean and range over seeds" if several else ""
    return (
        f"Validation and test: {metric}{spread}. Best by: no other point has as good a validation "
        "result for a lower cost of that kind, or a better one for the same; 'together' where all "
        "costs are compared at once. Nothing was chosen by the test samples."
    )


def _percent(values: Mapping[str, float]) -> str:
    text = f"{100 * values['mean']:.2f} %"
    if values["min"] == values["max"]:
        return text
    return f"{text} ({100 * values['min']:.1f} to {100 * values['max']:.1f})"


def _markdown(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---" if name in _WORDS else "---:" for name in columns]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *lines))
