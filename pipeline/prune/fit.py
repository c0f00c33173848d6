"""Find the widths that fit a budget with the most importance kept.

Retained importance of a group is the share of its channels' importance that stays. Groups
follow each other, so shares multiply: the search maximises the sum of their logarithms. It goes
down from the whole model, each time in the group that brings the violated budgets nearest per
importance lost, and then gives back what was not needed. For RAM, that is where the peak is:
a channel of the stem counts while the stem's tensors set the peak, and for nothing afterwards.

Estimates steer it; what a candidate really costs (converted, planned) corrects them until the
real figures hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.errors import DoesNotFitError
from pipeline.prune.criteria.base import Criterion, Scored, Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.groups import find_groups
from pipeline.prune.records import ChannelGroup, Cost, FloatArray, PrunePlan
from pipeline.prune.select import Limits, select
from pipeline.prune.surgery import materialise
from pipeline.prune.trace import Trace, trace_model
from pipeline.prune.widths import Estimate, WidthCosts

if TYPE_CHECKING:
    import keras

    from pipeline.records import InputSet

Counts = npt.NDArray[np.int64]

# Name in a budget: (what a Cost calls it, unit for people).
RESOURCES = {
    "ram": ("ram_bytes", "B"),
    "flash": ("flash_bytes", "B"),
    "macs": ("macs", "MACs"),
    "params": ("params", "parameters"),
}

# A group goes down by at least this share at once; what was too much comes back.
_STRIDE = 1 / 32
# Real costs that are looked at before the nearest fitting candidate is taken.
_ROUNDS = 6
# Candidates nearer to all budgets than this are as good as it gets.
_CLOSE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A model whose channels are scored, and how its costs follow from widths.

    Attributes:
        trace, scored: of the model.
        estimate: costs by width.
        lowest: the fewest channels of each group that limits allow, int64 [groups].
        units: of which widths are multiples wherever anything is removed, int64 [groups].
        seed: of everything random.
    """

    trace: Trace
    scored: Scored
    estimate: WidthCosts
    lowest: Counts
    units: Counts
    seed: int

    @property
    def groups(self) -> tuple[ChannelGroup, ...]:
        """Whose widths are looked for."""
        return self.scored.grouping.groups

    @property
    def whole(self) -> Counts:
        """The channels of each group, int64 [groups]."""
        return np.array([group.channels for group in self.groups], np.int64)


def make_problem(
    model: keras.Model,
    *,
    criterion: str | Criterion,
    reduction: str,
    batch_norm: str,
    limits: Limits | None,
    ignore: Sequence[str],
    data: InputSet | None,
    seed: int,
) -> Problem:
    """Trace and score a model; the arguments are those of `prune_once`.

    Raises:
        ConfigError: an option that makes no sense.
        UnsupportedModelError: a model that cannot be followed, or of open sizes.
    """
    limits = limits or Limits()
    if isinstance(criterion, str):
        criterion = criterion_named(criterion)
    trace = trace_model(model)
    scoring = Scoring(trace=trace, data=data, seed=seed, batch_norm=batch_norm)
    grouping = find_groups(trace, ignore)
    scored = importance(criterion, scoring, grouping, reduction=reduction)
    groups = scored.grouping.groups
    narrowest = select(groups, scored.importance, 1 - 1e-9, limits=limits, seed=seed)
    return Problem(
        trace=trace,
        scored=scored,
        estimate=WidthCosts(trace, groups),
        lowest=np.array([len(keep) for keep in narrowest.keep], np.int64),
        units=np.array(
            [limits.round_to // np.gcd(limits.round_to, group.width) for group in groups], np.int64
        ),
        seed=seed,
    )


def plan_of(problem: Problem, keep: Counts) -> PrunePlan:
    """The most important channels of each group; of equals, the lower index."""
    scores = problem.scored.importance
    orders = [np.argsort(-score, kind="stable") for score in scores]
    return PrunePlan(
        groups=problem.groups,
        keep=tuple(
            tuple(sorted(order[:count].tolist()))
            for order, count in zip(orders, keep.tolist(), strict=True)
        ),
        importance=scores,
        seed=problem.seed,
    )


def search(
    problem: Problem,
    limits: Mapping[str, int],
    cost: Cost,
    spread: float,
    log: Callable[[str], None],
) -> Counts:
    """Channels to keep of each group, int64 [groups], so that real costs are within limits.

    Args:
        problem: the model.
        limits: by name of RESOURCES.
        cost: what a model really costs.
        spread: 0 weighs the importance of all groups alike, 1 by their channels.
        log: told of each candidate.
    Raises:
        DoesNotFitError: even the narrowest model is above a limit: which, and by how much.
    """

    def real(keep: Counts) -> dict[str, int]:
        costs = cost(materialise(problem.trace, plan_of(problem, keep)))
        found = {name: costs[RESOURCES[name][0]] for name in limits}
        log("candidate: " + ", ".join(f"{name} {value:,}" for name, value in found.items()))
        return found

    _check_possible(problem, limits, real(problem.lowest))
    keep, fitting = problem.whole, problem.lowest
    for _ in range(_ROUNDS):
        costs = real(keep)
        fits = all(costs[name] <= limit for name, limit in limits.items())
        if fits and _kept(problem, keep, spread) >= _kept(problem, fitting, spread):
            fitting = keep
        if fits and (keep == problem.whole).all():
            break
        estimated = _scalars(problem.estimate(keep[None]))
        # Real costs are estimates plus what these leave out: that changes slowly with width.
        allowed = {
            name: limit - (costs[name] - float(estimated[name][0]))
            for name, limit in limits.items()
        }
        close = any(costs[name] > (1 - _CLOSE) * limit for name, limit in limits.items())
        following = _descend(problem, allowed, spread)
        if (fits and close) or following is None or (following == keep).all():
            break
        keep = following
    return fitting


def _check_possible(problem: Problem, limits: Mapping[str, int], least: Mapping[str, int]) -> None:
    lacking = [
        f"{name}={limit:,} {RESOURCES[name][1]}: at least {least[name]:,} are needed, "
        f"{least[name] - limit:,} more"
        for name, limit in limits.items()
        if least[name] > limit
    ]
    if lacking:
        raise DoesNotFitError(
            f"budget: expected what pruning can reach. Received for model "
            f"{problem.trace.model.name!r}: {'; '.join(lacking)}. Raise that budget, "
            "lower min_channels or raise max_ratio, ignore fewer layers, or use a smaller input."
        )


def _scalars(estimate: Estimate) -> dict[str, FloatArray]:
    """Estimates under the budgets' names; of the RAM the peak."""
    return {
        "params": estimate.params,
        "macs": estimate.macs,
        "flash": estimate.weights_bytes,
        "ram": estimate.peak_bytes,
    }


def _violation(estimate: Estimate, allowed: Mapping[str, float]) -> FloatArray:
    """By how much candidates are above what is allowed; 0 where they fit."""
    total = np.zeros(len(estimate.params))
    for name, limit in allowed.items():
        # Of RAM every moment above the limit counts: lowering one of two equal peaks helps.
        values = estimate.live_bytes if name == "ram" else _scalars(estimate)[name][:, None]
        over = np.maximum(values / max(limit, 1.0) - 1, 0)
        total += over.sum(axis=1)
    return total


def _losses(problem: Problem, spread: float) -> list[FloatArray]:
    """For each group what keeping n channels loses, float64 [channels + 1]; inf for none.

    The logarithm of the retained share, times channels ** spread: 0 lets groups count alike,
    1 lets them count by their channels.
    """
    losses = []
    for scores in problem.scored.importance:
        shifted = np.sort(scores - min(0.0, float(scores.min())))[::-1]
        total = shifted.sum()
        shares = np.cumsum(shifted) / total if total > 0 else np.arange(1, len(scores) + 1)
        shares = shares / shares[-1]
        with np.errstate(divide="ignore"):
            loss = -np.log(np.concatenate([[0.0], shares])) * len(scores) ** spread
        losses.append(loss)
    return losses


def _kept(problem: Problem, keep: Counts, spread: float) -> float:
    """Minus the loss of all groups."""
    losses = _losses(problem, spread)
    return -float(sum(loss[count] for loss, count in zip(losses, keep, strict=True)))


def _descend(problem: Problem, allowed: Mapping[str, float], spread: float) -> Counts | None:
    """Go down until estimates fit, then give back; None where they never fit."""
    losses = _losses(problem, spread)
    strides = np.maximum(problem.units, (problem.whole * _STRIDE).astype(np.int64))
    strides -= strides % problem.units
    keep = problem.whole.copy()
    violation = float(_violation(problem.estimate(keep[None]), allowed)[0])
    while violation > 0:
        lower = _lower(problem, keep, strides)
        movable = np.flatnonzero(lower < keep)
        if not len(movable):
            return None
        candidates = np.repeat(keep[None], len(movable), axis=0)
        candidates[np.arange(len(movable)), movable] = lower[movable]
        violations = _violation(problem.estimate(candidates), allowed)
        lost = np.array([losses[g][lower[g]] - losses[g][keep[g]] for g in movable])
        rates = (violation - violations) / np.maximum(lost, 1e-12)
        chosen = int(rates.argmax())
        if rates[chosen] <= 0:
            return None
        keep, violation = candidates[chosen], float(violations[chosen])
    return _give_back(problem, keep, allowed, losses)


def _lower(problem: Problem, keep: Counts, strides: Counts) -> Counts:
    """The next smaller widths that limits allow, or the same ones."""
    lower = keep - strides
    lower -= lower % problem.units
    return np.where(keep > problem.lowest, np.maximum(lower, problem.lowest), keep)


def _give_back(
    problem: Problem, keep: Counts, allowed: Mapping[str, float], losses: list[FloatArray]
) -> Counts:
    """Widen groups again, where it helps most first, as long as everything fits."""
    keep = keep.copy()
    while True:
        higher = np.minimum(keep - keep % problem.units + problem.units, problem.whole)
        movable = np.flatnonzero(higher > keep)
        if not len(movable):
            return keep
        candidates = np.repeat(keep[None], len(movable), axis=0)
        candidates[np.arange(len(movable)), movable] = higher[movable]
        fits = _violation(problem.estimate(candidates), allowed) <= 0
        if not fits.any():
            return keep
        gains = np.array([losses[g][keep[g]] - losses[g][higher[g]] for g in movable])
        keep = candidates[int(np.where(fits, gains, -1.0).argmax())]
