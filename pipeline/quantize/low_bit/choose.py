"""Which layers to choose: for every amount of flash that can be saved, those that cost least."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Steps of the amounts that are told apart.
_STEPS = 4000


def best_choices(saved: Sequence[int], sensitivity: Sequence[float]) -> tuple[frozenset[int], ...]:
    """Sets of layers of which none saves as much at a smaller sum of sensitivities.

    A knapsack problem, solved by dynamic programming for all amounts at once, which are told apart
    to 1/4000 of the whole.

    Args:
        saved: bytes of flash for each layer, all positive.
        sensitivity: of each layer, not negative.
    Returns:
        From the empty set to that of all layers, each saving more than the one before it.
    """
    unit = max(1, -(-sum(saved) // _STEPS))
    amounts = [max(1, bytes_ // unit) for bytes_ in saved]
    whole = sum(amounts)
    # Least sum for at least this amount, and whether the layer at hand is taken for it.
    least = np.full(whole + 1, np.inf)
    least[0] = 0.0
    taken = np.zeros((len(amounts), whole + 1), dtype=np.bool_)
    places = np.arange(whole + 1)
    for layer, (amount, cost) in enumerate(zip(amounts, sensitivity, strict=True)):
        added = least[np.maximum(places - amount, 0)] + cost
        added[0] = np.inf
        taken[layer] = added < least
        least = np.where(taken[layer], added, least)
    choices: list[frozenset[int]] = []
    bytes_of = 0
    for place in range(whole + 1):
        choice = _walk_back(taken, amounts, place)
        total = sum(saved[layer] for layer in choice)
        if not choices or total > bytes_of:
            choices.append(choice)
            bytes_of = total
    return tuple(choices)


def _walk_back(
    taken: np.ndarray[tuple[int, int], np.dtype[np.bool_]], amounts: Sequence[int], place: int
) -> frozenset[int]:
    """The layers that were taken for an amount."""
    choice = set()
    for layer in reversed(range(len(amounts))):
        if taken[layer, place]:
            choice.add(layer)
            place = max(place - amounts[layer], 0)
    return frozenset(choice)
