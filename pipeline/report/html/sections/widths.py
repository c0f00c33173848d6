"""What pruning took: the model as a whole, and every layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.report.html.sections.base import Section
from pipeline.report.html.shown import Facts
from pipeline.report.origin import COMPUTED

_TITLE = "Pruning"
_SUMS = (
    ("Parameters", "params"),
    ("MACs", "macs"),
    ("Peak activations, bytes", "peak_activation_bytes"),
)


def section(facts: Facts, pictures: Mapping[str, str]) -> Section:
    """Costs and widths before and after."""
    pruned = facts.get("prune")
    if pruned is None:
        why = "Nothing was pruned: the run has no section [prune]."
        if facts.get("train") is None:
            why = "The model was deployed as it is: nothing is known about its training."
        return Section(id="widths", title=_TITLE, missing=why)
    layers = pruned.get("layers") or []
    return Section(
        id="widths",
        title=_TITLE,
        view={
            "method": pruned["method"],
            "epochs": facts.count("prune", "trained_epochs"),
            "sums": [_sum(facts, words, key) for words, key in _SUMS],
            "layers": [_layer(facts, index, layer) for index, layer in enumerate(layers)],
            "origin": COMPUTED,
            "locked": [
                {"layer": lock["layer"], "reason": lock["reason"]} for lock in pruned["locked"]
            ],
            "notes": pruned["notes"],
        },
    )


def _sum(facts: Facts, words: str, key: str) -> dict[str, Any]:
    before, after = facts.get("prune", "before", key), facts.get("prune", "after", key)
    return {
        "name": words,
        "before": facts.count("prune", "before", key),
        "after": facts.count("prune", "after", key),
        "left": _share(before, after),
    }


def _layer(facts: Facts, index: int, layer: Mapping[str, Any]) -> dict[str, Any]:
    before, after = layer["before"], layer["after"] or {}
    return {
        "name": layer["name"],
        "kind": layer["kind"],
        "left": _share(before["channels"], after.get("channels")),
        **{
            key: (
                facts.count("prune", "layers", index, "before", key),
                facts.count("prune", "layers", index, "after", key),
            )
            for key in ("channels", "params", "macs")
        },
    }


def _share(before: int | None, after: int | None) -> str:
    return f"{after / before:.1%}" if before and after is not None else "–"
