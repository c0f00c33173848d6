"""Ratios of their own for the blocks of a network (Hallaq, Wake Vision Challenge 2025).

Each block alone is pruned as far as it goes. What the whole network then saves says how dear
the block is; a block that saves little is taken to be important, and keeps more channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ConfigError, UnsupportedModelError
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
from pipeline.prune.estimate import estimate_facts
from pipeline.prune.groups import find_groups
from pipeline.prune.methods.one_shot import carry_out
from pipeline.prune.records import (
    ChannelGroup,
    Evaluate,
    FineTune,
    Lock,
    MethodResult,
    ModelFacts,
    PrunePlan,
    Shortfall,
)
from pipeline.prune.select import Limits, check_ratio, select
from pipeline.prune.surgery import kept_ids, materialise
from pipeline.prune.trace import Trace, trace_model

if TYPE_CHECKING:
    import keras

    from pipeline.records import InputSet

ACCURACY_PROBE = 0.5
"""Share of a block's channels that goes where its effect on accuracy is measured.

With one channel left, any block brings accuracy down to guessing, and they cannot be compared.
"""

STEEPEST = 100.0
"""Largest k that the bisection tries; ratios are below 1e-4 there and nothing is removed."""

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
        budget: most "params", "macs", "peak_activation_bytes"; the largest k that meets all
            is taken instead of `k`.
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
        ConfigError: an option that makes no sense, or a budget below what r_max allows.
        UnsupportedModelError: a model that cannot be followed, or with open sizes.
        MismatchError: the proof failed.
    """
    log = log or (lambda _: None)
    limits = limits or Limits()
    if r_max is None:
        r_max = 0.99 if paper else limits.max_ratio
    _check(paper=paper, k=k, r_max=r_max, budget=budget, weights=weights, evaluate=evaluate)
    if isinstance(criterion, str):
        criterion = criterion_named(criterion)
    trace = trace_model(model)
    scored = importance(
        criterion, Scoring(trace=trace, data=data, seed=seed), find_groups(trace, ignore)
    )
    search = _Search(trace=trace, scored=scored, limits=limits, seed=seed)
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
            k = search.steepest(found, values, r_max, budget)
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
    budget: Mapping[str, int] | None,
    weights: Mapping[str, float] | None,
    evaluate: Evaluate | None,
) -> None:
    check_ratio(r_max, "r_max")
    if not k >= 0:
        raise ConfigError(f"k: expected at least 0. Received: {k}. 2 is the published value.")
    if paper and (budget or weights):
        raise ConfigError(
            "blockwise: the published method knows no budget and no weights. Received: "
            f"{'budget' if budget else 'weights'} with paper mode. Leave one of them out."
        )
    for name in budget or {}:
        if name not in TERMS or name == "accuracy":
            raise ConfigError(
                f"budget: expected some of params, macs, peak_activation_bytes. Received: "
                f"{name!r}. Leave it out."
            )
    if weights is None:
        return
    wrong = [name for name, weight in weights.items() if name not in TERMS or not weight >= 0]
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

    def facts(self, plan: PrunePlan) -> ModelFacts:
        facts = estimate_facts(self.trace, kept_ids(self.trace, plan))
        if facts.macs is None or facts.peak_activation_bytes is None:
            raise UnsupportedModelError(
                f"blockwise: expected fixed input sizes, for MACs and RAM are compared. Received: "
                f"model {self.trace.model.name!r} with open ones. Build it for one input size."
            )
        return facts

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
            saved = {term: _percent(before, facts, term) for term in TERMS[:3]}
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
    ) -> float:
        """The largest k whose model meets every budget."""

        def over(k: float) -> dict[str, int]:
            ratios = block_ratios(list(importances.values()), k, r_max)
            facts = self.facts(self.plan(blocks, dict(zip(importances, ratios, strict=True))))
            return {
                name: getattr(facts, name)
                for name, most in budget.items()
                if getattr(facts, name) > most
            }

        missed = over(0.0)
        if missed:
            parts = [
                f"{name} {got} where {budget[name]} are allowed" for name, got in missed.items()
            ]
            raise ConfigError(
                f"budget: cannot be met with r_max {r_max:g} and these limits. Received at most "
                f"pruning: {'; '.join(parts)}. Raise the budget, max_ratio and r_max, or lower "
                "min_channels."
            )
        low, high = 0.0, STEEPEST
        if not over(high):
            return high
        while high - low > 1e-4:
            middle = (low + high) / 2
            low, high = (low, middle) if over(middle) else (middle, high)
        return low


def _percent(before: ModelFacts, after: ModelFacts, term: str) -> float:
    whole: int = getattr(before, term)
    part: int = getattr(after, term)
    return 100 * (whole - part) / whole
