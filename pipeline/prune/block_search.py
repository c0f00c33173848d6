"""What pruning the blocks of a network by ratios of their own saves, and how far it can go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import DoesNotFitError, UnsupportedModelError
from pipeline.prune.block_ratios import Probe, block_ratios
from pipeline.prune.blocks import makers_of
from pipeline.prune.criteria.base import Scored
from pipeline.prune.fit import RESOURCES
from pipeline.prune.records import ChannelGroup, Cost, Evaluate, Lock, PrunePlan, Shortfall
from pipeline.prune.select import Limits, select
from pipeline.prune.surgery import materialise
from pipeline.prune.trace import Trace
from pipeline.prune.widths import WidthCosts

ACCURACY_PROBE = 0.5
"""Share of a block's channels that goes where its effect on accuracy is measured.

With one channel left, any block brings accuracy down to guessing, and they cannot be compared.
"""

STEEPEST = 100.0
"""Largest k that the bisection tries; ratios are below 1e-4 there and nothing is removed."""

PRECISION = 1e-3
"""Of k: ratios are that close to the budget."""

Owned = dict[str, list[int]]
"""By block the indices of its groups."""


def own_groups(
    groups: Sequence[ChannelGroup],
    blocks: Mapping[str, Sequence[str]],
    blocks_of: Callable[..., tuple[str | None, ...]],
) -> tuple[Owned, tuple[Lock, ...]]:
    """Indices of the groups that lie within one block; the others as locks.

    Raises:
        UnsupportedModelError: no block has a group of its own.
    """
    owned: Owned = {}
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
class BlockSearch:
    """Plans for one model, and what they cost.

    Attributes:
        trace, scored: of the model.
        limits: of widths; the paper's plans know none.
        seed: that plans carry.
        estimate: costs by width.
    """

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

    def probes(self, owned: Owned) -> list[Probe]:
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
        self,
        probes: list[Probe],
        owned: Owned,
        evaluate: Evaluate,
        before: float,
        log: Callable[[str], None],
    ) -> list[Probe]:
        """The probes with the accuracy that each block alone loses at `ACCURACY_PROBE`.

        Args:
            probes: from `probes`.
            owned: from `own_groups`.
            evaluate: gives a model's accuracy, among others.
            before: the whole model's accuracy, in [0, 1].
            log: told of each block.
        """
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

    def paper_plan(self, owned: Owned, ratios: Sequence[float]) -> PrunePlan:
        """As published: int(C (1 - r)) channels stay; a group that would lose all loses none."""
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
        """The plan within the limits; a group of several blocks follows the smallest ratio."""
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

        Args:
            blocks: layer paths by name.
            importances: by block, in [0, 1].
            r_max: ratio of the least important block at k = 0.
            budget: limits by name, as of `prune_blockwise`.
            cost: what a model really costs; None where no limit is of memory.
        Raises:
            DoesNotFitError: none does.
        """

        def plan_at(k: float) -> PrunePlan:
            ratios = block_ratios(list(importances.values()), k, r_max)
            return self.plan(blocks, dict(zip(importances, ratios, strict=True)))

        narrow, wide = plan_at(0.0), plan_at(STEEPEST)
        missed = self._over(budget, cost, narrow)
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
        if not self._over(budget, cost, wide):
            return STEEPEST
        low, high = 0.0, STEEPEST
        while narrow.keep != wide.keep and high - low > PRECISION:
            middle = (low + high) / 2
            plan = plan_at(middle)
            if self._over(budget, cost, plan):
                high, wide = middle, plan
            else:
                low, narrow = middle, plan
        return low

    def _over(
        self, budget: Mapping[str, int], cost: Cost | None, plan: PrunePlan
    ) -> dict[str, int]:
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
