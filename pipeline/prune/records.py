"""The records of pruning: channel groups, locks, selections and facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import keras

IdVector: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Counts: TypeAlias = npt.NDArray[np.int64]

FineTune: TypeAlias = "Callable[[keras.Model, int], keras.Model]"
"""(model, epochs) -> the fine-tuned model, which may be the same object."""

Evaluate: TypeAlias = "Callable[[keras.Model], Mapping[str, float]]"
"""Metrics of a model: "accuracy" and "balanced_accuracy", shares in [0, 1]; for two classes
also "average_precision"."""

Cost: TypeAlias = "Callable[[keras.Model], Mapping[str, Any]]"
"""What a model costs as it would be deployed: params, macs, arena_bytes, flash_bytes; and, where
its memory is planned, live_bytes: what each operator needs while it runs, in their order."""


class Role(Enum):
    """What a weight axis does with the channels that it is indexed by."""

    OUT = "out"
    """Makes them: the filters of a convolution, the units of a dense layer, their biases."""
    THROUGH = "through"
    """Passes each on by itself: depthwise filters, batch normalization, PReLU."""
    IN = "in"
    """Reads them: input channels of a convolution, rows of a dense kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A weight axis whose entries live and die with the channels of a group.

    Attributes:
        layer: name; with the names of the nested models around it, "outer/inner/layer".
        weight: Keras' name of the weight, e.g. "kernel".
        axis: of the weight, >= 0.
        role: what the axis does with the channels.
        indices: int64 [channels, entries per channel], the entries of each channel;
            strided after Flatten, several with a depth multiplier.
    """

    layer: str
    weight: str
    axis: int
    role: Role
    indices: IdVector = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGroup:
    """Channels that can be removed one by one, each from every member at once.

    Attributes:
        name: of the first layer that makes them; "layer#2" for its second group.
        members: in the order of the graph.
        channels: how many can be removed one by one.
        width: entries that one channel takes in the first layer that makes it; above 1
            where grouped convolutions or reshapes tie several filters together.
        units: int64 [channels], the channels' classes in the trace that found them.
    """

    name: str
    members: tuple[Member, ...]
    channels: int
    width: int
    units: IdVector = field(compare=False, repr=False)

    def weighted(self, *roles: Role) -> tuple[Member, ...]:
        """The members with one of these roles."""
        return tuple(member for member in self.members if member.role in roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A layer whose channels stay, and why."""

    layer: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A group that kept more channels than the ratio asked for.

    Attributes:
        group: its name.
        wanted, kept: channels.
        reason: the limit that held.
    """

    group: str
    wanted: int
    kept: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePlan:
    """Which channels of a model stay.

    Attributes:
        groups: all that can be pruned.
        keep: of each group the channels that stay, ascending, at least one.
        importance: of each group float64 [channels], after reduction and normalization.
        seed: of everything random.
        shortfalls: groups that could not follow the ratio.
    """

    groups: tuple[ChannelGroup, ...]
    keep: tuple[tuple[int, ...], ...]
    importance: tuple[FloatArray, ...] = field(compare=False, repr=False)
    seed: int
    shortfalls: tuple[Shortfall, ...] = ()

    @property
    def num_removed(self) -> int:
        """Channels that go."""
        pairs = zip(self.groups, self.keep, strict=True)
        return sum(group.channels - len(keep) for group, keep in pairs)

    def dropped_units(self) -> IdVector:
        """Classes of the trace that go, int64."""
        parts = [
            np.delete(group.units, keep) for group, keep in zip(self.groups, self.keep, strict=True)
        ]
        return np.concatenate([np.empty(0, np.int64), *parts])


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a Keras model costs.

    Attributes:
        params: all entries of all weights, BN statistics included.
        macs: multiply-accumulates of one inference in convolutions and dense layers; None
            where a spatial size is open.
        peak_activation_bytes: the largest sum of live activations at one byte each, in
            graph order, BN, activations and reshapes in place; None where a size is open.
        accuracy: share of right answers in [0, 1], None where nothing was evaluated.
    """

    params: int
    macs: int | None
    peak_activation_bytes: int | None
    accuracy: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFacts:
    """What one layer of a Keras model costs.

    Attributes:
        name: its path, behind the names of nested models around it.
        kind: Keras' name of its class.
        channels: of its output.
        params: entries of its own weights.
        macs: multiply-accumulates of all its calls; None where a spatial size is open.
    """

    name: str
    kind: str
    channels: int
    params: int
    macs: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step of a method did.

    Attributes:
        name: of the step, for example "iteration 3" or "stage 2".
        removed: channels that went in this step; for unstructured pruning, weights.
        params: that are left, see `ModelFacts`; masked ones count as gone.
        macs: that are left, None where a spatial size is open.
        metrics: after the step and its fine-tuning; empty where nothing was evaluated.
        max_abs_difference: of the proof of this step; None where it removed nothing for good.
    """

    name: str
    removed: int
    params: int
    macs: int | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    max_abs_difference: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodResult:
    """A model that a method pruned, and how it came about.

    Attributes:
        model: not compiled.
        method: its name.
        steps: in order.
        plan: what all steps together keep of the model before the first; None where the method
            removes no channels.
        before, after: facts; their accuracy where it was evaluated.
        locked: layers whose channels could not be removed, and why.
        max_abs_difference: the largest of the steps' proofs.
        seed: of everything random.
        notes: what the user should know of the result, whole sentences.
    """

    model: keras.Model = field(compare=False, repr=False)
    method: str
    steps: tuple[Step, ...]
    plan: PrunePlan | None
    before: ModelFacts
    after: ModelFacts
    locked: tuple[Lock, ...]
    max_abs_difference: float
    seed: int
    notes: tuple[str, ...] = ()
