"""What each layer costs on the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.html.chart import SERIES, Chart, hover, make_chart
from pipeline.report.html.sections.base import Section
from pipeline.report.html.shown import Facts, short_names
from pipeline.report.origin import COMPUTED, ESTIMATED

_TITLE = "Layers"


def section(facts: Facts, pictures: Mapping[str, str]) -> Section:
    """Bars for all layers in order, and a table with every figure."""
    layers = facts.get("deployment", "layers") or []
    if not layers:
        return Section(id="layers", title=_TITLE, missing="The run ended before its measurement.")
    ticks = facts.ticks
    estimated = facts.get("deployment", "estimated_cycles") is not None
    names = short_names([layer["name"] for layer in layers])
    total = sum(layer[ticks] for layer in layers) or 1
    most = max(layer[ticks] for layer in layers) or 1
    rows = [
        {
            "index": index,
            "name": names[index],
            "full_name": layer["name"],
            "kind": layer["kind"],
            "macs": facts.count("deployment", "layers", index, "macs"),
            "ticks": facts.count("deployment", "layers", index, ticks),
            "cycles": facts.count("deployment", "layers", index, "estimated_cycles"),
            "per_mac": f"{layer[ticks] / layer['macs']:.2f}" if layer["macs"] else "–",
            "share": f"{layer[ticks] / total:.1%}",
            "bar": f"{layer[ticks] / most:.1%}",
        }
        for index, layer in enumerate(layers)
    ]
    return Section(
        id="layers",
        title=_TITLE,
        view={
            "unit": ticks.replace("_", " "),
            "origin": facts.origin,
            "macs_origin": COMPUTED,
            "cycles_origin": ESTIMATED if estimated else None,
            "rows": rows,
            "chart": _chart(facts, layers, names, estimated),
        },
    )


def _chart(
    facts: Facts, layers: Sequence[Mapping[str, Any]], names: Sequence[str], estimated: bool
) -> Chart:
    """Three rows of bars over the same layers, coloured by operator."""
    unit = facts.ticks.replace("_", " ")
    panels = [(facts.ticks, f"{unit}, {facts.origin}")]
    if estimated:
        panels.append(("estimated_cycles", "cycles, estimated"))
    panels.append(("macs", "MACs, computed"))
    kinds = sorted(
        {layer["kind"] for layer in layers},
        key=lambda kind: -sum(row[facts.ticks] for row in layers if row["kind"] == kind),
    )
    data = []
    for panel, (key, _) in enumerate(panels):
        for number, kind in enumerate(kinds):
            rows = [(i, layer) for i, layer in enumerate(layers) if layer["kind"] == kind]
            data.append(
                {
                    "type": "bar",
                    "name": kind.lower().replace("_", " "),
                    "legendgroup": kind,
                    "showlegend": panel == 0,
                    "x": [index for index, _ in rows],
                    "y": [layer[key] for _, layer in rows],
                    "customdata": [hover(f"{i}: {names[i]}") for i, _ in rows],
                    "hovertemplate": "%{customdata}<br>%{y:,}<extra></extra>",
                    "xaxis": "x",
                    "yaxis": f"y{panel + 1}" if panel else "y",
                    "marker": {"color": SERIES[number % len(SERIES)]},
                }
            )
    layout: dict[str, Any] = {
        "barmode": "stack",
        "bargap": 0.15,
        "xaxis": {"title": {"text": "layer"}, "anchor": f"y{len(panels)}", "showgrid": False},
        "legend": {"orientation": "h", "y": -0.12, "x": 0},
        "annotations": [],
    }
    height = 1 / len(panels)
    for panel, (_, words) in enumerate(panels):
        top = 1 - panel * height
        axis = f"yaxis{panel + 1}" if panel else "yaxis"
        layout[axis] = {"domain": [top - height + 0.02, top - 0.06], "nticks": 4}
        layout["annotations"].append(
            {
                **{"x": 0, "xref": "paper", "y": top - 0.055, "yref": "paper"},
                **{"text": words, "showarrow": False, "xanchor": "left", "yanchor": "bottom"},
                "font": {"size": 12},
            }
        )
    most = max(range(len(layers)), key=lambda index: int(layers[index][facts.ticks]))
    alt = (
        f"Bar charts over {len(layers)} layers: {', '.join(words for _, words in panels)}. "
        f"Most {unit} take layer {most}, {names[most]}. The table below has every figure."
    )
    return make_chart("layer-costs", "Cost of each layer", alt, data, layout, height=560)
