"""Union-find over channel ids."""

from __future__ import annotations

import numpy as np

from pipeline.prune.records import IdVector


class ChannelIds:
    """Hands out channel ids and joins those that must live and die together.

    The smallest id of a class is its root, so roots do not depend on the order of joins.
    """

    def __init__(self) -> None:
        self._parent: list[int] = []

    def fresh(self, count: int) -> IdVector:
        """New ids, each its own class, int64 [count]."""
        start = len(self._parent)
        self._parent.extend(range(start, start + count))
        return np.arange(start, start + count, dtype=np.int64)

    def join(self, first: IdVector, second: IdVector) -> None:
        """Join ids elementwise; both int64 [n]."""
        if len(first) != len(second):
            raise AssertionError(f"joined id vectors of lengths {len(first)} and {len(second)}")
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            one, other = self._root(one), self._root(other)
            if one < other:
                self._parent[other] = one
            elif other < one:
                self._parent[one] = other

    def roots(self) -> IdVector:
        """Root of every id, int64 [ids]."""
        return np.array([self._root(index) for index in range(len(self._parent))], np.int64)

    def _root(self, index: int) -> int:
        parent = self._parent
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index
