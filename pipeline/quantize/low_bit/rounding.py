"""Round the weights of a layer to four bits so that its sums change least."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.quantize.low_bit.layers import FloatArray, WeightedLayer

# Weights are in -LARGEST .. LARGEST: -8 would have no counterpart, and kernels that let several
# weights share a word have no room for it.
LARGEST = 7

# Scales that are tried, as shares of the one that clips nothing.
_SHARES = np.linspace(0.4, 1.0, 25)

# Of the mean of the diagonal, added to it: directions that no sample shows cost something, too.
_DAMPING = 0.01

# Weights of a channel up to which rounding errors are passed on: it takes their square in memory.
_MOST_WEIGHTS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundedFilter:
    """Weights of four bits.

    Attributes:
        values: int8 [channels, weights of a channel] in -7 .. 7.
        scales: [channels], as float32 holds them.
        bias: real values [channels], with the mean of what rounding adds to sums taken out.
    """

    values: npt.NDArray[np.int8]
    scales: FloatArray
    bias: FloatArray


def round_filter(layer: WeightedLayer, rows: FloatArray | None) -> RoundedFilter:
    """Weights of four bits with one scale for each channel.

    Scales are those of the least squared error, weighed by how large the inputs are. Then weights
    are rounded one after the other, and what each loses is made up for by those that follow, as
    far as inputs go together. Source: Frantar et al. 2022, GPTQ, https://arxiv.org/abs/2210.17323,
    algorithm 1.

    Args:
        layer: with weights of eight bits.
        rows: what they are multiplied with [rows, weights of a channel]; None where that is not
            known: then all inputs count alike, and the bias stays.
    """
    weights = layer.weights
    if rows is None:
        scales = _scales(weights, np.ones(weights.shape[1]))
        values = _nearest(weights, scales)
        return RoundedFilter(values=values.astype(np.int8), scales=scales, bias=layer.bias)
    power = (rows**2).mean(axis=0)
    scales = _scales(weights, power + _DAMPING * power.mean() + 1e-30)
    if weights.shape[1] <= _MOST_WEIGHTS:
        values = _round_in_turn(weights, scales, rows)
    else:
        values = _nearest(weights, scales)
    lost = weights - values * scales[:, np.newaxis]
    bias = layer.bias + lost @ rows.mean(axis=0)
    return RoundedFilter(values=values.astype(np.int8), scales=scales, bias=bias)


def _scales(weights: FloatArray, power: FloatArray) -> FloatArray:
    """The scale of each channel with the least squared error, inputs weighed by their power."""
    largest = np.abs(weights).max(axis=1)
    # A channel of zeros needs none; any will do.
    whole = np.where(largest > 0, largest, 1.0) / LARGEST
    tried = (whole[:, np.newaxis] * _SHARES).astype(np.float32).astype(np.float64)
    errors = np.stack(
        [
            (power * (weights - _nearest(weights, scale) * scale[:, np.newaxis]) ** 2).sum(axis=1)
            for scale in tried.T
        ],
        axis=1,
    )
    best: FloatArray = np.take_along_axis(tried, errors.argmin(axis=1)[:, np.newaxis], axis=1)
    return best[:, 0]


def _nearest(weights: FloatArray, scales: FloatArray) -> FloatArray:
    rounded: FloatArray = np.round(weights / scales[:, np.newaxis]).clip(-LARGEST, LARGEST)
    return rounded


def _round_in_turn(weights: FloatArray, scales: FloatArray, rows: FloatArray) -> FloatArray:
    """Integers of which each makes up for what those before it lost."""
    together = rows.T @ rows / len(rows)
    diagonal = np.diag_indices(len(together))
    together[diagonal] += _DAMPING * together[diagonal].mean() + 1e-30
    # The upper Cholesky factor of the inverse.
    factor = np.linalg.cholesky(np.linalg.inv(together)).T
    left = weights.copy()
    values = np.zeros_like(left)
    for place in range(left.shape[1]):
        values[:, place] = _nearest(left[:, place : place + 1], scales)[:, 0]
        lost = (left[:, place] - values[:, place] * scales) / factor[place, place]
        left[:, place + 1 :] -= np.outer(lost, factor[place, place + 1 :])
    return values
