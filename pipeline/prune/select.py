"""Choose which channels stay: per group, over all groups, or over groups of one structure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import ConfigError
from pipeline.prune.records import ChannelGroup, FloatArray, PrunePlan, Shortfall
from pipeline.suggest import did_you_mean

SCOPES = ("local", "global", "isomorphic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What no selection may break, in entries of the layer that makes the channels.

    Attributes:
        round_to: the number kept is a multiple of it wherever anything is removed.
        min_channels: at least so many stay; a group that has fewer keeps them all.
        max_ratio: at most this share of a group goes.
    """

    round_to: int = 4
    min_channels: int = 4
    max_ratio: float = 0.9

    def __post_init__(self) -> None:
        if self.round_to < 1:
            raise ConfigError(
                f"round_to: expected a whole number of at least 1. Received: {self.round_to}. "
                "1 keeps every count."
            )
        if self.min_channels < 1:
            raise ConfigError(
                f"min_channels: expected at least 1, for no layer can be without channels. "
                f"Received: {self.min_channels}. Leave out whole layers in the architecture."
            )
        if not 0 <= self.max_ratio < 1:
            raise ConfigError(
                f"max_ratio: expected a share in [0, 1), for 1 empties a layer. Received: "
                f"{self.max_ratio}. Use at most 0.99."
            )


def check_ratio(ratio: float, place: str = "ratio") -> None:
    """Refuse a ratio that would empty a layer.

    Raises:
        ConfigError: it is not in [0, 1).
    """
    if not 0 <= ratio < 1:
        raise ConfigError(
            f"{place}: expected the share of channels that goes, in [0, 1); 1 empties a layer. "
            f"Received: {ratio}. Use for example 0.5."
        )


def select(
    groups: Sequence[ChannelGroup],
    importance: Sequence[FloatArray],
    ratio: float | Mapping[str, float],
    *,
    scope: str = "local",
    limits: Limits | None = None,
    seed: int = 0,
) -> PrunePlan:
    """Keep the most important channels.

    Local scope keeps max(min_channels, floor_to(round_to, C * (1 - ratio))) of each group.
    Global scope removes round(ratio * all channels) one by one, the least important first,
    as far as min_channels and max_ratio let it; then each touched group is floored to
    round_to. Isomorphic scope does that among the groups of one structure at a time. Of
    equal importance, the channel with the lower index (and the earlier group) stays.

    Args:
        groups: from `find_groups`.
        importance: of each group float64 [channels]; finite.
        ratio: share of channels that goes, or for local scope one for each group's name;
            groups that it does not name stay whole.
        scope: "local", "global" or "isomorphic".
        limits: None for the defaults.
        seed: goes into the plan.
    Raises:
        ConfigError: a ratio, a scope or a group's name that makes no sense.
    """
    limits = limits or Limits()
    wanted = _ratios(groups, ratio, scope)
    shortfalls: list[Shortfall] = []
    if scope == "local":
        counts = [_floored(g, g.channels * (1 - r)) for g, r in zip(groups, wanted, strict=True)]
    else:
        counts = [group.channels for group in groups]
        for part in _parts(groups, scope):
            kept, missing = _shared_threshold(groups, importance, part, wanted, limits)
            for index, count in kept.items():
                counts[index] = count
            if missing:
                shortfalls.append(_shared_shortfall(groups, kept, missing))
    keep = []
    for group, scores, count in zip(groups, importance, counts, strict=True):
        number, reason = _limited(group, count, limits)
        if number > count and reason:
            shortfalls.append(
                Shortfall(
                    group=group.name,
                    wanted=count * group.width,
                    kept=number * group.width,
                    reason=reason,
                )
            )
        order = np.argsort(-scores, kind="stable")
        keep.append(tuple(sorted(order[:number].tolist())))
    return PrunePlan(
        groups=tuple(groups),
        keep=tuple(keep),
        importance=tuple(importance),
        seed=seed,
        shortfalls=tuple(shortfalls),
    )


def _ratios(
    groups: Sequence[ChannelGroup], ratio: float | Mapping[str, float], scope: str
) -> list[float]:
    if scope not in SCOPES:
        raise ConfigError(
            f"scope: expected one of {', '.join(SCOPES)}. Received: {scope!r}."
            f"{did_you_mean(scope, SCOPES)} Use local unless groups should compete."
        )
    if not isinstance(ratio, Mapping):
        check_ratio(ratio)
        return [ratio] * len(groups)
    if scope != "local":
        raise ConfigError(
            f"ratio: expected one number with scope {scope!r}. Received: a ratio for each of "
            f"{len(ratio)} groups. Use scope local."
        )
    unknown = sorted(ratio.keys() - {group.name for group in groups})
    if unknown:
        raise ConfigError(
            f"ratio: expected names of groups. Received: {unknown[0]!r}, which is none. "
            f"The groups are {', '.join(group.name for group in groups)}."
        )
    for name, value in ratio.items():
        check_ratio(value, f"ratio of {name}")
    return [ratio.get(group.name, 0.0) for group in groups]


def _floored(group: ChannelGroup, count: float) -> int:
    """`count` rounded down; a hair is forgiven, for 10 * (1 - 0.9) is a little below 1."""
    return min(group.channels, math.floor(count + 1e-9))


def _limited(group: ChannelGroup, count: int, limits: Limits) -> tuple[int, str]:
    """Channels that stay where `count` were asked for, and the limit that holds more back."""
    if count >= group.channels:
        return group.channels, ""
    step = limits.round_to // math.gcd(limits.round_to, group.width)
    rounded = count // step * step
    floors = _floors(group, limits)
    lowest = max(floors.values())
    if rounded >= lowest:
        return rounded, ""
    reason = next(name for name, floor in floors.items() if floor == lowest)
    # From below the limit, up to the next multiple that is allowed.
    return min(group.channels, -(-lowest // step) * step), reason


def _floors(group: ChannelGroup, limits: Limits) -> dict[str, int]:
    """The fewest channels that each limit allows."""
    return {
        f"min_channels {limits.min_channels}": -(-limits.min_channels // group.width),
        f"max_ratio {limits.max_ratio:g}": math.ceil(
            group.channels * (1 - limits.max_ratio) - 1e-9
        ),
    }


def _parts(groups: Sequence[ChannelGroup], scope: str) -> list[list[int]]:
    """Indices of the groups that compete with each other."""
    if scope == "global":
        return [list(range(len(groups)))]
    parts: dict[tuple[object, ...], list[int]] = {}
    for index, group in enumerate(groups):
        parts.setdefault(structure_of(group), []).append(index)
    return list(parts.values())


def structure_of(group: ChannelGroup) -> tuple[object, ...]:
    """What groups of one structure share: their members' weights, axes and roles, in any order.

    Source: Fang et al. 2024, Isomorphic Pruning, https://arxiv.org/abs/2407.04616; nodes of a
    group's graph are compared by kind, here weight, axis and role.
    """
    kinds = ((member.weight, member.axis, member.role.value) for member in group.members)
    return tuple(sorted(kinds))


def _shared_threshold(
    groups: Sequence[ChannelGroup],
    importance: Sequence[FloatArray],
    part: list[int],
    ratios: list[float],
    limits: Limits,
) -> tuple[dict[int, int], int]:
    """Channels kept of each group of `part`, and how many could not be removed.

    The least important of all go, as long as their group is above its limits.
    """
    if not part:
        return {}, 0
    total = sum(groups[index].channels for index in part)
    to_remove = round(ratios[part[0]] * total)
    counts = {index: groups[index].channels for index in part}
    lowest = {
        index: min(counts[index], max(_floors(groups[index], limits).values())) for index in part
    }
    scores = np.concatenate([importance[index] for index in part])
    owners = np.concatenate([np.full(groups[index].channels, index) for index in part])
    # Ascending importance; of equals the later group and the higher index first.
    for position in np.lexsort((-np.arange(len(scores)), scores)).tolist():
        if to_remove == 0:
            break
        owner = int(owners[position])
        if counts[owner] > lowest[owner]:
            counts[owner] -= 1
            to_remove -= 1
    return counts, to_remove


def _shared_shortfall(
    groups: Sequence[ChannelGroup], kept: dict[int, int], missing: int
) -> Shortfall:
    """All groups of a scope are at their limits and more should go."""
    names = [groups[index].name for index in kept]
    count = sum(kept.values())
    return Shortfall(
        group=names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]} ({len(names)} groups)",
        wanted=count - missing,
        kept=count,
        reason="min_channels or max_ratio in every group",
    )
