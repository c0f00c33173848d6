"""Charts as Plotly draws them.

Their colours are names of assets/report.css, so that both schemes share one figure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

SERIES = tuple(f"var(--series-{number})" for number in range(1, 9))
INK, MUTED, GRID, ACCENT = "var(--ink)", "var(--muted)", "var(--line)", "var(--accent)"
BACKGROUND = "var(--page)"

# On one logarithmic axis of a narrow chart.
_MOST_TICKS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A figure of a page.

    Attributes:
        id: unique in the page.
        title: above it.
        alt: what it shows, for those who do not see it; its figures stand in a table.
        spec: data and layout for Plotly, as JSON that may stand in a page.
        height: in CSS pixels.
        note: below it.
    """

    id: str
    title: str
    alt: str
    spec: str
    height: int
    note: str = ""


def make_chart(
    identity: str,
    title: str,
    alt: str,
    data: Sequence[Mapping[str, Any]],
    layout: Mapping[str, Any],
    *,
    height: int,
    note: str = "",
) -> Chart:
    """A chart; Plotly checks every trace and setting.

    Raises:
        ValueError: a setting that Plotly does not know.
    """
    from plotly.graph_objects import Figure

    figure = Figure(data=list(data), layout={**layout, "height": height})
    figure.layout.template = None
    spec = figure.to_plotly_json()
    spec["layout"].pop("template", None)
    return Chart(
        id=identity, title=title, alt=alt, spec=script_json(spec), height=height, note=note
    )


def log_axis(values: Sequence[float]) -> dict[str, Any]:
    """A logarithmic axis whose ticks are whole words: 5M rather than Plotly's lone 5.

    Args:
        values: what is drawn, all above 0.
    """
    low, high = min(values), max(values)
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1,)):
        ticks = [step * 10**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low / 2 <= tick <= 2 * high]
        if len(ticks) <= _MOST_TICKS:
            break
    return {"type": "log", "tickvals": ticks, "ticktext": [_short(tick) for tick in ticks]}


def _short(count: float) -> str:
    """A number of few digits: 5M, 20k, 300."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= unit:
            return f"{count / unit:g}{letter}"
    return f"{count:g}"


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element; what is not finite becomes null."""
    text = json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _finite(value: Any) -> Any:
    """A value without the numbers that JSON has no word for, as of a training that diverged."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def hover(text: str) -> str:
    """A text for a label of Plotly, which reads some HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@cache
def plotly_script() -> str:
    """Plotly itself."""
    import plotly

    path = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    return path.read_text(encoding="utf-8").replace("</script", "<\\/script")
