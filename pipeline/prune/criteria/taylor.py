"""First-order Taylor expansion of the loss (Molchanov et al. 2017, arxiv.org/abs/1611.06440).

What removing a channel does to the loss is about z * dL/dz, summed over its feature map. The
publications and programs disagree on what is made absolute and when; each is a variant. z is
taken where layers read the channel, so that the expansion is of what pruning really does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from pipeline.errors import ConfigError
from pipeline.prune.criteria.base import CannotScoreError, Criterion, Rows, Scored, Scoring
from pipeline.prune.gradients import (
    Gradients,
    Loss,
    Point,
    batches,
    by_channel,
    gradient_function,
    points_of,
)
from pipeline.prune.losses import classification_loss, labels_of
from pipeline.prune.records import ChannelGroup, FloatArray
from pipeline.prune.surgery import weight_named
from pipeline.prune.trace import Trace
from pipeline.prune.widths import WidthCosts

BATCH_SIZE = 32
# Of `gate2019`, as published: contributions of so many batches, each weighed with 1 - MOMENTUM.
WINDOW = 30
MOMENTUM = 0.9
# In NVlabs' division by the norm.
_EPSILON = 1e-8

LAYER_NORM = {
    "paper": "l2",
    "nvlabs_m6": "none",
    "jacobgil": "l2",
    "gate2019": "none",
    "weight": "none",
}
"""Normalization within a group that belongs to each variant, see `importance`; nvlabs_m6
divides within each batch already."""


def taylor(
    variant: str = "paper", *, loss: Loss | None = None, batch_size: int = BATCH_SIZE
) -> Criterion:
    """The criterion in one of its variants.

    One row for each place that reads the channels (of gate2019 one for all), to be summed. In
    formulas M is the size of a feature map, z and g = dL/dz are of one sample and channel, L is
    the sample's loss.

    - paper: |sum_M(z g) / M|, then the mean over the samples.
    - nvlabs_m6: the mean over samples and feature map of |z g|, divided in each batch by its l2
      norm over the channels; then the mean over batches. Source: NVlabs/Taylor_pruning, method 6.
    - jacobgil: |mean over samples and feature map of z g|. Source: jacobgil/pytorch-pruning.
    - gate2019: (dL/dgate)^2 of a gate of ones that all places share, L the mean loss of a batch;
      mean over 30 batches, then a running mean with momentum 0.9. Source: Molchanov et al.
      2019, https://arxiv.org/abs/1906.10771. NVlabs' program divides by the number of places;
      here nothing is divided.
    - weight: sum of |w dL/dw| over all filters, scales and rows of the channel, L the mean loss
      of all samples. Source: VainF/Torch-Pruning.

    Args:
        variant: one of LAYER_NORM.
        loss: of each sample; None for a classifier's cross-entropy.
        batch_size: samples at once; matters to nvlabs_m6 and gate2019.
    Raises:
        ConfigError: there is no such variant.
    """
    if variant not in LAYER_NORM:
        raise ConfigError(
            f"criterion taylor: expected a variant of {', '.join(LAYER_NORM)}. Received: "
            f"{variant!r}. Use paper in case of doubt."
        )
    if batch_size < 1:
        raise ConfigError(f"batch_size: expected at least 1. Received: {batch_size}. Use 32.")
    name = "taylor" if variant == "paper" else f"taylor:{variant}"
    score = partial(_score, variant=variant, loss=loss, batch_size=batch_size)
    return Criterion(name=name, score=score, needs_data=True)


def layer_norm_of(criterion: Criterion) -> str | None:
    """The normalization that belongs to a Taylor criterion's variant; None for other criteria."""
    name, _, variant = criterion.name.partition(":")
    return LAYER_NORM.get(variant or "paper") if name == "taylor" else None


def regularised(scored: Scored, trace: Trace, strength: float) -> Scored:
    """Importance minus strength times the MACs, in millions, that a channel takes with it.

    Published with FLOPs of the layer that makes the channel and 1e-3 per million of them, on
    importance with an l2 norm of 1 in each layer. Here the MACs of all that read it count too.

    Args:
        scored: after normalization.
        trace: that the groups are of.
        strength: lambda, per million MACs; 0 changes nothing.
    Raises:
        ConfigError: it is negative.
        UnsupportedModelError: a spatial size is open, so that MACs are unknown.
    """
    if not strength >= 0:
        raise ConfigError(
            f"macs_penalty: expected at least 0. Received: {strength}. 0.002 is the published one."
        )
    if not strength:
        return scored
    costs = macs_of_channels(trace, scored.grouping.groups)
    changed = [
        score - strength * cost / 1e6 for score, cost in zip(scored.importance, costs, strict=True)
    ]
    for score in changed:
        score.flags.writeable = False
    return replace(scored, importance=tuple(changed))


def macs_of_channels(trace: Trace, groups: Sequence[ChannelGroup]) -> list[int]:
    """MACs that the model loses with one channel of each group.

    Raises:
        UnsupportedModelError: a spatial size is open.
    """
    whole = np.array([group.channels for group in groups], np.int64)
    one_less = whole - np.eye(len(groups), dtype=np.int64)
    macs = WidthCosts(trace, groups)(np.concatenate([whole[None], one_less])).macs
    return [round(saved) for saved in macs[0] - macs[1:]]


@dataclass(frozen=True, slots=True)
class _Samples:
    """Batches that are run through the model each time they are asked for."""

    scoring: Scoring
    loss: Loss
    batch_size: int

    def __call__(
        self, points: Sequence[Point] = (), weights: Sequence[Any] = ()
    ) -> Iterator[Gradients]:
        data = self.scoring.data
        assert data is not None
        function = gradient_function(self.scoring.trace, self.loss, points, weights)
        for x, y in batches(data.x, labels_of(data, "criterion taylor"), self.batch_size):
            yield function(x, y)


def _score(
    scoring: Scoring,
    groups: Sequence[ChannelGroup],
    *,
    variant: str,
    loss: Loss | None,
    batch_size: int,
) -> Rows:
    assert scoring.data is not None
    loss = loss or classification_loss(scoring.trace, scoring.data)
    samples = _Samples(scoring, loss, batch_size)
    if variant == "weight":
        return _weight_rows(scoring, groups, samples)
    places = {group.name: points_of(scoring.trace, group) for group in groups}
    points = [point for found in places.values() for point in found]
    rows = iter(_VARIANTS[variant](points, samples, [len(found) for found in places.values()]))
    return {
        name: np.stack([next(rows) for _ in (found[:1] if variant == "gate2019" else found)])
        if found
        else CannotScoreError("no layer with weights reads its channels")
        for name, found in places.items()
    }


_Variant = Callable[[Sequence[Point], _Samples, Sequence[int]], list[FloatArray]]


def _products(points: Sequence[Point], batch: Gradients) -> Iterator[FloatArray]:
    """Products of z and g at each point: float64 [samples, channels, entries]."""
    for point, z, g in zip(points, batch.activations, batch.gradients, strict=True):
        yield np.asarray(by_channel(point, z) * by_channel(point, g), np.float64)


def _paper(points: Sequence[Point], samples: _Samples, _: Sequence[int]) -> list[FloatArray]:
    total: list[Any] = [0.0] * len(points)
    count = 0
    for batch in samples(points):
        count += len(batch.loss)
        for index, product in enumerate(_products(points, batch)):
            total[index] = total[index] + np.abs(product.mean(axis=2)).sum(axis=0)
    return [one / count for one in total]


def _nvlabs_m6(points: Sequence[Point], samples: _Samples, _: Sequence[int]) -> list[FloatArray]:
    total: list[Any] = [0.0] * len(points)
    count = 0
    for batch in samples(points):
        count += 1
        for index, product in enumerate(_products(points, batch)):
            # Of the mean loss of the batch, as there; so that epsilon means the same.
            row = np.abs(product).mean(axis=(0, 2)) / len(batch.loss)
            total[index] = total[index] + row / (float(np.linalg.norm(row)) + _EPSILON)
    return [one / count for one in total]


def _jacobgil(points: Sequence[Point], samples: _Samples, _: Sequence[int]) -> list[FloatArray]:
    total: list[Any] = [0.0] * len(points)
    count = 0
    for batch in samples(points):
        count += len(batch.loss)
        for index, product in enumerate(_products(points, batch)):
            total[index] = total[index] + product.mean(axis=2).sum(axis=0)
    return [np.abs(one) / count for one in total]


def _gate2019(points: Sequence[Point], samples: _Samples, sizes: Sequence[int]) -> list[FloatArray]:
    """One gate per group, so one row whatever the number of places."""
    ends = np.cumsum(sizes).tolist()
    spans = [(end - size, end) for end, size in zip(ends, sizes, strict=True) if size]
    running: list[Any] = [None] * len(spans)
    window: list[Any] = [0.0] * len(spans)
    inside = 0

    def close() -> None:
        for index, total in enumerate(window):
            mean, before = total / inside, running[index]
            running[index] = mean if before is None else MOMENTUM * before + (1 - MOMENTUM) * mean
            window[index] = 0.0

    for batch in samples(points):
        gates = [p.sum(axis=(0, 2)) / len(batch.loss) for p in _products(points, batch)]
        for index, (first, last) in enumerate(spans):
            window[index] = window[index] + sum(gates[first:last]) ** 2
        inside += 1
        if inside == WINDOW:
            close()
            inside = 0
    if inside:
        close()
    return running


_VARIANTS: dict[str, _Variant] = {
    "paper": _paper,
    "nvlabs_m6": _nvlabs_m6,
    "jacobgil": _jacobgil,
    "gate2019": _gate2019,
}


def _weight_rows(scoring: Scoring, groups: Sequence[ChannelGroup], samples: _Samples) -> Rows:
    members = {group.name: [m for m in group.members if m.weight in _WEIGHTS] for group in groups}
    keys = list(dict.fromkeys((m.layer, m.weight) for found in members.values() for m in found))
    weights = [weight_named(scoring.layers[layer], name) for layer, name in keys]
    total: list[Any] = [0.0] * len(keys)
    count = 0
    for batch in samples(weights=weights):
        count += len(batch.loss)
        for index, gradient in enumerate(batch.weights):
            total[index] = total[index] + np.asarray(gradient, np.float64)
    products = {
        key: np.abs(np.asarray(weight, np.float64) * gradient / count)
        for key, weight, gradient in zip(keys, weights, total, strict=True)
    }
    rows: Rows = {}
    for group in groups:
        found = []
        for member in members[group.name]:
            entries = np.moveaxis(products[member.layer, member.weight], member.axis, 0)
            found.append(entries[member.indices].reshape(group.channels, -1).sum(axis=1))
        rows[group.name] = (
            np.stack(found) if found else CannotScoreError("no weights are indexed by its channels")
        )
    return rows


# Biases and offsets are left out, as in Torch-Pruning.
_WEIGHTS = frozenset({"kernel", "depthwise_kernel", "pointwise_kernel", "embeddings", "gamma"})
