"""Ranges for int8 from histograms: what is cut off is lost, what is not makes steps coarser."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pipeline.quantize.statistics import FloatArray, Histogram

_LEVELS = 255
# Share of all values that the percentile keeps.
_KEPT_SHARE = 0.9999
# Parts of the whole range that the searches try.
_SHARES = np.linspace(0.1, 1.0, 91)


def choose_range(histogram: Histogram, method: str) -> tuple[float, float]:
    """The range that a method takes for a tensor; it includes 0.

    Args:
        histogram: of the tensor.
        method: one of `pipeline.config.CALIBRATIONS`.
    """
    return _METHODS[method](histogram)


def _min_max(histogram: Histogram) -> tuple[float, float]:
    return histogram.low, histogram.high


def _percentile(histogram: Histogram) -> tuple[float, float]:
    """Leaves out 1 - 0.9999 of the values, half of it at either end."""
    counts = histogram.counts
    total = int(counts.sum()) + histogram.zeros
    allowed = (1 - _KEPT_SHARE) / 2 * total
    edges = np.linspace(histogram.low, histogram.high, len(counts) + 1)
    below = np.cumsum(counts)
    above = np.cumsum(counts[::-1])
    low = edges[int(np.searchsorted(below, allowed, side="right"))] if below[-1] else 0.0
    high = edges[-1 - int(np.searchsorted(above, allowed, side="right"))] if above[-1] else 0.0
    return _with_zero(histogram, float(low), float(high))


def _mse(histogram: Histogram) -> tuple[float, float]:
    """The ends with the smallest mean squared error, found one after the other, twice."""
    low, high = histogram.low, histogram.high
    for _ in range(2):
        if histogram.high > 0:
            high = histogram.high * _best(
                [_squared_error(histogram, low, histogram.high * share) for share in _SHARES]
            )
        if histogram.low < 0:
            low = histogram.low * _best(
                [_squared_error(histogram, histogram.low * share, high) for share in _SHARES]
            )
    return low, high


def _entropy(histogram: Histogram) -> tuple[float, float]:
    """The cut that loses the least information, as TensorRT does it; both ends in proportion.

    Source: Migacz, "8-bit inference with TensorRT" (GTC 2017): Kullback-Leibler divergence from
    the values, those beyond the cut moved to its ends, to the same values in 255 levels.
    """
    share = _best([_divergence(histogram, share) for share in _SHARES])
    return histogram.low * share, histogram.high * share


def _best(errors: list[float]) -> float:
    """The largest share among those of the smallest error."""
    reversed_errors = np.array(errors[::-1])
    return float(_SHARES[::-1][int(reversed_errors.argmin())])


def _squared_error(histogram: Histogram, low: float, high: float) -> float:
    if high <= low:
        return float("inf")
    x = histogram.centres
    scale = (high - low) / _LEVELS
    zero_point = np.clip(np.round(-low / scale), 0, _LEVELS)
    levels = np.clip(np.round(x / scale) + zero_point, 0, _LEVELS)
    error = (levels - zero_point) * scale - x
    # Within a bin values differ, which matters where bins are as wide as steps.
    return float((histogram.counts * error**2).sum())


def _divergence(histogram: Histogram, share: float) -> float:
    counts = histogram.counts.astype(np.float64)
    x = histogram.centres
    inside = (x >= histogram.low * share) & (x <= histogram.high * share)
    kept = counts[inside]
    if len(kept) < _LEVELS or not kept.sum():
        return float("inf")
    whole = kept.copy()
    first, last = np.flatnonzero(inside)[[0, -1]]
    whole[0] += counts[:first].sum()
    whole[-1] += counts[last + 1 :].sum()
    # Each level gives its values evenly to those of its bins that are not empty.
    level = np.arange(len(kept)) * _LEVELS // len(kept)
    filled = whole > 0
    values = np.bincount(level, kept, _LEVELS)
    bins = np.bincount(level, filled, _LEVELS)
    spread = np.where(filled, (values / np.maximum(bins, 1))[level], 0.0)
    return _kullback_leibler(whole / whole.sum(), spread / spread.sum())


def _kullback_leibler(p: FloatArray, q: FloatArray) -> float:
    smallest = 1e-10
    there = p > 0
    return float((p[there] * np.log(p[there] / np.maximum(q[there], smallest))).sum())


def _with_zero(histogram: Histogram, low: float, high: float) -> tuple[float, float]:
    """A range that includes 0; the whole one where nothing is left."""
    low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if high > low else (histogram.low, histogram.high)


_METHODS: Mapping[str, Callable[[Histogram], tuple[float, float]]] = {
    "min-max": _min_max,
    "percentile": _percentile,
    "mse": _mse,
    "entropy": _entropy,
}
