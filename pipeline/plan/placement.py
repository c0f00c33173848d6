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
    way, until nothing is left to gain. Of few blocks all orders are tried.

    Args:
        blocks: what to place.
        changes: of the order that are tried.
    """
    bound = int(live_bytes(blocks).max())
    conflicts = _conflicts(blocks)
    sizes = [block.size_bytes for block in blocks]
    best = min(
        (_first_fit(order, conflicts, sizes) for order in _orders(blocks)),
        key=lambda layout: layout.size_bytes,
    )
    order = sorted(range(len(blocks)), key=lambda i: best.offsets[i])
    generator = random.Random(_SEED)
    for _ in range(changes if len(blocks) > _FEW_BLOCKS else 0):
        if best.size_bytes == bound:
            break
        changed = list(order)
        highest = max(changed, key=lambda i: best.offsets[i] + sizes[i])
        moved = [highest, *generator.choices(changed, k=2)][generator.randrange(2) :]
        for block in moved:
            changed.remove(block)
            changed.insert(generator.randrange(len(changed) + 1), block)
        layout = _first_fit(changed, conflicts, sizes)
        if layout.size_bytes <= best.size_bytes:
            best, order = layout, changed
    return best


def _orders(blocks: Sequence[Block]) -> list[Sequence[int]]:
    places = range(len(blocks))
    if len(blocks) <= _FEW_BLOCKS:
        return list(itertools.permutations(places))
    alive = [np.flatnonzero(block.end > block.first) for block in blocks]
    births = [int(times[0]) for times in alive]
    deaths = [int(times[-1]) for times in alive]
    sizes = [block.size_bytes for block in blocks]
    return [
        sorted(places, key=lambda i: (-sizes[i], births[i])),
        sorted(places, key=lambda i: (births[i], -sizes[i])),
        sorted(places, key=lambda i: (-births[i], -sizes[i])),
        sorted(places, key=lambda i: (-deaths[i], -sizes[i])),
    ]


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


def _first_fit(
    order: Sequence[int], conflicts: list[list[_Intervals]], sizes: Sequence[int]
) -> Layout:
    """Place blocks one after the other, each at the lowest offset that is free for it."""
    offsets: dict[int, int] = {}
    for block in order:
        taken = sorted(
            (offset + low, offset + high)
            for other, offset in offsets.items()
            for low, high in conflicts[other][block]
        )
        place = 0
        for low, high in taken:
            if low >= place:
                break
            if place < high:
                place = _in_words(high)
        offsets[block] = place
    return Layout(
        offsets=tuple(offsets[i] for i in range(len(sizes))),
        size_bytes=_in_words(max((offsets[i] + size for i, size in enumerate(sizes)), default=0)),
    )


def _in_words(size_bytes: int) -> int:
    return -(-size_bytes // TENSOR_ALIGNMENT_BYTES) * TENSOR_ALIGNMENT_BYTES
