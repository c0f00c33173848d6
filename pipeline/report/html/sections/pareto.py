"""This run among published models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.report.html.chart import ACCENT, MUTED, SERIES, Chart, hover, log_axis, make_chart
from pipeline.report.html.sections.base import Section
from pipeline.report.html.shown import Facts, Shown
from pipeline.report.pareto import pareto_front
from pipeline.report.published import PUBLISHED, PUBLISHED_MODELS, SOURCE, TARGET

_TITLE = "Among published models"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Own:
    """This run's point; None for what it has not got."""

    accuracy: float | None
    macs: int
    arena_bytes: int
    instructions: int | None


def section(facts: Facts, pictures: Mapping[str, str]) -> Section:
    """Accuracy against cost, and instructions against MACs; the table has every figure."""
    deployment = facts.get("deployment")
    if deployment is None:
        return Section(id="pareto", title=_TITLE, missing="The run ended before its measurement.")
    is_same_core = facts.get("board", "core") == "cortex-m4f"
    ticks = deployment.get("instructions_per_inference")
    step = facts.accuracy_step
    accuracy = ("accuracy", step, "plain") if step else ("deployment", "accuracy")
    own = _Own(
        accuracy=facts.get(*accuracy),
        macs=deployment["model"]["macs"],
        arena_bytes=deployment["ram"]["arena_bytes"],
        instructions=ticks["median"] if ticks and is_same_core else None,
    )
    charts = []
    if own.accuracy is not None:
        charts += [
            _against(own, own.accuracy, "macs", "MACs"),
            _against(own, own.accuracy, "arena_bytes", "tensor arena, bytes"),
        ]
    if own.instructions is not None:
        charts.append(_speed(own, own.instructions))
    return Section(
        id="pareto",
        title=_TITLE,
        view={
            "source": SOURCE,
            "charts": charts,
            "own": {
                "name": facts.get("name") or deployment["model"]["name"],
                "engine": deployment["engine"],
                "origin": facts.origin,
                "accuracy": facts.percent(*accuracy),
                "macs": facts.count("deployment", "model", "macs"),
                "arena": facts.count("deployment", "ram", "arena_bytes"),
                "instructions": facts.count("deployment", "instructions_per_inference", "median")
                if own.instructions is not None
                else Shown("–"),
                "tflite": facts.count("deployment", "model", "tflite_bytes"),
            },
            "models": [
                {
                    "name": model.name,
                    "task": model.task,
                    "accuracy": "–" if model.accuracy is None else f"{model.accuracy:.0%}",
                    "kind": model.accuracy_kind,
                    "macs": f"{model.macs:,}",
                    "arena": f"{model.arena_bytes:,}",
                    "instructions": f"{model.instructions:,}",
                    "tflite": f"{model.tflite_bytes:,}",
                }
                for model in PUBLISHED_MODELS
            ],
        },
    )


def _points(
    name: str, x: Sequence[int], y: Sequence[float], texts: Sequence[str], **marker: Any
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": list(x),
        "y": list(y),
        "text": [hover(text) for text in texts],
        "hovertemplate": "%{text}<br>%{x:,}<br>%{y}<extra></extra>",
        "marker": {"size": 11} | marker,
    }


def _own_point(x: int, y: float) -> dict[str, Any]:
    return _points("this run", [x], [y], ["this run"], color=ACCENT, symbol="star", size=16)


def _against(own: _Own, accuracy: float, cost: str, words: str) -> Chart:
    """Accuracy over one cost, with the points that no other beats joined."""
    data = []
    for kind, symbol in ((PUBLISHED, "circle"), (TARGET, "diamond-open")):
        rows = [model for model in PUBLISHED_MODELS if model.accuracy_kind == kind]
        data.append(
            _points(
                kind,
                [getattr(model, cost) for model in rows],
                [100 * (model.accuracy or 0.0) for model in rows],
                [f"{model.name} ({model.task})" for model in rows],
                color=SERIES[0],
                symbol=symbol,
            )
        )
    mine = _own_point(getattr(own, cost), 100 * accuracy)
    data.append(mine)
    points = sorted((x, y) for trace in data for x, y in zip(trace["x"], trace["y"], strict=True))
    front = pareto_front([(x, -y) for x, y in points])
    best = [point for point, is_best in zip(points, front, strict=True) if is_best]
    data.insert(
        0,
        {
            "type": "scatter",
            "mode": "lines",
            "name": "no other is smaller and better",
            "x": [x for x, _ in best],
            "y": [y for _, y in best],
            "line": {"shape": "hv", "dash": "dash", "color": MUTED, "width": 1.5},
            "hoverinfo": "skip",
        },
    )
    layout = {
        "xaxis": {"title": {"text": words}, **log_axis([x for x, _ in points])},
        "yaxis": {"title": {"text": "accuracy, %"}, "range": [min(60, 100 * accuracy - 5), 101]},
        "legend": {"orientation": "h", "y": -0.3, "x": 0},
    }
    alt = (
        f"Scatter plot of accuracy against {words}: this run at {accuracy:.1%} and "
        f"{getattr(own, cost):,}, and {len(points) - 1} published models. The table below has "
        "every figure."
    )
    identity = f"pareto-{cost.replace('_', '-')}"
    return make_chart(identity, f"Accuracy and {words}", alt, data, layout, height=380)


def _speed(own: _Own, instructions: int) -> Chart:
    """Instructions over MACs: what an engine makes of a model."""
    theirs = _points(
        "TFLM with CMSIS-NN",
        [model.macs for model in PUBLISHED_MODELS],
        [model.instructions for model in PUBLISHED_MODELS],
        [model.name for model in PUBLISHED_MODELS],
        color=SERIES[0],
        symbol="circle",
    )
    mine = _own_point(own.macs, instructions)
    for trace in (theirs, mine):
        trace["hovertemplate"] = "%{text}<br>%{x:,} MACs<br>%{y:,} instructions<extra></extra>"
    layout = {
        "xaxis": {"title": {"text": "MACs"}, **log_axis([*theirs["x"], *mine["x"]])},
        "yaxis": {
            "title": {"text": "instructions, emulated"},
            **log_axis([*theirs["y"], *mine["y"]]),
        },
        "legend": {"orientation": "h", "y": -0.3, "x": 0},
    }
    alt = (
        f"Scatter plot of instructions against MACs on the same emulated core: this run with "
        f"{instructions:,} instructions for {own.macs:,} MACs, and {len(PUBLISHED_MODELS)} "
        "published models on TFLM with CMSIS-NN. The table below has every figure."
    )
    return make_chart(
        "pareto-speed", "Instructions and MACs", alt, [theirs, mine], layout, height=380
    )
