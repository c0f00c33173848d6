"""From what pruning a block saves to the ratio that it is pruned by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

TERMS = ("params", "macs", "peak_activation_bytes", "accuracy")
"""What a block's importance is made of; all but accuracy can be budgets too."""

BASE = 0.1
"""Added to scaled importances: with k, the ratio of the least important block falls as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What pruning one block as far as it goes saves, in percent of the whole model.

    Attributes:
        block: its name.
        saved: by term, percent; of accuracy what is lost, in percentage points.
    """

    block: str
    saved: Mapping[str, float]


def paper_importance(probes: Sequence[Probe]) -> list[float]:
    """0.5 (100 - percent of parameters) + 0.5 (100 - percent of MACs)."""
    return [0.5 * (100 - p.saved["params"]) + 0.5 * (100 - p.saved["macs"]) for p in probes]


def paper_ratios(importances: Sequence[float], k: float = 2.0, r_max: float = 0.99) -> list[float]:
    """r_max exp(-k n) / max exp(-k n), n the share of all importance; to two decimals."""
    total = sum(importances)
    factors = [math.exp(-k * value / total) for value in importances]
    return [round(r_max * factor / max(factors), 2) for factor in factors]


def scaled_importance(probes: Sequence[Probe], weights: Mapping[str, float]) -> list[float]:
    """Weighted mean of the terms, each min-max scaled over the blocks; in [0, 1].

    Savings count against a block's importance, lost accuracy for it.
    """
    total = sum(weights.values())
    values = np.zeros(len(probes))
    for term, weight in weights.items():
        column = np.array([probe.saved[term] for probe in probes])
        span = float(np.ptp(column))
        scaled = (column - column.min()) / span if span > 0 else np.zeros_like(column)
        values += weight / total * (scaled if term == "accuracy" else 1 - scaled)
    low, span = float(values.min()), float(np.ptp(values))
    return [float(value) for value in ((values - low) / span if span > 0 else values * 0)]


def block_ratios(importances: Sequence[float], k: float, r_max: float) -> list[float]:
    """r_max exp(-k (BASE + importance)): never rising with k or with importance."""
    return [r_max * math.exp(-k * (BASE + value)) for value in importances]
