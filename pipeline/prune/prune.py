"""Prune a model once: trace, group, score, select, materialise, prove."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from pipeline.prune.criteria.base import Criterion, Scored, Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.facts import model_facts
from pipeline.prune.groups import find_groups
from pipeline.prune.proof import prove
from pipeline.prune.records import Lock, ModelFacts, PrunePlan
from pipeline.prune.select import Limits, select
from pipeline.prune.surgery import count_params, kept_ids, materialise
from pipeline.prune.trace import Trace, trace_model

if TYPE_CHECKING:
    import keras

    from pipeline.records import InputSet


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneResult:
    """A pruned model and how it came about.

    Attributes:
        model: not compiled.
        plan: groups, what was kept of each, importance, seed.
        before, after: facts.
        locked: layers whose channels could not be removed, and why.
        max_abs_difference: between the masked original's outputs and the pruned model's.
    """

    model: keras.Model = field(compare=False, repr=False)
    plan: PrunePlan
    before: ModelFacts
    after: ModelFacts
    locked: tuple[Lock, ...]
    max_abs_difference: float


def prune_once(
    model: keras.Model,
    *,
    criterion: str | Criterion = "l1",
    ratio: float | Mapping[str, float] | None = None,
    keep_params: float | None = None,
    scope: str = "local",
    reduction: str = "sum",
    normalization: str = "mean",
    batch_norm: str = "ignore",
    limits: Limits | None = None,
    ignore: Sequence[str] = (),
    data: InputSet | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    log: Callable[[str], None] | None = None,
) -> PruneResult:
    """Remove the least important channels of a model, and prove the result.

    Args:
        model: Functional or Sequential, channels last; not changed.
        criterion: name, or one of one's own.
        ratio: share of channels that goes; for local scope also one for each group.
        keep_params: instead of a ratio the share of parameters that may stay, in (0, 1); the
            smallest ratio that gets there is taken.
        scope: "local", "global" or "isomorphic", see `select`.
        reduction, normalization, batch_norm: see `importance` and `Scoring`.
        limits: round_to, min_channels, max_ratio; None for the defaults.
        ignore: layers whose output channels stay.
        data: for criteria that need it.
        seed: of random criteria and of the proof's inputs.
        tolerance: of the proof, see `prove`.
        log: told of each step.
    Raises:
        ConfigError: an option that makes no sense, or keep_params below what limits allow.
        UnsupportedModelError: a model that cannot be followed or rebuilt.
        MismatchError: the proof failed.
    """
    log = log or (lambda _: None)
    if (ratio is None) == (keep_params is None):
        raise ConfigError(
            "prune: expected either ratio or keep_params. Received: "
            f"{'neither' if ratio is None else 'both'}. Leave one out."
        )
    if isinstance(criterion, str):
        criterion = criterion_named(criterion)
    trace = trace_model(model)
    grouping = find_groups(trace, ignore)
    log(f"{len(grouping.groups)} groups, {len(grouping.locks)} locks")
    scoring = Scoring(trace=trace, data=data, seed=seed, batch_norm=batch_norm)
    scored = importance(
        criterion, scoring, grouping, reduction=reduction, normalization=normalization
    )
    if keep_params is not None:
        plan = _fit_params(trace, scored, keep_params, scope, limits, seed)
    else:
        assert ratio is not None
        groups = scored.grouping.groups
        plan = select(groups, scored.importance, ratio, scope=scope, limits=limits, seed=seed)
    pruned = materialise(trace, plan)
    log("materialised")
    difference = prove(trace, plan, pruned, tolerance=tolerance)
    log(f"proved: largest difference {difference:g}")
    return PruneResult(
        model=pruned,
        plan=plan,
        before=model_facts(model),
        after=model_facts(pruned),
        locked=scored.grouping.locks,
        max_abs_difference=difference,
    )


def result_as_json(result: PruneResult) -> dict[str, Any]:
    """What `--json` writes of a result: plain lists, numbers and strings.

    `kept` are the indices of a group's channels that stay, in the order of the first layer
    that makes them.
    """
    plan = result.plan
    groups = [
        {
            "name": group.name,
            "members": [
                {"layer": member.layer, "weight": member.weight, "axis": member.axis}
                for member in group.members
            ],
            "channels": group.channels,
            "kept": list(keep),
        }
        for group, keep in zip(plan.groups, plan.keep, strict=True)
    ]
    return {
        "before": asdict(result.before),
        "after": asdict(result.after),
        "groups": groups,
        "locked": [asdict(lock) for lock in result.locked],
        "shortfalls": [asdict(shortfall) for shortfall in plan.shortfalls],
        "max_abs_difference": result.max_abs_difference,
        "seed": plan.seed,
    }


def _fit_params(
    trace: Trace,
    scored: Scored,
    keep_params: float,
    scope: str,
    limits: Limits | None,
    seed: int,
) -> PrunePlan:
    """The plan of the smallest ratio that leaves at most a share of the parameters."""
    if not 0 < keep_params < 1:
        raise ConfigError(
            f"keep_params: expected the share of parameters that stays, in (0, 1). Received: "
            f"{keep_params}. Use for example 0.5."
        )

    def plan_at(ratio: float) -> tuple[PrunePlan, int]:
        groups = scored.grouping.groups
        plan = select(groups, scored.importance, ratio, scope=scope, limits=limits, seed=seed)
        return plan, count_params(trace, kept_ids(trace, plan))

    _, before = plan_at(0.0)
    allowed = int(keep_params * before)
    high = 1 - 1e-6
    plan, params = plan_at(high)
    if params > allowed:
        raise ConfigError(
            f"keep_params: {keep_params:g} of {before} parameters are {allowed}. Received: a model "
            f"of which at least {params} ({params / before:.3f}) stay. Lower min_channels, raise "
            "max_ratio, ignore fewer layers, or keep more."
        )
    low = 0.0
    # Ratios closer than this differ by less than one channel of any group.
    while high - low > 1e-5:
        middle = (low + high) / 2
        candidate, params = plan_at(middle)
        if params <= allowed:
            high, plan = middle, candidate
        else:
            low = middle
    return plan
