"""Draw the figures of docs/studies.md: accuracy against what a model costs.

python tools/plot_study.py STUDY/report.json OUT.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# Of a cost: (key, what is written at the axis, by what it is divided).
AXES = (("arena", "tensor arena, KiB", 1024), ("macs", "million MACs", 10**6))
SEARCH = "budget"
# Unlike the search, it has no gain on a microcontroller.
REFERENCE = "magnitude-unstructured"


def draw(report: dict[str, Any], path: Path) -> None:
    """One panel for each cost; the front of all methods is a line."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "study", "font.size": 9})
    from matplotlib import pyplot as plt

    metric = report["metric"]
    rows = [row for row in report["rows"] if row["method"] != REFERENCE]
    methods = list(dict.fromkeys(row["label"] for row in rows if row["method"] != SEARCH))
    colours = mpl.colormaps["tab20"]
    marks = "ovsPDX*<>^ph"
    figure, panels = plt.subplots(1, len(AXES), figsize=(10, 4.6), sharey=True)
    for panel, (cost, title, divisor) in zip(panels, AXES, strict=True):
        for number, label in enumerate([*methods, SEARCH]):
            same = [row for row in rows if label in (row["label"], row["method"])]
            search = label == SEARCH
            panel.plot(
                [row["costs"][cost]["mean"] / divisor for row in same],
                [100 * row["test"][metric]["mean"] for row in same],
                linestyle="",
                marker="o" if search else marks[number % len(marks)],
                color="black" if search else colours(number % 20),
                markersize=9 if search else 6,
                zorder=3 if search else 2,
                label="budgeted search" if search else label,
            )
        front = sorted(
            (row["costs"][cost]["mean"] / divisor, 100 * row["test"][metric]["mean"])
            for row in rows
            if cost in row["front"]["test"]
        )
        panel.step(*zip(*front, strict=True), where="post", color="grey", linewidth=1, zorder=1)
        panel.set_xlabel(title)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(f"{metric.replace('_', ' ')} on test pictures, %")
    panels[-1].legend(fontsize=7, loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
