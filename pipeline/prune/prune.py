"""Prune a model once: trace, group, score, select, materialise, prove."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.prune.amount import check_amount, fitting_ratio
from pipeline.prune.criteria.base import Criterion, Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.facts import model_facts
from pipeline.prune.groups import find_groups
from pipeline.prune.proof import prove
from pipeline.prune.records import Lock, ModelFacts, PrunePlan
from pipeline.prune.select import Limits, select
from pipeline.prune.surgery import materialise
from pipeline.prune.trace import trace_model

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
    check_amount(ratio, keep_params)
    if isinstance(criterion, str):
        criterion = criterion_named(criterion)
    trace = trace_model(model)
    grouping = find_groups(trace, ignore)
    log(f"{len(grouping.groups)} groups, {len(grouping.locks)} locks")
    scoring = Scoring(trace=trace, data=data, seed=seed, batch_norm=batch_norm)
    scored = importance(
        criterion, scoring, grouping, reduction=reduction, normalization=normalization
    )
    groups, scores = scored.grouping.groups, scored.importance
    if keep_params is not None:
        ratio = fitting_ratio(trace, groups, scores, keep_params, scope=scope, limits=limits)
    assert ratio is not None
    plan = select(groups, scores, ratio, scope=scope, limits=limits, seed=seed)
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
