"""Filters with the smallest L1 norm (Li et al. 2017, https://arxiv.org/abs/1608.08710)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.prune.amount import local_ratio
from pipeline.prune.criteria.base import Scoring, kernels
from pipeline.prune.groups import find_groups
from pipeline.prune.methods.one_shot import carry_out
from pipeline.prune.records import (
    ChannelGroup,
    Evaluate,
    FineTune,
    FloatArray,
    Lock,
    MethodResult,
    PrunePlan,
    Role,
)
from pipeline.prune.select import Limits, select
from pipeline.prune.surgery import Bools, materialise
from pipeline.prune.trace import Trace, trace_model
from pipeline.suggest import did_you_mean

if TYPE_CHECKING:
    import keras

STRATEGIES = ("independent", "greedy")


def prune_l1_filter(
    model: keras.Model,
    *,
    ratio: float | None = None,
    keep_params: float | None = None,
    strategy: str = "independent",
    limits: Limits | None = None,
    ignore: Sequence[str] = (),
    epochs: int = 0,
    fine_tune: FineTune | None = None,
    evaluate: Evaluate | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    log: Callable[[str], None] | None = None,
) -> MethodResult:
    """Drop the filters of convolutions with the smallest sums of absolute weights.

    Where an addition ties layers, the first of them, which the shortcut carries, decides for
    all. Depthwise filters go with the filters that feed them and do not count. What dense
    layers make stays.

    Args:
        model: Functional or Sequential; not changed.
        ratio: share of each layer's filters that goes.
        keep_params: instead of a ratio the share of parameters that may stay, in (0, 1).
        strategy: "independent" sums whole filters; "greedy" leaves out what they read from
            filters that are gone already.
        limits: None for the defaults.
        ignore: layers whose output channels stay.
        epochs: of `fine_tune` at the end.
        fine_tune: None for none.
        evaluate: None for no metrics.
        seed: of the proof's inputs.
        tolerance: of the proof, see `prove`.
        log: told of each step.
    Raises:
        ConfigError: an option that makes no sense.
        UnsupportedModelError: no filters that could go, or see `trace_model`.
        MismatchError: the proof failed.
    """
    log = log or (lambda _: None)
    limits = limits or Limits()
    trace = trace_model(model)
    groups, locks = _filters(trace, ignore)
    ratio = local_ratio(trace, groups, limits, ratio=ratio, keep_params=keep_params)
    plan = replace(select_filters(trace, groups, ratio, strategy, limits), seed=seed)
    log(f"{len(groups)} groups, ratio {ratio:g}, {plan.num_removed} filters go")
    return carry_out(
        model,
        trace,
        plan,
        method="l1-filter",
        locks=locks,
        start=dict(evaluate(model)) if evaluate is not None else {},
        epochs=epochs,
        fine_tune=fine_tune,
        evaluate=evaluate,
        tolerance=tolerance,
        log=log,
    )


def sensitivity(
    model: keras.Model,
    evaluate: Evaluate,
    *,
    ratios: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    limits: Limits | None = None,
    ignore: Sequence[str] = (),
    log: Callable[[str], None] | None = None,
) -> dict[str, tuple[float, ...]]:
    """Accuracy with one layer pruned alone and not fine-tuned, by group name, at each ratio.

    Args:
        model: Functional or Sequential; not changed.
        evaluate: called once for each group and ratio.
        ratios: shares of the layer's filters that go.
        limits: None for the defaults.
        ignore: layers that are left out.
        log: told of each group.
    Raises:
        ConfigError: a ratio that makes no sense.
        UnsupportedModelError: no filters that could go, or see `trace_model`.
    """
    log = log or (lambda _: None)
    trace = trace_model(model)
    curves = {}
    for group in _filters(trace, ignore)[0]:
        plans = [select_filters(trace, [group], ratio, limits=limits) for ratio in ratios]
        curves[group.name] = tuple(evaluate(materialise(trace, plan))["accuracy"] for plan in plans)
        log(f"{group.name}: {', '.join(f'{value:.3f}' for value in curves[group.name])}")
    return curves


def _filters(
    trace: Trace, ignore: Sequence[str]
) -> tuple[tuple[ChannelGroup, ...], tuple[Lock, ...]]:
    """Groups that convolutions make, and all that is locked."""
    grouping = find_groups(trace, ignore)
    kinds = {axis.path: type(axis.layer).__name__ for axis in trace.axes}
    groups, locks = [], list(grouping.locks)
    for group in grouping.groups:
        others = [m.layer for m in group.weighted(Role.OUT) if "Conv" not in kinds[m.layer]]
        if others:
            reason = f"method l1-filter: {others[0]!r}, a {kinds[others[0]]}, has no filters"
            locks.append(Lock(layer=group.name, reason=reason))
        else:
            groups.append(group)
    if not groups:
        raise UnsupportedModelError(
            f"l1-filter: expected convolutions whose filters can go. Received: model "
            f"{trace.model.name!r} without any. Use another method, for example l1."
        )
    return tuple(groups), tuple(locks)


def select_filters(
    trace: Trace,
    groups: Sequence[ChannelGroup],
    ratio: float,
    strategy: str = "independent",
    limits: Limits | None = None,
) -> PrunePlan:
    """The plan of one ratio for all groups, layer by layer in the order of the graph.

    Raises:
        ConfigError: an unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise ConfigError(
            f"strategy: expected one of {', '.join(STRATEGIES)}. Received: {strategy!r}."
            f"{did_you_mean(strategy, STRATEGIES)} Use independent in case of doubt."
        )
    scoring = Scoring(trace=trace)
    gone = np.zeros(len(trace.roots), bool)
    plans = []
    for group in groups:
        scores = _sums(scoring, group, gone)
        plan = select([group], [scores], ratio, limits=limits)
        plans.append(plan)
        if strategy == "greedy":
            gone[plan.dropped_units()] = True
    return PrunePlan(
        groups=tuple(groups),
        keep=tuple(plan.keep[0] for plan in plans),
        importance=tuple(plan.importance[0] for plan in plans),
        seed=0,
        shortfalls=tuple(shortfall for plan in plans for shortfall in plan.shortfalls),
    )


def _sums(scoring: Scoring, group: ChannelGroup, gone: Bools) -> FloatArray:
    """Sum of |w| of each filter of the group's first layer, float64 [channels].

    Args:
        scoring: whose weights.
        group: of filters.
        gone: bool [ids], input channels that do not count.
    """
    member = next(m for m in kernels(group) if m.role is Role.OUT)
    value = np.abs(scoring.weight(member))
    for axis in scoring.trace.axes:
        here = axis.path == member.layer and axis.weight == member.weight
        if here and axis.role is Role.IN:
            shape = [1] * value.ndim
            shape[axis.axis] = len(axis.ids)
            value = value * ~gone[scoring.trace.roots[axis.ids]].reshape(shape)
    filters = np.moveaxis(value, member.axis, 0)[member.indices]
    return np.asarray(filters.reshape(group.channels, -1).sum(axis=1))
