"""Accuracy from float to the device, and the samples on which int8 differs most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.report.html.chart import MUTED, SERIES, Chart, make_chart
from pipeline.report.html.sections.base import Section
from pipeline.report.html.shown import Facts, Shown, pointer
from pipeline.report.origin import COMPUTED

_TITLE = "Accuracy"
# Wider confusion matrices scroll inside their frame.
_WIDE_CLASSES = 6


def section(facts: Facts, pictures: Mapping[str, str]) -> Section:
    """One row and one confusion matrix per step, the training, and the worst disagreements."""
    steps = [step for step in _steps(facts) if facts.get("accuracy", step[0]) is not None]
    if not steps:
        why = "The inputs have no labels."
        if facts.get("train") is not None:
            why = "The run ended before any accuracy was measured."
        return Section(id="accuracy", title=_TITLE, missing=why)
    rows = [
        {
            "name": name,
            "origin": origin,
            "samples": facts.count("accuracy", key, "samples"),
            "plain": facts.percent("accuracy", key, "plain"),
            "balanced": facts.percent("accuracy", key, "balanced"),
        }
        for key, name, origin in steps
    ]
    matrices = [
        _matrix(facts, key, name, origin)
        for key, name, origin in steps
        if facts.get("accuracy", key, "confusion")
    ]
    return Section(
        id="accuracy",
        title=_TITLE,
        view={
            "rows": rows,
            "matrices": matrices,
            "flipped": facts.count("quantize", "flipped"),
            "worst": _worst(facts, pictures),
            "history": _history(facts),
            "epochs": _epochs(facts),
        },
    )


def _steps(facts: Facts) -> tuple[tuple[str, str, str], ...]:
    pruned = facts.get("prune") is not None
    return (
        ("unpruned", "Float, before pruning", COMPUTED),
        ("float", "Float, pruned" if pruned else "Float", COMPUTED),
        ("int8", "int8, reference kernels", COMPUTED),
        ("device", "int8, on the device", facts.origin),
    )


def _matrix(facts: Facts, key: str, name: str, origin: str) -> dict[str, Any]:
    confusion = facts.get("accuracy", key, "confusion")
    classes = facts.get("quantize", "classes") or [str(n) for n in range(len(confusion))]
    rows = []
    for true, counts in enumerate(confusion):
        total = sum(counts)
        cells = [
            {
                "figure": facts.count("accuracy", key, "confusion", true, guess),
                "depth": round(100 * count / total) if total else 0,
                "right": true == guess,
            }
            for guess, count in enumerate(counts)
        ]
        recall = f"{counts[true] / total:.1%}" if total else "–"
        label = classes[true] if true < len(classes) else str(true)
        rows.append({"name": label, "cells": cells, "recall": recall})
    return {
        "name": name,
        "origin": origin,
        "classes": [classes[n] if n < len(classes) else str(n) for n in range(len(confusion))],
        "rows": rows,
        "wide": len(confusion) > _WIDE_CLASSES,
    }


def _worst(facts: Facts, pictures: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = facts.get("quantize", "worst") or []
    return [
        {
            "sample": row["sample"],
            "true": row["true"],
            "float_class": row["float_class"],
            "int8_class": row["int8_class"],
            "flipped": row["float_class"] != row["int8_class"],
            "moved": Shown(
                f"{row['moved']:.3f}",
                pointer(("quantize", "worst", index, "moved")),
                repr(row["moved"]),
            ),
            "picture": pictures.get(row["sample"]),
        }
        for index, row in enumerate(rows)
    ]


def _epochs(facts: Facts) -> list[dict[str, Any]]:
    """The figures behind the chart of the training."""
    return [
        {
            "epoch": facts.count("train", "history", index, "epoch"),
            "train_loss": facts.real("train", "history", index, "train_loss"),
            "val_loss": facts.real("train", "history", index, "val_loss"),
            "balanced": facts.percent("train", "history", index, "val_balanced_accuracy"),
        }
        for index in range(len(facts.get("train", "history") or ()))
    ]


def _history(facts: Facts) -> Chart | None:
    """Loss and accuracy by epoch."""
    history = facts.get("train", "history") or []
    if len(history) < 2:
        return None
    epochs = [row["epoch"] for row in history]
    curves = (
        ("training loss", "train_loss", 1.0, "y", SERIES[1], "dot"),
        ("validation loss", "val_loss", 1.0, "y", SERIES[1], "solid"),
        ("balanced accuracy, %", "val_balanced_accuracy", 100.0, "y2", SERIES[0], "solid"),
    )
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": epochs,
            "y": [factor * row[key] for row in history],
            "yaxis": axis,
            "line": {"color": colour, "dash": dash},
            "marker": {"size": 5},
        }
        for name, key, factor, axis, colour, dash in curves
    ]
    best = facts.get("train", "best_epoch")
    layout = {
        "xaxis": {"title": {"text": "epoch"}, "dtick": max(1, len(epochs) // 8)},
        "yaxis": {"title": {"text": "loss"}, "rangemode": "tozero"},
        "yaxis2": {
            "title": {"text": "validation, %"},
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "tickmode": "auto",
            "nticks": 6,
            "tickformat": ".4~g",
        },
        "legend": {"orientation": "h", "y": -0.28, "x": 0},
        "shapes": [
            {
                "type": "line",
                **{"x0": best, "x1": best, "yref": "paper", "y0": 0, "y1": 1},
                "line": {"color": MUTED, "dash": "dash", "width": 1},
            }
        ],
        "annotations": [
            {
                **{"x": best, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False},
                "text": "kept",
                "font": {"color": MUTED, "size": 11},
            }
        ],
    }
    alt = (
        f"Line chart of {len(epochs)} epochs of training: loss on training and validation samples, "
        f"and balanced accuracy on validation samples. Epoch {best} was kept."
    )
    return make_chart("history", "Training", alt, data, layout, height=320)
