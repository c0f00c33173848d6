"""A study as pictures: accuracy against each cost."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.quiet import keep_matplotlib_out_of_home
from pipeline.report.study import COST_NAMES, UNPRUNED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_INCHES = (10.0, 5.6)
_DOTS_PER_INCH = 130
# Costs further apart than this are drawn on a logarithmic scale.
_WIDE = 12.0

# One for each method: strong ones first, then their light forms.
_COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f3fbf"),
    *("#666666", "#b8a900", "#1b4f72", "#922b21", "#186a3b", "#e377c2", "#76448a", "#17becf"),
    *("#f0a07a", "#82c99a", "#a9cce3", "#c39bd3"),
)
_MARKERS = "osD^vP<X>ph"
_FRONT_COLOUR = "#303030"


def draw_study(report: Mapping[str, Any], folder: Path) -> dict[str, list[str]]:
    """Write a PNG for each model and cost.

    Args:
        report: of a study.
        folder: where the pictures go.
    Returns:
        Their names by model.
    """
    keep_matplotlib_out_of_home()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib.figure import Figure

    names: dict[str, list[str]] = {}
    for model in report["models"]:
        rows = [row for row in report["rows"] if row["model"] == model]
        prefix = f"{model}-" if len(report["models"]) > 1 else ""
        for cost in report["columns"] if rows else ():
            figure = Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
            _draw(figure.add_subplot(), report, rows, cost, title=f"{report['name']}: {model}")
            name = f"{prefix}{report['metric']}-{cost}.png"
            figure.savefig(folder / name, metadata={"Software": None})
            names.setdefault(model, []).append(name)
    return names


def _draw(
    axes: Axes, report: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], cost: str, title: str
) -> None:
    words, unit, factor = COST_NAMES[cost]
    metric = report["metric"]
    styles = _styles(rows)
    for label, style in styles.items():
        points = sorted(
            (row for row in rows if row["label"] == label),
            key=lambda row: float(row["costs"][cost]["mean"]),
        )
        _curve(axes, points, cost, metric, factor, style, label)
    _front(axes, rows, cost, metric, factor)
    chosen = [row for row in rows if cost in row["front"]["validation"]]
    axes.scatter(
        [row["costs"][cost]["mean"] / factor for row in chosen],
        [100 * row["test"][metric]["mean"] for row in chosen],
        s=170,
        facecolors="none",
        edgecolors=_FRONT_COLOUR,
        linewidths=1.2,
        zorder=4,
        label="best by validation samples",
    )
    means = [row["costs"][cost]["mean"] for row in rows]
    if min(means) > 0 and max(means) / min(means) > _WIDE:
        axes.set_xscale("log")
    axes.margins(0.06)
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(f"{words}, {unit}" if unit else words)
    axes.set_ylabel(f"{metric.replace('_', ' ')} on test samples, %")
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)


def _styles(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """A colour for each method, and a marker for each of its forms."""
    colours = itertools.cycle(_COLOURS)
    shapes = itertools.cycle(_MARKERS)
    methods: dict[str, str] = {}
    styles: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["label"] in styles:
            continue
        if row["method"] == UNPRUNED:
            styles[row["label"]] = {"color": "black", "marker": "*", "markersize": 13}
            continue
        colour = methods.setdefault(row["method"], "") or next(colours)
        methods[row["method"]] = colour
        styles[row["label"]] = {"color": colour, "marker": next(shapes), "markersize": 8}
    return styles


def _curve(
    axes: Axes,
    points: Sequence[Mapping[str, Any]],
    cost: str,
    metric: str,
    factor: float,
    style: Mapping[str, Any],
    label: str,
) -> None:
    """Means, joined, with the range over seeds."""
    costs = [row["costs"][cost] for row in points]
    results = [row["test"][metric] for row in points]
    x = [value["mean"] / factor for value in costs]
    y = [100 * value["mean"] for value in results]
    colour = style["color"]
    axes.plot(x, y, color=colour, linewidth=0.9, alpha=0.4, zorder=2)
    axes.errorbar(
        x,
        y,
        xerr=_arms(costs, 1 / factor),
        yerr=_arms(results, 100.0),
        fmt="none",
        ecolor=colour,
        elinewidth=0.9,
        alpha=0.5,
        zorder=2,
    )
    axes.plot(
        x,
        y,
        linestyle="none",
        label="not pruned" if points[0]["method"] == UNPRUNED else label,
        markeredgecolor="white",
        markeredgewidth=0.6,
        zorder=3,
        **style,
    )


def _arms(values: Sequence[Mapping[str, float]], scale: float) -> list[list[float]]:
    """How far the range reaches below and above the means."""
    # Means of equal numbers may be off by a rounding.
    below = [max(0.0, scale * (value["mean"] - value["min"])) for value in values]
    above = [max(0.0, scale * (value["max"] - value["mean"])) for value in values]
    return [below, above]


def _front(
    axes: Axes, rows: Sequence[Mapping[str, Any]], cost: str, metric: str, factor: float
) -> None:
    """The best test result for each cost, as a stair."""
    best = sorted(
        (row["costs"][cost]["mean"] / factor, 100 * row["test"][metric]["mean"])
        for row in rows
        if cost in row["front"]["test"]
    )
    axes.step(
        [x for x, _ in best],
        [y for _, y in best],
        where="post",
        color=_FRONT_COLOUR,
        linewidth=1.3,
        linestyle=(0, (4, 2)),
        zorder=2,
        label="Pareto front of the test samples",
    )
