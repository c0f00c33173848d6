"""Find the widths that fit a budget at the least loss.

The search goes down from the whole model, each time in the group that brings the violated budgets
nearest per loss, and then gives back what was not needed. For RAM, that is where the peak is: a
channel of the stem counts while the stem's tensors set the peak, and for nothing afterwards.

What losing channels counts for is a weighing. There is no best one for all models and budgets:

- shares: groups follow each other, so the shares of importance that they retain multiply; the sum
  of the logarithms is maximized, with groups alike or by their channels.
- sums: Taylor's importance is an estimate of what the loss of the network rises by, so what is
  removed adds up, over the whole network; as it is, or with a norm of 1 in each group.
- even: the same share of every group goes.

Estimates steer the search; what a candidate really costs (converted, planned) corrects them until
the real figures hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.errors import DoesNotFitError
from pipeline.prune.criteria.base import NORMALIZATIONS, Criterion, Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.criteria.taylor import taylor
from pipeline.prune.groups import Grouping, find_groups
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
    "arena": ("arena_bytes", "B"),
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

Losses = tuple[FloatArray, ...]
"""For each group what keeping n channels loses, float64 [channels + 1]; inf for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """What losing channels counts for.

    Attributes:
        name: for people.
        importance: of each group, float64 [channels]: which channels stay.
        losses: in how many of them.
        even: go down by the same share in every group instead of where it costs least.
    """

    name: str
    importance: tuple[FloatArray, ...]
    losses: Losses
    even: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A model whose channels are scored, and how its costs follow from widths.

    Attributes:
        trace, grouping: of the model.
        weighings: at least one; the first is by the criterion alone.
        estimate: costs by width.
        lowest: the fewest channels of each group that limits allow, int64 [groups].
        units: of which widths are multiples wherever anything is removed, int64 [groups].
        seed: of everything random.
    """

    trace: Trace
    grouping: Grouping
    weighings: tuple[Weighing, ...]
    estimate: WidthCosts
    lowest: Counts
    units: Counts
    seed: int

    @property
    def groups(self) -> tuple[ChannelGroup, ...]:
        """Whose widths are looked for."""
        return self.grouping.groups

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

    With data, Taylor's importance gives further weighings, whatever the criterion.

    Raises:
        ConfigError: an option that makes no sense.
        UnsupportedModelError: a model that cannot be followed, or of open sizes.
    """
    limits = limits or Limits()
    if isinstance(criterion, str):
        criterion = criterion_named(criterion)
    trace = trace_model(model)
    scoring = Scoring(trace=trace, data=data, seed=seed, batch_norm=batch_norm)
    scored = importance(criterion, scoring, find_groups(trace, ignore), reduction=reduction)
    groups = scored.grouping.groups
    weighings = [_by_shares(criterion.name, scored.importance, 0.0)]
    if data is not None:
        weighings.append(_by_shares(criterion.name, scored.importance, 1.0))
        by_loss = importance(taylor(), scoring, scored.grouping)
        # Groups that Taylor cannot score are left to the criterion.
        if len(by_loss.importance) == len(groups):
            weighings += _by_taylor(by_loss.importance)
    narrowest = select(groups, scored.importance, 1 - 1e-9, limits=limits, seed=seed)
    return Problem(
        trace=trace,
        grouping=scored.grouping,
        weighings=tuple(weighings),
        estimate=WidthCosts(trace, groups),
        lowest=np.array([len(keep) for keep in narrowest.keep], np.int64),
        units=np.array(
            [limits.round_to // np.gcd(limits.round_to, group.width) for group in groups], np.int64
        ),
        seed=seed,
    )


def _by_shares(name: str, scores: tuple[FloatArray, ...], spread: float) -> Weighing:
    """Minus the logarithm of the retained share, times channels ** spread."""
    losses = []
    for one in scores:
        kept = _kept(one)
        shares = kept / kept[-1] if kept[-1] > 0 else np.arange(len(kept)) / (len(kept) - 1)
        with np.errstate(divide="ignore"):
            losses.append(-np.log(shares) * len(one) ** spread)
    return Weighing(
        name=f"{name}, shares{' by width' if spread else ''}",
        importance=scores,
        losses=tuple(losses),
    )


def _by_taylor(scores: tuple[FloatArray, ...]) -> tuple[Weighing, ...]:
    """Weighings by an importance that adds up over the network."""
    normed = tuple(NORMALIZATIONS["l2"](one) for one in scores)
    return (
        _by_shares("taylor", scores, 0.0),
        _by_shares("taylor", scores, 1.0),
        Weighing(name="taylor, sums", importance=scores, losses=_removed(scores)),
        Weighing(name="taylor, normed sums", importance=normed, losses=_removed(normed)),
        Weighing(name="taylor, even", importance=scores, losses=_removed(scores), even=True),
    )


def _kept(scores: FloatArray) -> FloatArray:
    """Importance of the n best channels, float64 [channels + 1]; none counts below 0."""
    shifted = np.sort(scores - min(0.0, float(scores.min())))[::-1]
    return np.concatenate([[0.0], np.cumsum(shifted)])


def _removed(scores: tuple[FloatArray, ...]) -> Losses:
    """Importance of all but the n best channels."""
    totals = [_kept(one) for one in scores]
    return tuple(np.concatenate([[np.inf], kept[-1] - kept[1:]]) for kept in totals)


def plan_of(problem: Problem, weighing: Weighing, keep: Counts) -> PrunePlan:
    """The most important channels of each group; of equals, the lower index."""
    orders = [np.argsort(-score, kind="stable") for score in weighing.importance]
    return PrunePlan(
        groups=problem.groups,
        keep=tuple(
            tuple(sorted(order[:count].tolist()))
            for order, count in zip(orders, keep.tolist(), strict=True)
        ),
        importance=weighing.importance,
        seed=problem.seed,
    )


@dataclass(frozen=True, slots=True)
class RealCosts:
    """What candidates really cost, by the names of a budget.

    Attributes:
        problem: the model.
        limits: by name of RESOURCES.
        cost: what a model really costs.
        log: told of each candidate.
    """

    problem: Problem
    limits: Mapping[str, int]
    cost: Cost
    log: Callable[[str], None]

    def __call__(self, keep: Counts) -> dict[str, int]:
        """Of a candidate; costs depend on widths alone, not on which channels stay."""
        plan = plan_of(self.problem, self.problem.weighings[0], keep)
        costs = self.cost(materialise(self.problem.trace, plan))
        found = {name: costs[RESOURCES[name][0]] for name in self.limits}
        self.log("candidate: " + ", ".join(f"{name} {value:,}" for name, value in found.items()))
        return found

    def fit(self, costs: Mapping[str, int]) -> bool:
        """Whether these are within the limits."""
        return all(costs[name] <= limit for name, limit in self.limits.items())

    def allowed(self, keep: Counts, costs: Mapping[str, int]) -> dict[str, float]:
        """Limits on estimates, corrected by what these leave out of the costs of a candidate.

        That changes slowly with width.
        """
        estimated = _scalars(self.problem.estimate(keep[None]))
        return {
            name: limit - (costs[name] - float(estimated[name][0]))
            for name, limit in self.limits.items()
        }


def first_limits(real: RealCosts) -> dict[str, float] | None:
    """Limits on estimates to begin with; None where the whole model fits.

    Raises:
        DoesNotFitError: even the narrowest model is above a limit: which, and by how much.
    """
    problem = real.problem
    _check_possible(problem, real.limits, real(problem.lowest))
    whole = real(problem.whole)
    return None if real.fit(whole) else real.allowed(problem.whole, whole)


def widths(problem: Problem, weighing: Weighing, allowed: Mapping[str, float]) -> Counts:
    """Channels to keep of each group by estimates, int64 [groups]; the fewest where none fit."""
    keep = _descend(problem, weighing, allowed)
    return problem.lowest if keep is None else keep


def search(real: RealCosts, weighing: Weighing, start: Counts) -> Counts:
    """Channels to keep of each group, int64 [groups], so that real costs are within limits.

    Args:
        real: costs, of a budget that the narrowest model fits.
        weighing: to search by.
        start: widths to begin with.
    """
    problem, keep, fitting = real.problem, start, real.problem.lowest
    for _ in range(_ROUNDS):
        costs = real(keep)
        fits = real.fit(costs)
        if fits and _loss(weighing, keep) <= _loss(weighing, fitting):
            fitting = keep
        if fits and (keep == problem.whole).all():
            break
        close = any(costs[name] > (1 - _CLOSE) * limit for name, limit in real.limits.items())
        following = _descend(problem, weighing, real.allowed(keep, costs))
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
    """Estimates under the budgets' names; of RAM and arena the peak."""
    return {
        "params": estimate.params,
        "macs": estimate.macs,
        "flash": estimate.weights_bytes,
        "ram": estimate.peak_bytes,
        "arena": estimate.peak_bytes,
    }


def _violation(estimate: Estimate, allowed: Mapping[str, float]) -> FloatArray:
    """By how much candidates are above what is allowed; 0 where they fit."""
    total = np.zeros(len(estimate.params))
    for name, limit in allowed.items():
        # Of memory every moment above the limit counts: lowering one of two equal peaks helps.
        peaks = name in ("ram", "arena")
        values = estimate.live_bytes if peaks else _scalars(estimate)[name][:, None]
        over = np.maximum(values / max(limit, 1.0) - 1, 0)
        total += over.sum(axis=1)
    return total


def _loss(weighing: Weighing, keep: Counts) -> float:
    """Of all groups together."""
    return float(sum(loss[count] for loss, count in zip(weighing.losses, keep, strict=True)))


def _descend(problem: Problem, weighing: Weighing, allowed: Mapping[str, float]) -> Counts | None:
    """Go down until estimates fit, then give back; None where they never fit."""
    if weighing.even:
        start = _even(problem, allowed)
        return None if start is None else _give_back(problem, start, allowed, weighing.losses)
    losses = weighing.losses
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


def _even(problem: Problem, allowed: Mapping[str, float]) -> Counts | None:
    """The widest model of which the same share of every group is gone; None where none fits."""
    shares = np.linspace(1, 0, 257)[:, None]
    keeps = (problem.whole * shares + 1e-9).astype(np.int64)
    keeps -= np.where(keeps < problem.whole, keeps % problem.units, 0)
    keeps = np.maximum(keeps, problem.lowest)
    fits = np.flatnonzero(_violation(problem.estimate(keeps), allowed) <= 0)
    return keeps[fits[0]] if len(fits) else None


def _lower(problem: Problem, keep: Counts, strides: Counts) -> Counts:
    """The next smaller widths that limits allow, or the same ones."""
    lower = keep - strides
    lower -= lower % problem.units
    return np.where(keep > problem.lowest, np.maximum(lower, problem.lowest), keep)


def _give_back(
    problem: Problem, keep: Counts, allowed: Mapping[str, float], losses: Losses
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
