"""The page of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.compare_tables import change_text, value_text
from pipeline.report.html.chart import script_json
from pipeline.report.html.page import render
from pipeline.report.html.shown import Shown, pointer, short_names


def compare_page(report: Mapping[str, Any]) -> str:
    """One HTML file: the tables of a comparison.

    Args:
        report: of `compare_report`.
    """
    rows = [_row(("rows", index), row) for index, row in enumerate(report["rows"])]
    sections = dict.fromkeys(row["section"] for row in report["rows"])
    tables = [
        (section.capitalize(), [view for view in rows if view["section"] == section])
        for section in sections
    ]
    for name, key in (("By operator", "kinds"), ("By layer", "layers")):
        found = report[key]
        if found:
            unit = found[0]["unit"].replace("_", " ")
            views = [_row((key, index), row) for index, row in enumerate(found)]
            tables.append((f"{name}: {unit}", _named(views)))
    labels = [subject["label"] for subject in report["subjects"]]
    return render(
        "compare.html.jinja",
        title=f"{' and '.join(labels)}: comparison",
        report=report,
        report_json=script_json(report),
        labels=labels,
        tables=tables,
    )


def _row(keys: tuple[str, int], row: Mapping[str, Any]) -> dict[str, Any]:
    cells = []
    for index, (value, change, verdict) in enumerate(
        zip(row["values"], row["changes"], row["verdicts"], strict=True)
    ):
        figure = Shown("–")
        if value is not None:
            key = pointer((*keys, "values", index))
            figure = Shown(value_text(value, row["unit"]), key, repr(value))
        cells.append(
            {
                "figure": figure,
                "change": change_text(change, row["unit"], verdict) if index else "",
                "verdict": verdict or "",
            }
        )
    return {
        "section": row.get("section", ""),
        "name": row["name"],
        "origins": list(dict.fromkeys(row["origins"])),
        "cells": cells,
    }


def _named(views: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    names = short_names([view["name"] for view in views])
    return [{**view, "name": name} for view, name in zip(views, names, strict=True)]
