"""Filters of four bits, two side by side: firmware/lib/kernels/dot_s4.h."""

from __future__ import annotations


def pairs_of(channels: int) -> tuple[int, int]:
    """Groups of two pairs (of which the last may be half a pair), and single pairs: 0 or 1."""
    left = channels % 4
    return channels // 4 + (left > 2), int(left in (1, 2))
