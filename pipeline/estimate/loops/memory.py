"""Loops of memcpy and memset, as firmware/lib/freestanding/string.c has them."""

from __future__ import annotations

from collections import Counter

_BLOCK_BYTES = 16


def moved(counts: Counter[str], name: str, times: int, size: int) -> None:
    """Count copies or fills: blocks of sixteen bytes, then single ones.

    Args:
        counts: that grow.
        name: of these moves.
        times: how many.
        size: bytes of each.
    """
    counts[name] += times
    counts[f"{name}_long"] += times * (size >= _BLOCK_BYTES)
    counts[f"{name}_blocks"] += times * (size // _BLOCK_BYTES)
    counts[f"{name}_rest"] += times * (size % _BLOCK_BYTES)
