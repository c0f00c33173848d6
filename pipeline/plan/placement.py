"""Put blocks at offsets such that no byte is occupied twice at the same time.

Blocks change while they are alive: an output grows while its input shrinks. For two blocks the
distances between their offsets that would ever let them meet are a few intervals, worked out once;
after that, placing needs no time axis any more.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.plan.lifetimes import Block, live_bytes
from pipeline.records import TENSOR_ALIGNMENT_BYTES

# Blocks of which every order is tried.
_FEW_BLOCKS = 5
# Part of the largest live set from which on a step has little room left.
_CROWDED = 0.6
_SEED = 0

# Open intervals (low, high).
_Intervals = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where blocks lie.

    Attributes:
        offsets: of each block, multiples of TENSOR_ALIGNMENT_BYTES.
        size_bytes: end of the block that ends last, in whole words.
    """

    offsets: tuple[int, ...]
    size_bytes: int


def place(blocks: Sequence[Block], changes: int) -> Layout:
    """Find offsets for blocks; proven best where their end is the largest live set.

    First fit in several orders; then the best order is changed at random, always in the same
    way, until nothing is left to gain. Of few blocks all orders are tried. Blocks that are alive
    only while much is free come last, and are not changed as long as they fit below the others.

    Args:
        blocks: what to place.
        changes: of the order that are tried.
    """
    live = live_bytes(blocks)
    crowd = [
        number
        for number, block in enumerate(blocks)
        if live[block.end > block.first].max() >= _CROWDED * live.max()
    ]
    conflicts = _conflicts(blocks)
    search = _Search(blocks, conflicts, int(live.max()))
    order = search.best(_orders(blocks, crowd), changes)
    others = sorted(set(range(len(blocks))) - set(order), key=lambda i: -blocks[i].size_bytes)
    layout = search.first_fit([*order, *others])
    if others and layout.size_bytes > search.first_fit(order).size_bytes:
        layout = search.first_fit(search.best([[*order, *others]], changes))
    return layout


def _orders(blocks: Sequence[Block], chosen: Sequence[int]) -> list[Sequence[int]]:
    """Orders to begin with."""
    if len(chosen) <= _FEW_BLOCKS:
        return list(itertools.permutations(chosen))
    alive = {i: np.flatnonzero(blocks[i].end > blocks[i].first) for i in chosen}
    births = {i: int(times[0]) for i, times in alive.items()}
    deaths = {i: int(times[-1]) for i, times in alive.items()}
    sizes = [block.size_bytes for block in blocks]
    return [
        sorted(chosen, key=lambda i: (-sizes[i], births[i])),
        sorted(chosen, key=lambda i: (births[i], -sizes[i])),
        sorted(chosen, key=lambda i: (-births[i], -sizes[i])),
        sorted(chosen, key=lambda i: (-deaths[i], -sizes[i])),
    ]


class _Search:
    """Orders in which blocks are placed, one after the other where they first fit."""

    def __init__(
        self, blocks: Sequence[Block], conflicts: list[list[_Intervals]], bound_bytes: int
    ) -> None:
        self._sizes = [block.size_bytes for block in blocks]
        self._conflicts = conflicts
        self._bound_bytes = bound_bytes

    def best(self, orders: Sequence[Sequence[int]], changes: int) -> list[int]:
        """The best of some orders, after so many random changes."""
        fits = [(self.first_fit(order).size_bytes, list(order)) for order in orders]
        order = min(fits)[1]
        best = self.first_fit(order)
        generator = random.Random(_SEED)
        for _ in range(changes if len(order) > _FEW_BLOCKS else 0):
            if best.size_bytes <= self._bound_bytes:
                break
            changed = list(order)
            highest = max(changed, key=lambda i: best.offsets[i] + self._sizes[i])
            moved = [highest, *generator.choices(changed, k=2)][generator.randrange(2) :]
            for block in moved:
                changed.remove(block)
                changed.insert(generator.randrange(len(changed) + 1), block)
            layout = self.first_fit(changed)
            if layout.size_bytes <= best.size_bytes:
                best, order = layout, changed
        return order

    def first_fit(self, order: Sequence[int]) -> Layout:
        """Place blocks one after the other, each at the lowest offset that is free for it.

        Blocks that the order lacks get the offset 0.
        """
        offsets = [0] * len(self._sizes)
        for position, block in enumerate(order):
            taken = []
            for other in order[:position]:
                for low, high in self._conflicts[other][block]:
                    taken.append((offsets[other] + low, offsets[other] + high))
            taken.sort()
            offset = 0
            for low, high in taken:
                if low >= offset:
                    break
                if offset < high:
                    offset = _in_words(high)
            offsets[block] = offset
        end = max((offsets[block] + self._sizes[block] for block in order), default=0)
        return Layout(offsets=tuple(offsets), size_bytes=_in_words(end))


def _conflicts(blocks: Sequence[Block]) -> list[list[_Intervals]]:
    """For blocks i and j the offsets of j minus those of i at which they meet at some time."""
    conflicts: list[list[_Intervals]] = [[() for _ in blocks] for _ in blocks]
    for i, j in itertools.combinations(range(len(blocks)), 2):
        conflicts[i][j] = _meeting(blocks[i], blocks[j])
        conflicts[j][i] = tuple((-high, -low) for low, high in conflicts[i][j])
    return conflicts


def _meeting(a: Block, b: Block) -> _Intervals:
    both = (a.end > a.first) & (b.end > b.first)
    if not both.any():
        return ()
    low, high = (a.first - b.end)[both], (a.end - b.first)[both]
    order = np.argsort(low, kind="stable")
    low, high = low[order], np.maximum.accumulate(high[order])
    gaps = np.flatnonzero(low[1:] >= high[:-1])
    starts, stops = [0, *(gaps + 1)], [*gaps, len(low) - 1]
    return tuple((int(low[i]), int(high[j])) for i, j in zip(starts, stops, strict=True))


def _in_words(size_bytes: int) -> int:
    return -(-size_bytes // TENSOR_ALIGNMENT_BYTES) * TENSOR_ALIGNMENT_BYTES
