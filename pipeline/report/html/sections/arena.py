"""The tensor arena over the steps of the schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.html.chart import ACCENT, BACKGROUND, MUTED, SERIES, Chart, hover, make_chart
from pipeline.report.html.sections.base import Section
from pipeline.report.html.shown import Facts, short_names
from pipeline.report.origin import COMPUTED

_TITLE = "Memory"


def section(facts: Facts, pictures: Mapping[str, str]) -> Section:
    """A picture of every buffer, and a table with its place and life."""
    plan = facts.get("plan")
    if plan is None:
        return Section(id="arena", title=_TITLE, missing="The run ended before its memory plan.")
    if "placements" not in plan:
        return Section(
            id="arena",
            title=_TITLE,
            missing="TensorFlow Lite Micro places its tensors when it starts: there is no plan of "
            f"its arena of {plan['arena_bytes']:,} bytes to draw.",
        )
    steps = len(plan["steps"])
    peak = max(range(-1, steps), key=lambda step: _live_bytes(plan, step))
    layers = short_names([layer["name"] for layer in plan["layers"]])
    where = "before the first step"
    if peak >= 0:
        op = plan["steps"][peak][0]
        where = f"step {peak}, layer {op}: {plan['layers'][op]['kind']} {layers[op]}"
    places = [_place(facts, plan, index, steps, layers) for index in range(len(plan["placements"]))]
    return Section(
        id="arena",
        title=_TITLE,
        view={
            "origin": COMPUTED,
            "arena": facts.bytes("plan", "arena_bytes"),
            "bound": facts.bytes("plan", "lower_bound_bytes"),
            "peak": f"{_live_bytes(plan, peak):,} B",
            "where": where,
            "places": places,
            "chart": _chart(plan, places, peak, where),
        },
    )


def _place(
    facts: Facts, plan: Mapping[str, Any], index: int, steps: int, layers: Sequence[str]
) -> dict[str, Any]:
    place = plan["placements"][index]
    name = ", ".join(dict.fromkeys(short_names(place["tensors"])))
    if place["scratch_of"] is not None:
        name = f"scratch of layer {place['scratch_of']}, {layers[place['scratch_of']]}"
    first, last = _life(place, steps)
    return {
        "name": name,
        "offset": facts.count("plan", "placements", index, "offset_bytes"),
        "size": facts.count("plan", "placements", index, "size_bytes"),
        "rows": facts.count("plan", "placements", index, "ring"),
        "first": "input" if first < 0 else str(first),
        "last": str(last),
    }


def _life(place: Mapping[str, Any], steps: int) -> tuple[int, int]:
    """First and last step with occupied bytes."""
    first, last = place["extents"][0], place["extents"][-1]
    return first[0], last[0] - 1 if last[1] == last[2] else steps - 1


def _live_bytes(plan: Mapping[str, Any], step: int) -> int:
    """Occupied bytes of all buffers during a step."""
    total = 0
    for place in plan["placements"]:
        reached = [extent for extent in place["extents"] if extent[0] <= step]
        total += reached[-1][2] - reached[-1][1] if reached else 0
    return total


def _chart(
    plan: Mapping[str, Any], places: Sequence[Mapping[str, Any]], peak: int, where: str
) -> Chart:
    """Steps to the right, addresses upward; a buffer is the outline of its occupied bytes."""
    steps = len(plan["steps"])
    data = []
    for number, (place, words) in enumerate(zip(plan["placements"], places, strict=True)):
        x, y = _outline(place, steps)
        rows = "" if place["ring"] is None else f", {place['ring']} rows at once"
        scratch = place["scratch_of"] is not None
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": x,
                "y": y,
                "fill": "toself",
                "fillcolor": MUTED if scratch else SERIES[number % len(SERIES)],
                "line": {"color": BACKGROUND, "width": 1, "shape": "linear"},
                "opacity": 0.8,
                "hoveron": "fills",
                "hoverinfo": "text",
                "text": hover(
                    f"{words['name']}: {place['size_bytes']:,} bytes{rows}, "
                    f"at {place['offset_bytes']:,}, steps {words['first']} to {words['last']}"
                ),
                "name": "",
                "showlegend": False,
            }
        )
    anchor = "left" if peak < steps / 3 else "right" if peak > steps / 1.5 else "center"
    layout = {
        "xaxis": {"title": {"text": "step of the schedule"}, "range": [-1, steps]},
        "yaxis": {
            "title": {"text": "address in the arena, bytes"},
            "range": [0, plan["arena_bytes"]],
            "tickformat": ",",
        },
        "hovermode": "closest",
        "shapes": [
            {
                "type": "rect",
                **{"x0": peak, "x1": peak + 1, "yref": "paper", "y0": 0, "y1": 1},
                "line": {"color": ACCENT, "width": 2},
            }
        ],
        "annotations": [
            {
                **{"x": peak + 0.5, "y": 1, "yref": "paper", "yanchor": "bottom"},
                "text": f"peak: step {peak}" if peak >= 0 else "peak: inputs",
                "showarrow": False,
                "xanchor": anchor,
                "font": {"color": ACCENT},
            }
        ],
    }
    alt = (
        f"Picture of the arena's {plan['arena_bytes']:,} bytes over {steps} steps: one area per "
        f"buffer, {len(data)} in all. It is fullest at {where}. The table below lists every buffer."
    )
    return make_chart("arena-picture", "The arena over time", alt, data, layout, height=440)


def _outline(place: Mapping[str, Any], steps: int) -> tuple[list[int | None], list[int | None]]:
    """A closed line around the bytes that a buffer occupies; a gap begins another."""
    extents = place["extents"]
    ends = [extent[0] for extent in extents[1:]] + [steps]
    x: list[int | None] = []
    y: list[int | None] = []
    piece: list[tuple[int, int, int, int]] = []
    for (begin, low, high), end in zip(extents, ends, strict=True):
        if high > low:
            offset = place["offset_bytes"]
            piece.append((begin, end, offset + low, offset + high))
        if (high <= low or end == steps) and piece:
            points = [(t, high) for begin, end, _, high in piece for t in (begin, end)]
            points += [(t, low) for begin, end, low, _ in reversed(piece) for t in (end, begin)]
            points.append(points[0])
            if x:
                x.append(None)
                y.append(None)
            x += [point[0] for point in points]
            y += [point[1] for point in points]
            piece = []
    return x, y
