"""Ratios of their own for the blocks of a network (Hallaq, Wake Vision Challenge 2025).

Each block alone is pruned as far as it goes. What the whole network then saves says how dear
the block is; a block that saves little is taken to be important, and keeps more channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ConfigError, DoesNotFitError, UnsupportedModelError
from pipeline.prune.amount import check_amount
from pipeline.prune.block_ratios import (
    TERMS,
    Probe,
    block_ratios,
    paper_importance,
    paper_ratios,
    scaled_importance,
)
from pipeline.prune.blocks import check_blocks, find_blocks, holders_of, makers_of
from pipeline.prune.criteria.base import Criterion, Scored, Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.facts import model_facts
from pipeline.prune.fit import RESOURCES
from pipeline.prune.groups import find_groups
from pipeline.prune.methods.one_shot import carry_out
from pipeline.prune.records import (
    ChannelGroup,
    Cost,
    Evaluate,
    FineTune,
    Lock,
    MethodResult,
    PrunePlan,
    Shortfall,
)
from pipeline.prune.select import Limits, check_ratio, select
from pipeline.prune.surgery import materialise
from pipeline.prune.trace import Trace, trace_model
from pipeline.prune.widths import WidthCosts

if TYPE_CHECKING:
    import keras

    from pipeline.records import InputSet

ACCURACY_PROBE = 0.5
"""Share of a block's channels that goes where its effect on accuracy is measured.

With one channel left, any block brings accuracy down to guessing, and they cannot be compared.
"""

STEEPEST = 100.0
"""Largest k that the bisection tries; ratios are below 1e-4 there and nothing is removed."""

PRECISION = 1e-3
"""Of k: ratios are that close to the budget."""

_Log = Callable[[str], None]


def prune_blockwise(
    model: keras.Model,
    *,
    paper: bool = False,
    blocks: Mapping[str, Sequence[str]] | None = None,
    k: float = 2.0,
    r_max: float | None = None,
    weights: Mapping[str, float] | None = None,
    budget: Mapping[str, int] | None = None,
    keep_params: float | None = None,
    cost: Cost | None = None,
    criterion: str | Criterion = "l1",
    limits: Limits | None = None,
    ignore: Sequence[str] = (),
    data: InputSet | None = None,
    epochs: int = 0,
    fine_tune: FineTune | None = None,
    evaluate: Evaluate | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    log: _Log | None = None,
) -> MethodResult:
    """Prune each block by a ratio that follows from what the block saves.

    The paper's mode leaves the stem, the classifier and every group that reaches two blocks
    as they are, keeps int(C (1 - r)) channels, and where that is 0 all of them. The default
    mode prunes the stem as a block, and groups made by several blocks by the smallest of their
    ratios, within the limits.

    Args:
        model: Functional or Sequential, with fixed sizes; not changed.
        paper: as published: importance from parameters and MACs alone, no limits, no budget.
        blocks: layer paths by block name; found from the graph where None.
        k: how much more the unimportant blocks lose; >= 0.
        r_max: ratio of the least important block (in default mode at k = 0); None for 0.99
            as published, else for the limits' max_ratio.
        weights: of the terms `TERMS`; None for 1 each, accuracy where `evaluate` is given.
        budget: most "params", "macs", "peak_activation_bytes", "arena", "ram", "flash"; the
            largest k that meets all is taken instead of `k`.
        keep_params: a budget of parameters as a share of the model's, in (0, 1).
        cost: what a model really costs, for budgets of arena, RAM and flash.
        criterion: ranks the channels within a group.
        limits: None for the defaults; not in the paper's mode.
        ignore: layers whose output channels stay.
        data: for criteria that need it.
        epochs: of `fine_tune` at the end.
        fine_tune: None for none.
        evaluate: None for no accuracy, neither as a term nor in the facts.
        seed: of everything random.
        tolerance: of the proof, see `prove`.
        log: told of each step.
    Raises:
        ConfigError: an option that makes no sense.
        DoesNotFitError: a budget below what r_max and limits allow: which, and by how much.
        UnsupportedModelError: a model that cannot be followed, or with open sizes.
        MismatchError: the proof failed.
    """
    log = log or (lambda _: None)
    limits = limits or Limits()
    if r_max is None:
        r_max = 0.99 if paper else limits.max_ratio
    _check(paper=paper, k=k, r_max=r_max, weights=weights, evaluate=evaluate)
    budget = dict(budget or {})
    if keep_params is not None:
        check_amount(None, keep_params)
        params = int(keep_params * model_facts(model).params)
        budget["params"] = min(params, budget.get("params", params))
    _check_budget(budget, weights, paper=paper, cost=cost)
    if isinstance(criterion, str):
        criterion = criterion_named(criterion)
    trace = trace_model(model)
    scored = importance(
        criterion, Scoring(trace=trace, data=data, seed=seed), find_groups(trace, ignore)
    )
    search = _Search(
        trace=trace,
        scored=scored,
        limits=limits,
        seed=seed,
        estimate=WidthCosts(trace, scored.grouping.groups),
    )
    found = check_blocks(trace, blocks) if blocks is not None else _found(trace, paper)
    metrics = dict(evaluate(model)) if evaluate is not None else {}
    locks = scored.grouping.locks
    if paper:
        ratios, plan, outside = _paper(search, found, k, r_max)
        locks += outside
    else:
        owned, _ = _owned(scored.grouping.groups, found, makers_of)
        probes = search.probes(owned)
        if evaluate is not None:
            probes = search.with_accuracy(probes, owned, evaluate, metrics["accuracy"], log)
        weights = weights or {term: 1.0 for term in TERMS if term in probes[0].saved}
        values = dict(zip(owned, scaled_importance(probes, weights), strict=True))
        if budget:
            k = search.steepest(found, values, r_max, budget, cost)
        ratios = dict(zip(owned, block_ratios(list(values.values()), k, r_max), strict=True))
        plan = search.plan(found, ratios)
    for name, ratio in ratios.items():
        log(f"block {name}: ratio {ratio:.2f}")
    return carry_out(
        model,
        trace,
        plan,
        method="blockwise",
        locks=locks,
        start=metrics,
        epochs=epochs,
        fine_tune=fine_tune,
        evaluate=evaluate,
        tolerance=tolerance,
        log=log,
        notes=tuple(
            f"Block {name!r} was pruned by a ratio of {ratio:.2f}."
            for name, ratio in ratios.items()
        ),
    )


def _paper(
    search: _Search, blocks: Mapping[str, Sequence[str]], k: float, r_max: float
) -> tuple[dict[str, float], PrunePlan, tuple[Lock, ...]]:
    """Ratio of each block, the plan, and the groups that lie in no single block."""
    owned, outside = _owned(search.scored.grouping.groups, blocks, holders_of)
    ratios = paper_ratios(paper_importance(search.probes(owned)), k, r_max)
    return dict(zip(owned, ratios, strict=True)), search.paper_plan(owned, ratios), outside


def _check(
    *,
    paper: bool,
    k: float,
    r_max: float,
    weights: Mapping[str, float] | None,
    evaluate: Evaluate | None,
) -> None:
    check_ratio(r_max, "r_max")
    if not k >= 0:
        raise ConfigError(f"k: expected at least 0. Received: {k}. 2 is the published value.")
    if weights is None:
        return
    wrong = [
        name
        for name, weight in weights.items()
        if name not in TERMS or not isinstance(weight, int | float) or not weight >= 0
    ]
    if wrong or not sum(weights.values()) > 0:
        raise ConfigError(
            f"weights: expected some of {', '.join(TERMS)} with values >= 0 that are not all 0. "
            f"Received: {dict(weights)}. Leave them out for equal weights."
        )
    if "accuracy" in weights and evaluate is None:
        raise ConfigError(
            "weights: accuracy needs labelled data. Received: none. Give data, or leave the "
            "weight out."
        )


def _check_budget(
    budget: Mapping[str, int],
    weights: Mapping[str, float] | None,
    *,
    paper: bool,
    cost: Cost | None,
) -> None:
    if paper and (budget or weights):
        raise ConfigError(
            "blockwise: the published method knows no budget and no weights. Received: "
            f"{'budget' if budget else 'weights'} with paper mode. Leave one of them out."
        )
    known = ("params", "macs", "peak_activation_bytes", *(RESOURCES if cost is not None else ()))
    for name in budget:
        if name not in known:
            raise ConfigError(
                f"budget: expected some of {', '.join(dict.fromkeys(known))}. Received: {name!r}. "
                f"{'Leave it out.' if cost is not None else 'arena, ram and flash need a cost.'}"
            )


def _found(trace: Trace, paper: bool) -> dict[str, tuple[str, ...]]:
    blocks = find_blocks(trace)
    if paper:
        # The published method counts blocks behind the stem.
        blocks.pop(next(iter(blocks), ""), None)
    return blocks


_Owned = dict[str, list[int]]


def _owned(
    groups: Sequence[ChannelGroup],
    blocks: Mapping[str, Sequence[str]],
    blocks_of: Callable[..., tuple[str | None, ...]],
) -> tuple[_Owned, tuple[Lock, ...]]:
    """Indices of the groups that lie within one block; the others as locks.

    Raises:
        UnsupportedModelError: no block has a group of its own.
    """
    owned: _Owned = {}
    outside = []
    for index, group in enumerate(groups):
        found = blocks_of(group, blocks)
        if len(found) == 1 and found[0] is not None:
            owned.setdefault(found[0], []).append(index)
        else:
            names = ", ".join(name or "layers outside of all blocks" for name in found)
            outside.append(Lock(layer=group.name, reason=f"reaches {names}"))
    if not owned:
        raise UnsupportedModelError(
            f"blockwise: expected channels that lie within one of the blocks "
            f"{', '.join(blocks) or '(none)'}. Received: none. Name the layers of each block, "
            "or use another method."
        )
    return {name: owned[name] for name in blocks if name in owned}, tuple(outside)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """Plans for one model, and what they cost."""

    trace: Trace
    scored: Scored
    limits: Limits
    seed: int
    estimate: WidthCosts

    def facts(self, plan: PrunePlan) -> dict[str, int]:
        """params, macs and peak_activation_bytes of the model that a plan leaves."""
        found = self.estimate(np.array([[len(keep) for keep in plan.keep]], np.int64))
        return {
            "params": round(found.params[0]),
            "macs": round(found.macs[0]),
            "peak_activation_bytes": round(found.peak_bytes[0]),
        }

    def with_counts(self, counts: Mapping[int, int]) -> PrunePlan:
        """The plan that keeps so many channels, the most important ones; others stay whole."""
        groups, scores = self.scored.grouping.groups, self.scored.importance
        keep = []
        for index, (group, score) in enumerate(zip(groups, scores, strict=True)):
            order = np.argsort(-score, kind="stable")
            keep.append(tuple(sorted(order[: counts.get(index, group.channels)].tolist())))
        return PrunePlan(groups=groups, keep=tuple(keep), importance=scores, seed=self.seed)

    def probes(self, owned: _Owned) -> list[Probe]:
        """Each block alone with one channel left in each of its groups."""
        before = self.facts(self.with_counts({}))
        probes = []
        for name, indices in owned.items():
            facts = self.facts(self.with_counts(dict.fromkeys(indices, 1)))
            saved = {
                term: 100 * (whole - facts[term]) / whole if whole else 0.0
                for term, whole in before.items()
            }
            probes.append(Probe(block=name, saved=saved))
        return probes

    def with_accuracy(
        self, probes: list[Probe], owned: _Owned, evaluate: Evaluate, before: float, log: _Log
    ) -> list[Probe]:
        """The probes with the accuracy that each block alone loses at `ACCURACY_PROBE`."""
        result = []
        for probe in probes:
            counts = {
                index: max(1, int(self.scored.grouping.groups[index].channels * ACCURACY_PROBE))
                for index in owned[probe.block]
            }
            lost = before - evaluate(materialise(self.trace, self.with_counts(counts)))["accuracy"]
            log(f"block {probe.block}: loses {100 * lost:.2f} points of accuracy alone")
            result.append(replace(probe, saved={**probe.saved, "accuracy": 100 * lost}))
        return result

    def paper_plan(self, owned: _Owned, ratios: Sequence[float]) -> PrunePlan:
        counts, refused = {}, []
        for indices, ratio in zip(owned.values(), ratios, strict=True):
            for index in indices:
                group = self.scored.grouping.groups[index]
                count = int(group.channels * (1 - ratio))
                if count:
                    counts[index] = count
                    continue
                refused.append(
                    Shortfall(
                        group=group.name,
                        wanted=0,
                        kept=group.channels * group.width,
                        reason=f"ratio {ratio:g} would leave no channel",
                    )
                )
        return replace(self.with_counts(counts), shortfalls=tuple(refused))

    def plan(self, blocks: Mapping[str, Sequence[str]], ratios: Mapping[str, float]) -> PrunePlan:
        by_group = {}
        for group in self.scored.grouping.groups:
            names = makers_of(group, blocks)
            # A block without groups of its own has no ratio, and does not hold others back.
            known = [ratios[name] for name in names if name is not None and name in ratios]
            ratio = min(known) if known and None not in names else 0.0
            # Counts are rounded down: less than a channel would take a whole one.
            by_group[group.name] = ratio if ratio * group.channels >= 1 else 0.0
        groups, scores = self.scored.grouping.groups, self.scored.importance
        return select(groups, scores, by_group, limits=self.limits, seed=self.seed)

    def steepest(
        self,
        blocks: Mapping[str, Sequence[str]],
        importances: Mapping[str, float],
        r_max: float,
        budget: Mapping[str, int],
        cost: Cost | None,
    ) -> float:
        """The largest k whose model meets every budget.

        Raises:
            DoesNotFitError: none does.
        """

        def plan_at(k: float) -> PrunePlan:
            ratios = block_ratios(list(importances.values()), k, r_max)
            return self.plan(blocks, dict(zip(importances, ratios, strict=True)))

        def over(plan: PrunePlan) -> dict[str, int]:
            """What is above the budget, by name; what takes no conversion first."""
            found = self.facts(plan)
            others = budget.keys() - found.keys()
            missed = {name: found[name] for name in budget.keys() - others}
            missed = {name: got for name, got in missed.items() if got > budget[name]}
            if missed or not others or cost is None:
                return missed
            real = cost(materialise(self.trace, plan))
            found = {name: real[RESOURCES[name][0]] for name in others}
            return {name: got for name, got in found.items() if got > budget[name]}

        narrow, wide = plan_at(0.0), plan_at(STEEPEST)
        missed = over(narrow)
        if missed:
            parts = [
                f"{name}={budget[name]:,}: at least {got:,} are needed, {got - budget[name]:,} more"
                for name, got in sorted(missed.items())
            ]
            raise DoesNotFitError(
                f"budget: expected one that blockwise can meet with r_max {r_max:g} and these "
                f"limits. Received: {'; '.join(parts)}. Raise the budget, max_ratio and r_max, or "
                "lower min_channels."
            )
        if not over(wide):
            return STEEPEST
        low, high = 0.0, STEEPEST
        while narrow.keep != wide.keep and high - low > PRECISION:
            middle = (low + high) / 2
            plan = plan_at(middle)
            if over(plan):
                high, wide = middle, plan
            else:
                low, narrow = middle, plan
        return low
