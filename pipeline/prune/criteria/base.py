"""What a criterion is given, what it returns, and what is done with that.

A criterion scores every channel of every group. It returns one row per member that it looks at
(a convolution's filters, a depthwise filter, a batch normalization's scale), so that how rows
are reduced to one importance per channel is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ConfigError
from pipeline.prune.groups import Grouping
from pipeline.prune.records import ChannelGroup, FloatArray, Lock, Member, Role
from pipeline.prune.surgery import weight_named
from pipeline.prune.trace import Trace
from pipeline.suggest import did_you_mean

if TYPE_CHECKING:
    from pipeline.records import InputSet

REDUCTIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "sum": lambda rows: rows.sum(axis=0),
    "mean": lambda rows: rows.mean(axis=0),
    "max": lambda rows: rows.max(axis=0),
}


def _divide(scores: FloatArray, by: float) -> FloatArray:
    # Where all scores are zero they stay so.
    return scores / by if by > 0 else scores


NORMALIZATIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "none": lambda scores: scores,
    "mean": lambda scores: _divide(scores, float(np.abs(scores).mean())),
    "max": lambda scores: _divide(scores, float(np.abs(scores).max())),
    "sum": lambda scores: _divide(scores, float(np.abs(scores).sum())),
    "l2": lambda scores: _divide(scores, float(np.sqrt((scores**2).sum()))),
    "standard": lambda scores: _divide(scores - scores.mean(), float(scores.std())),
}

BATCH_NORM = ("ignore", "gamma", "fold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What criteria may look at.

    Attributes:
        trace: of the model, whose weights they read now.
        data: labelled samples for criteria that need them, else None.
        seed: of everything random.
        batch_norm: what weight criteria make of a batch normalization that directly follows a
            layer: "ignore"; "gamma", filters times |gamma|; "fold", filters times
            |gamma| / sqrt(variance + epsilon), as they are after folding.
    """

    trace: Trace
    data: InputSet | None = None
    seed: int = 0
    batch_norm: str = "ignore"
    layers: dict[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.batch_norm not in BATCH_NORM:
            raise ConfigError(
                f"batch_norm: expected one of {', '.join(BATCH_NORM)}. Received: "
                f"{self.batch_norm!r}.{did_you_mean(self.batch_norm, BATCH_NORM)} "
                "Use ignore for the plain weights."
            )
        layers = {axis.path: axis.layer for axis in self.trace.axes}
        object.__setattr__(self, "layers", layers)

    def weight(self, member: Member) -> FloatArray:
        """Value of a member's weight, float64, of its own shape."""
        return np.asarray(weight_named(self.layers[member.layer], member.weight), np.float64)

    def filters(self, member: Member) -> FloatArray:
        """Entries of a kernel by channel, float64 [channels, entries per channel].

        Multiplied by what `batch_norm` says where the kernel makes or passes the channels.
        """
        value = self.weight(member)
        layer = self.layers[member.layer]
        norm = self.trace.folds.get(id(layer))
        if norm is not None and self.batch_norm != "ignore" and member.role is not Role.IN:
            value = value * self._factor(norm, member, value)
        by_entry = np.moveaxis(value, member.axis, 0)
        channels = by_entry[member.indices]
        return channels.reshape(len(member.indices), -1)

    def _factor(self, norm: Any, member: Member, kernel: FloatArray) -> FloatArray:
        scale = np.asarray(norm.gamma, np.float64) if norm.scale else np.ones(1)
        if self.batch_norm == "fold":
            scale = scale / np.sqrt(np.asarray(norm.moving_variance, np.float64) + norm.epsilon)
        scale = np.abs(scale)
        if scale.size == 1:
            return scale.reshape([1] * kernel.ndim)
        shape = [1] * kernel.ndim
        if scale.size == kernel.shape[member.axis]:
            shape[member.axis] = scale.size
        else:
            # A depthwise kernel [..., in, multiplier] makes in * multiplier channels.
            shape[-2:] = kernel.shape[-2:]
        return scale.reshape(shape)


class CannotScoreError(Exception):
    """A group holds nothing that a criterion can look at; the text says what is missing."""


Rows = dict[str, "FloatArray | CannotScoreError"]
"""By group name: float64 [rows, channels], or why there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A way to score channels.

    Attributes:
        name: on the command line and in tables.
        score: from what it may look at and all groups to rows for each.
        needs_data: whether `Scoring.data` must be there.
    """

    name: str
    score: Callable[[Scoring, Sequence[ChannelGroup]], Rows]
    needs_data: bool = False


def each_group(
    rows_of: Callable[[Scoring, ChannelGroup], list[FloatArray]],
) -> Callable[[Scoring, Sequence[ChannelGroup]], Rows]:
    """A criterion's `score` from a function that looks at one group alone."""

    def score(scoring: Scoring, groups: Sequence[ChannelGroup]) -> Rows:
        rows: Rows = {}
        for group in groups:
            try:
                rows[group.name] = np.stack(rows_of(scoring, group))
            except CannotScoreError as error:
                rows[group.name] = error
        return rows

    return score


def kernels(group: ChannelGroup) -> tuple[Member, ...]:
    """Members that are kernels making or passing the channels; biases and norms are not."""
    names = ("kernel", "depthwise_kernel", "pointwise_kernel", "embeddings")
    return tuple(m for m in group.weighted(Role.OUT, Role.THROUGH) if m.weight in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The groups that a criterion could score, and their importance."""

    grouping: Grouping
    importance: tuple[FloatArray, ...]


def importance(
    criterion: Criterion,
    scoring: Scoring,
    grouping: Grouping,
    *,
    reduction: str = "sum",
    normalization: str = "none",
) -> Scored:
    """Importance of every channel of every group.

    Groups that the criterion cannot score leave the grouping and become locks.

    Args:
        criterion: see `criteria/table.py`.
        scoring: what it may look at.
        grouping: from `find_groups`.
        reduction: of a group's rows: "sum", "mean" or "max".
        normalization: within a group, so that groups compare: "none", "mean", "max", "sum",
            "l2" (divisions by that) or "standard" (zero mean, unit deviation).
    Raises:
        ConfigError: an unknown option, or data is missing.
    """
    _check_choice("reduction", reduction, REDUCTIONS)
    _check_choice("normalization", normalization, NORMALIZATIONS)
    if criterion.needs_data and scoring.data is None:
        raise ConfigError(
            f"criterion {criterion.name}: needs labelled data. Received: none. Give --data, or "
            "use a criterion that looks at weights alone, for example l1."
        )
    groups, scores, locks = [], [], list(grouping.locks)
    rows = criterion.score(scoring, grouping.groups)
    for group in grouping.groups:
        found = rows[group.name]
        if isinstance(found, CannotScoreError):
            locks.append(Lock(layer=group.name, reason=f"criterion {criterion.name}: {found}"))
            continue
        score = NORMALIZATIONS[normalization](REDUCTIONS[reduction](found))
        score.flags.writeable = False
        groups.append(group)
        scores.append(score)
    return Scored(
        grouping=Grouping(groups=tuple(groups), locks=tuple(locks)), importance=tuple(scores)
    )


def _check_choice(key: str, value: str, choices: dict[str, Any]) -> None:
    if value not in choices:
        raise ConfigError(
            f"{key}: expected one of {', '.join(choices)}. Received: {value!r}."
            f"{did_you_mean(value, choices)} Use {next(iter(choices))} in case of doubt."
        )
