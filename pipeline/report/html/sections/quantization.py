"""What int8 does to each layer, and where the accuracy goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.html.chart import SERIES, Chart, hover, make_chart
from pipeline.report.html.sections.base import Section
from pipeline.report.html.shown import Facts, short_names
from pipeline.report.origin import COMPUTED

_ID, _TITLE = "quantization", "Quantization"


def section(facts: Facts, pictures: Mapping[str, str]) -> Section:
    """Signal to quantization noise over the layers, the advice, and layers of four bits."""
    if facts.get("quantize") is None:
        return Section(id=_ID, title=_TITLE, missing="Only the quantized model is known.")
    layers = facts.get("quantize", "layers") or []
    names = short_names([layer["layer"] for layer in layers])
    return Section(
        id=_ID,
        title=_TITLE,
        view={
            "origin": COMPUTED,
            "how": _how(facts),
            "advice": facts.get("quantize", "advice"),
            "rows": [_row(facts, index, name) for index, name in enumerate(names)],
            "chart": _chart(layers, names) if layers else None,
            "low_bit": _low_bit(facts),
        },
    )


def _how(facts: Facts) -> str:
    """How the model became int8, in a sentence."""
    samples = facts.get("quantize", "calibration_samples")
    if facts.get("quantize", "method") == "qat":
        kept = facts.get("quantize", "qat", "kept")
        if kept in ("ptq", "equalized"):
            how = " with equalized layers" if kept == "equalized" else ""
            return (
                "Trained with int8 rounding, which did no better on the validation samples than "
                f"calibration{how}: {samples:,} training samples gave the ranges."
            )
        best = facts.get("quantize", "qat", "best_epoch")
        return (
            f"Trained with int8 rounding; epoch {best} was best. {samples:,} training samples "
            "gave the first ranges."
        )
    ptq = facts.get("quantize", "settings", "ptq") or {}
    repairs = [
        words
        for key, words in (("equalize", "equalized layers"), ("correct_bias", "corrected biases"))
        if ptq.get(key)
    ]
    ranges = ptq.get("calibration", "min-max")
    return f"After training: ranges by {', '.join([ranges, *repairs])} of {samples:,} samples."


def _row(facts: Facts, index: int, name: str) -> dict[str, Any]:
    keys = ("quantize", "layers", index)
    layer = facts.get(*keys)
    return {
        "index": index,
        "name": name,
        "full_name": layer["layer"],
        "kind": layer["kind"],
        "sqnr": facts.real(*keys, "sqnr_db"),
        "own": facts.real(*keys, "isolated_sqnr_db"),
        "cosine": facts.real(*keys, "cosine"),
        "saturated": facts.percent(*keys, "saturated"),
    }


def _low_bit(facts: Facts) -> dict[str, Any] | None:
    """Layers with filters of four bits, and the flash that they save."""
    found = facts.get("quantize", "low_bit")
    if found is None:
        return None
    keys = ("quantize", "low_bit")
    return {
        "board": found["board"],
        "before": facts.bytes(*keys, "flash_bytes_before"),
        "after": facts.bytes(*keys, "flash_bytes"),
        "rows": [
            {
                "name": layer["name"],
                "bits": facts.count(*keys, "layers", index, "bits"),
                "before": facts.bytes(*keys, "layers", index, "bytes_before"),
                "after": facts.bytes(*keys, "layers", index, "bytes_after"),
            }
            for index, layer in enumerate(found["layers"])
        ],
    }


def _chart(layers: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Chart:
    """A line for the noise so far, dots for each layer's own."""
    labels = [hover(f"{index}: {name}") for index, name in enumerate(names)]
    common = {
        "x": list(range(len(layers))),
        "customdata": labels,
        "hovertemplate": "%{customdata}<br>%{y:.1f} dB<extra></extra>",
    }
    data = [
        {
            **common,
            "type": "scatter",
            "mode": "lines",
            "name": "with all errors up to here",
            "y": [layer["sqnr_db"] for layer in layers],
            "line": {"color": SERIES[0], "width": 2},
        },
        {
            **common,
            "type": "scatter",
            "mode": "markers",
            "name": "the layer's own",
            "y": [layer["isolated_sqnr_db"] for layer in layers],
            "marker": {"color": SERIES[1], "size": 7},
        },
    ]
    layout = {
        "xaxis": {"title": {"text": "layer"}, "showgrid": False},
        "yaxis": {"title": {"text": "dB"}, "rangemode": "tozero"},
        "legend": {"orientation": "h", "y": -0.25, "x": 0},
    }
    worst = min(range(len(layers)), key=lambda index: float(layers[index]["sqnr_db"]))
    alt = (
        f"Signal to quantization noise of {len(layers)} layers. Lowest with all errors: layer "
        f"{worst}, {names[worst]}, {layers[worst]['sqnr_db']:.1f} dB. The table below has every "
        "figure."
    )
    title = "Signal to quantization noise: higher is closer to float"
    return make_chart("layer-noise", title, alt, data, layout, height=340)
