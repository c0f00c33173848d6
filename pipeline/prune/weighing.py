"""What losing channels counts for, by their importance.

There is no best weighing for all models and budgets:

- shares: groups follow each other, so the shares of importance that they retain multiply; the sum
  of the logarithms is maximized, with groups alike or by their channels.
- sums: Taylor's importance is an estimate of what the loss of the network rises by, so what is
  removed adds up, over the whole network; as it is, or with a norm of 1 in each group.
- even: the same share of every group goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.prune.criteria.base import NORMALIZATIONS
from pipeline.prune.records import FloatArray

Losses = tuple[FloatArray, ...]
"""For each group what keeping n channels loses, float64 [channels + 1]; inf for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """What losing channels counts for.

    Attributes:
        name: for people.
        importance: of each group, float64 [channels]: which channels stay.
        losses: in how many of them.
        even: go down by the same share in every group instead of where it costs least.
    """

    name: str
    importance: tuple[FloatArray, ...]
    losses: Losses
    even: bool = False


def by_shares(name: str, scores: tuple[FloatArray, ...], spread: float) -> Weighing:
    """Minus the logarithm of the retained share, times channels ** spread."""
    losses = []
    for one in scores:
        kept = _kept(one)
        shares = kept / kept[-1] if kept[-1] > 0 else np.arange(len(kept)) / (len(kept) - 1)
        with np.errstate(divide="ignore"):
            losses.append(-np.log(shares) * len(one) ** spread)
    return Weighing(
        name=f"{name}, shares{' by width' if spread else ''}",
        importance=scores,
        losses=tuple(losses),
    )


def by_taylor(scores: tuple[FloatArray, ...]) -> tuple[Weighing, ...]:
    """Weighings by an importance that adds up over the network."""
    normed = tuple(NORMALIZATIONS["l2"](one) for one in scores)
    return (
        by_shares("taylor", scores, 0.0),
        by_shares("taylor", scores, 1.0),
        Weighing(name="taylor, sums", importance=scores, losses=_removed(scores)),
        Weighing(name="taylor, normed sums", importance=normed, losses=_removed(normed)),
        Weighing(name="taylor, even", importance=scores, losses=_removed(scores), even=True),
    )


def _kept(scores: FloatArray) -> FloatArray:
    """Importance of the n best channels, float64 [channels + 1]; none counts below 0."""
    shifted = np.sort(scores - min(0.0, float(scores.min())))[::-1]
    return np.concatenate([[0.0], np.cumsum(shifted)])


def _removed(scores: tuple[FloatArray, ...]) -> Losses:
    """Importance of all but the n best channels."""
    totals = [_kept(one) for one in scores]
    return tuple(np.concatenate([[np.inf], kept[-1] - kept[1:]]) for kept in totals)
