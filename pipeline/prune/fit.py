"""Find the widths that fit a budget at the least loss.

The search goes down from the whole model, each time in the group that brings the violated budgets
nearest per loss, and then gives back what was not needed. For RAM, that is where the peak is: a
channel of the stem counts while the stem's tensors set the peak, and for nothing afterwards.

Estimates steer the search; what a candidate really costs (converted, planned) corrects them until
the real figures hold. Estimates of memory come from the planner itself (planned_memory.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import DoesNotFitError
from pipeline.prune.criteria.base import Criterion, Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.criteria.taylor import taylor
from pipeline.prune.groups import Grouping, find_groups
from pipeline.prune.planned_memory import PlannedMemory, measure_memory
from pipeline.prune.records import ChannelGroup, Cost, Counts, FloatArray, PrunePlan
from pipeline.prune.select import Limits, select
from pipeline.prune.surgery import materialise
from pipeline.prune.trace import Trace, trace_model
from pipeline.prune.weighing import Losses, Weighing, by_shares, by_taylor
from pipeline.prune.widths import Estimate, WidthCosts

if TYPE_CHECKING:
    import keras

    from pipeline.records import InputSet

# Name in a budget: (what a Cost calls it, unit for people).
RESOURCES = {
    "ram": ("ram_bytes", "B"),
    "arena": ("arena_bytes", "B"),
    "flash": ("flash_bytes", "B"),
    "macs": ("macs", "MACs"),
    "params": ("params", "parameters"),
}

# Those of them whose peak over time counts.
MEMORIES = frozenset(("ram", "arena"))

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
        trace, grouping: of the model.
        weighings: at least one; the first is by the criterion alone.
        estimate: costs by width; of memory layer by layer, until the planner has been asked.
        lowest: the fewest channels of each group that limits allow, int64 [groups].
        units: of which widths are multiples wherever anything is removed, int64 [groups].
        seed: of everything random.
    """

    trace: Trace
    grouping: Grouping
    weighings: tuple[Weighing, ...]
    estimate: WidthCosts | PlannedMemory
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
    weighings = [by_shares(criterion.name, scored.importance, 0.0)]
    if data is not None:
        weighings.append(by_shares(criterion.name, scored.importance, 1.0))
        by_loss = importance(taylor(), scoring, scored.grouping)
        # Groups that Taylor cannot score are left to the criterion.
        if len(by_loss.importance) == len(groups):
            weighings += by_taylor(by_loss.importance)
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
        costs = self._costs(keep)
        found = {name: costs[RESOURCES[name][0]] for name in self.limits}
        self.log("candidate: " + ", ".join(f"{name} {value:,}" for name, value in found.items()))
        return found

    @property
    def is_planned(self) -> bool:
        """Whether costs tell what each operator needs."""
        return "live_bytes" in self._costs(self.problem.whole)

    def live_bytes(self, keep: Counts) -> FloatArray:
        """What each operator of a candidate needs, float64 [operators]."""
        return np.array(self._costs(keep)["live_bytes"], np.float64)

    def _costs(self, keep: Counts) -> Mapping[str, Any]:
        plan = plan_of(self.problem, self.problem.weighings[0], keep)
        return self.cost(materialise(self.problem.trace, plan))

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


def first_limits(real: RealCosts) -> tuple[RealCosts, dict[str, float]] | None:
    """Costs to search with, and limits on their estimates to begin with; None if the whole fits.

    Where memory has to go down, and is planned, its estimates are the planner's from here on.

    Raises:
        DoesNotFitError: even the narrowest model is above a limit: which, and by how much.
    """
    problem = real.problem
    _check_possible(problem, real.limits, real(problem.lowest))
    whole = real(problem.whole)
    if real.fit(whole):
        return None
    if any(whole[name] > real.limits[name] for name in MEMORIES & real.limits.keys()):
        real = _with_planned_memory(real)
    return real, real.allowed(problem.whole, whole)


def _with_planned_memory(real: RealCosts) -> RealCosts:
    problem = real.problem
    if not real.is_planned:
        return real
    assert isinstance(problem.estimate, WidthCosts)
    estimate = measure_memory(
        problem.estimate, problem.whole, problem.lowest, problem.units, real.live_bytes, real.log
    )
    return replace(real, problem=replace(problem, estimate=estimate))


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
        values = estimate.live_bytes if name in MEMORIES else _scalars(estimate)[name][:, None]
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
