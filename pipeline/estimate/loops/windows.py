"""Windows along one axis: how many of their taps lie inside the image."""

from __future__ import annotations

from collections.abc import Iterable


def taps_inside(origin: int, taps: int, size: int, dilation: int = 1) -> int:
    """Taps of a window from `origin` on that are positions 0 to size - 1."""
    return sum(0 <= origin + tap * dilation < size for tap in range(taps))


def axis(
    places: Iterable[int], stride: int, pad: int, taps: int, size: int, dilation: int = 1
) -> tuple[int, int, int]:
    """Windows of some output places: their number, their taps inside, and those outside."""
    inside = [taps_inside(place * stride - pad, taps, size, dilation) for place in places]
    return len(inside), sum(inside), taps * len(inside) - sum(inside)
