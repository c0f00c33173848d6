"""A study as tables: on a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.report.study import amount_of, label_of


def study_tables(report: Mapping[str, Any]) -> Group:
    """Each point over its seeds, a table for each model, and what failed."""
    metric, parts = report["metric"], list[RenderableType]()
    for model in report["models"]:
        table = Table(box=SIMPLE_HEAD, title=f"{report['name']}: {model}", title_justify="left")
        table.add_column("method")
        table.add_column("amount")
        for name in ("validation", "test", *report["columns"], "seconds"):
            table.add_column(name, justify="right")
        table.add_column("best against")
        for row in report["rows"]:
            if row["model"] == model:
                table.add_row(
                    row["label"],
                    amount_of(row),
                    f"{row['validation'][metric]['mean']:.2%}",
                    f"{row['test'][metric]['mean']:.2%}",
                    *(f"{row['costs'][name]['mean']:,.0f}" for name in report["columns"]),
                    f"{row['seconds']['mean']:.0f}",
                    ", ".join(row["front"]["validation"]),
                )
        parts.append(table)
    for record in report["failed"]:
        point = record["point"]
        words = "a trial" if point is None else f"{label_of(point)} {amount_of(point)}"
        parts.append(Text(f"failed: {words}: {record['reason']}", style="yellow"))
    return Group(*parts)
