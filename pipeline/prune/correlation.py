"""How well criteria foresee what removing a channel does to the loss.

The oracle removes each channel alone and looks. A criterion is as good as its ranking agrees
with the oracle's. Source: Molchanov et al. 2017, section 3.2, https://arxiv.org/abs/1611.06440.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ConfigError
from pipeline.prune.criteria.base import Criterion, Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.criteria.taylor import layer_norm_of
from pipeline.prune.gradients import Loss, Point, batches, losses_of, points_of, run_graph
from pipeline.prune.groups import Grouping, find_groups
from pipeline.prune.losses import classification_loss, labels_of
from pipeline.prune.records import ChannelGroup, FloatArray, IdVector, Lock
from pipeline.prune.trace import Trace, trace_model
from pipeline.records import Array

if TYPE_CHECKING:
    import keras

    from pipeline.records import InputSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Agreement of one criterion with the oracle.

    Attributes:
        criterion: its name.
        overall: Spearman's rank correlation over the channels of all groups together, in
            [-1, 1]; None where either ranking is of equals only.
        mean: of `by_group`, groups without one left out; None where all are.
        by_group: the correlation within each group that the criterion could score.
        channels: that were compared.
    """

    criterion: str
    overall: float | None
    mean: float | None
    by_group: Mapping[str, float | None]
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleStudy:
    """What the oracle found, and how the criteria compare with it.

    Attributes:
        loss: mean over the samples, of the whole model.
        looked_at: by group the channels that were removed, int64, ascending.
        changes: by group, what the loss rises by without each of them, float64.
        correlations: in the order of the criteria.
        locked: groups that no layer reads, and layers whose channels cannot be removed.
    """

    loss: float
    looked_at: Mapping[str, IdVector] = field(compare=False)
    changes: Mapping[str, FloatArray] = field(compare=False)
    correlations: tuple[Correlation, ...]
    locked: tuple[Lock, ...]


def ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1, equal values share the mean of theirs; float64 of the shape [values]."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    result: FloatArray = (ends - (counts - 1) / 2)[inverse]
    return result


def spearman(first: FloatArray, second: FloatArray) -> float | None:
    """Pearson's correlation of the ranks, in [-1, 1]; None where a side has equals only.

    Args:
        first, second: finite, [values] each.
    """
    if not len(first):
        return None
    one, other = ranks(first), ranks(second)
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / scale if scale > 0 else None


def spearman_against_oracle(
    model: keras.Model,
    criteria: Sequence[str | Criterion],
    data: InputSet,
    loss: Loss | None = None,
    *,
    oracle_data: InputSet | None = None,
    magnitude: bool = True,
    normalization: str | None = None,
    channels_per_group: int | None = None,
    ignore: Sequence[str] = (),
    batch_size: int = 64,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> OracleStudy:
    """Rank the channels by removing each alone, and correlate every criterion with that.

    Channels are removed where layers read them, as pruning does; weights stay as they are.

    Args:
        model: Functional or Sequential.
        criteria: names, or ones of one's own.
        data: labelled samples that criteria look at, in the dtype and range the model takes.
        loss: of each sample; None for a classifier's cross-entropy. A Taylor criterion of one's
            own brings its own.
        oracle_data: samples for the oracle; None for `data`.
        magnitude: compare with |change of the loss|, as published, else with the change.
        normalization: see `importance`; None for a Taylor variant's own, else "mean".
        channels_per_group: look at so many of each group, chosen by the seed; None for all.
        ignore: layers whose output channels stay.
        batch_size: of the oracle.
        seed: of random criteria and of the choice of channels.
        on_progress: told of (runs of the oracle done, runs in all).
    Raises:
        ConfigError: an option that makes no sense, or samples without labels.
        UnsupportedModelError: a model that cannot be followed.
    """
    found = [criterion_named(one) if isinstance(one, str) else one for one in criteria]
    if channels_per_group is not None and channels_per_group < 2:
        raise ConfigError(
            f"channels_per_group: expected at least 2, for one cannot be ranked. Received: "
            f"{channels_per_group}. Leave it out for all."
        )
    trace = trace_model(model)
    grouping = find_groups(trace, ignore)
    readers = {group.name: points_of(trace, group) for group in grouping.groups}
    unread = [Lock(layer=name, reason=_UNREAD) for name, points in readers.items() if not points]
    groups = tuple(group for group in grouping.groups if readers[group.name])
    rng = np.random.default_rng(seed)
    looked_at = {group.name: _chosen(rng, group, channels_per_group) for group in groups}
    samples = oracle_data or data
    loss = loss or classification_loss(trace, samples)
    oracle = _Oracle(trace, loss, samples, batch_size)
    whole, changes = oracle.changes(
        {group.name: readers[group.name] for group in groups},
        looked_at,
        on_progress or (lambda done, total: None),
    )
    scoring = Scoring(trace=trace, data=data, seed=seed)
    wanted = {name: np.abs(change) if magnitude else change for name, change in changes.items()}
    kept = replace(grouping, groups=groups)
    return OracleStudy(
        loss=whole,
        looked_at=looked_at,
        changes=changes,
        correlations=tuple(
            _correlation(one, scoring, kept, normalization, wanted, looked_at) for one in found
        ),
        locked=(*grouping.locks, *unread),
    )


_UNREAD = "no layer with weights reads its channels"


def _chosen(rng: np.random.Generator, group: ChannelGroup, most: int | None) -> IdVector:
    if most is None or most >= group.channels:
        return np.arange(group.channels)
    return np.sort(rng.choice(group.channels, most, replace=False))


def _correlation(
    criterion: Criterion,
    scoring: Scoring,
    grouping: Grouping,
    normalization: str | None,
    wanted: Mapping[str, FloatArray],
    looked_at: Mapping[str, IdVector],
) -> Correlation:
    scored = importance(
        criterion,
        scoring,
        grouping,
        normalization=normalization or layer_norm_of(criterion) or "mean",
    )
    pairs = {
        group.name: (score[looked_at[group.name]], wanted[group.name])
        for group, score in zip(scored.grouping.groups, scored.importance, strict=True)
    }
    by_group = {name: spearman(*pair) for name, pair in pairs.items()}
    defined = [value for value in by_group.values() if value is not None]
    sides = [np.concatenate(side) for side in zip(*pairs.values(), strict=True)]
    return Correlation(
        criterion=criterion.name,
        overall=spearman(sides[0], sides[1]) if sides else None,
        mean=float(np.mean(defined)) if defined else None,
        by_group=by_group,
        channels=len(sides[0]) if sides else 0,
    )


@dataclass(frozen=True, slots=True)
class _Oracle:
    """Losses without single channels."""

    trace: Trace
    loss: Loss
    data: InputSet
    batch_size: int

    def changes(
        self,
        readers: Mapping[str, Sequence[Point]],
        looked_at: Mapping[str, IdVector],
        on_progress: Callable[[int, int], None],
    ) -> tuple[float, dict[str, FloatArray]]:
        """Mean loss of the whole model, and by group what it rises by without each channel.

        Args:
            readers: where the channels of each group are read.
            looked_at: which of them; float64 [of these] comes back.
            on_progress: told of (runs done, runs in all).
        """
        labels = labels_of(self.data, "oracle")
        parts = batches(self.data.x, labels, self.batch_size)
        runs, done = len(parts) * sum(map(len, looked_at.values())), 0
        sums = {name: np.zeros(len(chosen)) for name, chosen in looked_at.items()}
        whole = 0.0
        for x, y in parts:
            # Tensors before the first reader stay as they are for all channels of a group.
            known: dict[int, Any] = {}
            outputs = run_graph(self.trace, x, known=known)
            whole += float(losses_of(outputs, y, self.loss).sum(dtype=np.float64))
            for name, points in readers.items():
                for index, channel in enumerate(looked_at[name].tolist()):
                    losses = self._without(points, channel, x, y, known)
                    sums[name][index] += losses.sum(dtype=np.float64)
                    done += 1
                    on_progress(done, runs)
        whole /= len(labels)
        return whole, {name: total / len(labels) - whole for name, total in sums.items()}

    def _without(
        self, points: Sequence[Point], channel: int, x: list[Array], y: Array, known: dict[int, Any]
    ) -> FloatArray:
        """Loss of each sample when the readers of a channel see zeros instead."""

        def tap(index: int, z: Any) -> Any:
            return _masked(points[index], channel, z)

        start = min(point.call for point in points)
        outputs = run_graph(self.trace, x, points, tap, known=dict(known), start=start)
        return np.asarray(losses_of(outputs, y, self.loss), np.float64)


def _masked(point: Point, channel: int, z: Any) -> Any:
    from keras import ops

    shape = [1] * len(z.shape)
    shape[point.axis] = int(z.shape[point.axis])
    mask = np.ones(shape[point.axis], "float32")
    mask[point.entries[channel]] = 0
    return z * ops.cast(mask.reshape(shape), z.dtype)
