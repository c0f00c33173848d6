"""How the learning rate runs over a training."""

from __future__ import annotations

import math


def warm_cosine(step: int, steps: int, warmup: float) -> float:
    """The share of the highest rate at a step: linear growth, then a half cosine to 1 %.

    Args:
        step: counted from 0.
        steps: in all.
        warmup: steps of growth.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    share = (step - warmup) / max(1.0, steps - warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share))
