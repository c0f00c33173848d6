from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prune.block_ratios import Probe, block_ratios, scaled_importance


def test_importance_of_the_default_mode_by_hand() -> None:
    probes = [
        Probe(block=name, saved={"params": params, "macs": macs})
        for name, params, macs in (("a", 1.0, 10.0), ("b", 6.0, 5.0), ("c", 11.0, 15.0))
    ]
    # Scaled: params 1, 0.5, 0 and MACs 0.5, 1, 0; their means again over all of [0, 1].
    assert scaled_importance(probes, {"params": 1, "macs": 1}) == pytest.approx([1, 1, 0])
    assert scaled_importance(probes, {"params": 3, "macs": 1}) == pytest.approx(
        [1, 0.625 / 0.875, 0]
    )


def test_accuracy_makes_a_block_important() -> None:
    probes = [
        Probe(block=name, saved={"params": 5.0, "accuracy": lost})
        for name, lost in (("a", 1.0), ("b", 21.0), ("c", 11.0))
    ]
    values = scaled_importance(probes, {"params": 1, "accuracy": 1})
    assert values == pytest.approx([0.0, 1.0, 0.5])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0, 20), st.floats(0, 20))
def test_ratios_never_rise_with_k_or_importance(
    importances: list[float], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    gentle, steep = (block_ratios(importances, k, 0.9) for k in (low, high))
    assert all(a >= b for a, b in zip(gentle, steep, strict=True))
    order = np.argsort(importances)
    assert (np.diff(np.array(gentle)[order]) <= 0).all()
