"""Remove the least important channels of the whole network a few at a time, and recover.

Each iteration scores the channels anew, removes the least important ones wherever they are,
proves the result and fine-tunes it. Source: Molchanov et al. 2017, arxiv.org/abs/1611.06440.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ConfigError
from pipeline.prune.amount import check_amount
from pipeline.prune.compose import composed
from pipeline.prune.criteria.base import Criterion, Scored, Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.criteria.taylor import layer_norm_of, regularised
from pipeline.prune.facts import model_facts
from pipeline.prune.groups import find_groups
from pipeline.prune.proof import prove
from pipeline.prune.records import Evaluate, FineTune, Lock, MethodResult, PrunePlan, Step
from pipeline.prune.select import Limits, check_ratio
from pipeline.prune.surgery import count_params, kept_ids, materialise
from pipeline.prune.trace import Trace, trace_model

if TYPE_CHECKING:
    import keras

    from pipeline.records import InputSet


def prune_iterative(
    model: keras.Model,
    *,
    keep_params: float | None = None,
    ratio: float | None = None,
    iterations: int = 10,
    criterion: str | Criterion = "taylor",
    reduction: str = "sum",
    normalization: str | None = None,
    macs_penalty: float = 0.0,
    limits: Limits | None = None,
    ignore: Sequence[str] = (),
    data: InputSet | None = None,
    epochs: int = 10,
    fine_tune: FineTune | None = None,
    evaluate: Evaluate | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    log: Callable[[str], None] | None = None,
) -> MethodResult:
    """Iterations of: remove the least important channels, fine-tune, evaluate.

    How many go follows from the parameters: each iteration leaves the same share of what the
    one before left, so that many go while the network is large and few at the end. Channels
    go in the order of their importance, whatever group they are in; with `round_to`, in blocks
    that leave multiples of it, each block as important as its mean.

    Args:
        model: Functional or Sequential; not changed.
        keep_params: share of parameters that may stay at the end, in (0, 1).
        ratio: instead of it the share of all channels that goes by the end.
        iterations: at least 1.
        criterion: name, or one of one's own; "l1" prunes by magnitude.
        reduction: see `importance`.
        normalization: see `importance`; None for the Taylor variant's own, else "mean".
        macs_penalty: lambda of `regularised`, per million MACs.
        limits: None for the defaults; hold against the widths of `model`, not of each step.
        ignore: layers whose output channels stay.
        data: for criteria that need it, in the dtype and range that the model takes.
        epochs: of fine-tuning after each removal.
        fine_tune: None for no training between the iterations.
        evaluate: None for no metrics.
        seed: of random criteria and of the proofs' inputs.
        tolerance: of the proofs, see `prove`.
        log: told of each step.
    Raises:
        ConfigError: an option that makes no sense, or a target below what limits allow.
        UnsupportedModelError: a model that cannot be followed or rebuilt.
        MismatchError: a proof failed; names the group.
    """
    log = log or (lambda _: None)
    if isinstance(criterion, str):
        criterion = criterion_named(criterion)
    _check(iterations, epochs)
    target = _Target.of(model, keep_params, ratio, ignore, iterations)
    chooser = _Chooser(
        criterion=criterion,
        reduction=reduction,
        normalization=normalization or layer_norm_of(criterion) or "mean",
        macs_penalty=macs_penalty,
        limits=limits or Limits(),
        ignore=tuple(ignore),
        data=data,
        seed=seed,
        target=target,
    )
    start = dict(evaluate(model)) if evaluate is not None else {}
    current, steps, plan = model, list[Step](), None
    locked = find_groups(trace_model(current), ignore).locks
    for iteration in range(1, iterations + 1):
        trace = trace_model(current)
        chosen, locked = chooser.choose(trace, iteration)
        current = materialise(trace, chosen)
        difference = prove(trace, chosen, current, tolerance=tolerance)
        plan = chosen if plan is None else composed(plan, chosen)
        if fine_tune is not None and epochs:
            current = fine_tune(current, epochs)
        facts = model_facts(current)
        step = Step(
            name=f"iteration {iteration}",
            removed=chosen.num_removed,
            params=facts.params,
            macs=facts.macs,
            metrics=dict(evaluate(current)) if evaluate is not None else {},
            max_abs_difference=difference,
        )
        steps.append(step)
        log(
            f"{step.name} of {iterations}: {step.removed} channels removed, {step.params} "
            f"parameters left, largest difference {difference:g} {dict(step.metrics)}"
        )
    return MethodResult(
        model=current,
        method="iterative",
        steps=tuple(steps),
        plan=plan,
        before=model_facts(model, start.get("accuracy")),
        after=model_facts(current, steps[-1].metrics.get("accuracy")),
        locked=locked,
        max_abs_difference=max(step.max_abs_difference or 0.0 for step in steps),
        seed=seed,
    )


def _check(iterations: int, epochs: int) -> None:
    if iterations < 1:
        raise ConfigError(
            f"iterations: expected at least 1. Received: {iterations}. 10 is the published number."
        )
    if epochs < 0:
        raise ConfigError(f"epochs: expected 0 or more. Received: {epochs}. 0 trains nothing.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """What may be left after each iteration.

    Attributes:
        share: of the original, at the end.
        iterations: until then.
        params: whether parameters are counted, else channels.
        whole: of these, the original's.
        widths: the original's channels by group.
    """

    share: float
    iterations: int
    params: bool
    whole: int
    widths: Mapping[str, int]

    @classmethod
    def of(
        cls,
        model: keras.Model,
        keep_params: float | None,
        ratio: float | None,
        ignore: Sequence[str],
        iterations: int,
    ) -> _Target:
        check_amount(ratio, keep_params)
        if ratio is not None:
            check_ratio(ratio)
        trace = trace_model(model)
        widths = {group.name: group.channels for group in find_groups(trace, ignore).groups}
        params = keep_params is not None
        whole = sum(widths.values())
        if params:
            whole = count_params(trace, np.ones(len(trace.roots), bool))
        share = keep_params if keep_params is not None else 1 - (ratio or 0.0)
        return cls(share=share, iterations=iterations, params=params, whole=whole, widths=widths)

    def at(self, iteration: int) -> int:
        """The most that may be left after an iteration: the same share of what was left before."""
        # A hair is forgiven, for 10 * (1 - 0.9) is a little below 1.
        left: float = self.whole * self.share ** (iteration / self.iterations)
        return math.floor(left + 1e-9)

    def left(self, trace: Trace, plan: PrunePlan) -> int:
        """What a plan leaves."""
        if self.params:
            return count_params(trace, kept_ids(trace, plan))
        locked = sum(self.widths.values()) - sum(self.widths[g.name] for g in plan.groups)
        return locked + sum(len(keep) for keep in plan.keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chooser:
    """Chooses what goes in an iteration."""

    criterion: Criterion
    reduction: str
    normalization: str
    macs_penalty: float
    limits: Limits
    ignore: tuple[str, ...]
    data: InputSet | None
    seed: int
    target: _Target

    def choose(self, trace: Trace, iteration: int) -> tuple[PrunePlan, tuple[Lock, ...]]:
        """The plan that removes the fewest blocks for the target of an iteration, and the locks.

        Raises:
            ConfigError: the last iteration's target is out of reach.
        """
        scored = importance(
            self.criterion,
            Scoring(trace=trace, data=self.data, seed=self.seed),
            find_groups(trace, self.ignore),
            reduction=self.reduction,
            normalization=self.normalization,
        )
        scored = regularised(scored, trace, self.macs_penalty)
        blocks = self._blocks(scored)
        least = self.target.left(trace, self._plan(scored, blocks))
        if least > self.target.at(self.target.iterations):
            what = "parameters" if self.target.params else "channels"
            raise ConfigError(
                f"iterative: {self.target.share:g} of {self.target.whole} {what} are "
                f"{self.target.at(self.target.iterations)}. Received: a model of which at least "
                f"{least} stay. Lower min_channels, raise max_ratio, ignore fewer layers, or keep "
                "more."
            )
        wanted = self.target.at(iteration)
        low, high = 0, len(blocks)
        while low < high:
            middle = (low + high) // 2
            if self.target.left(trace, self._plan(scored, blocks[:middle])) <= wanted:
                high = middle
            else:
                low = middle + 1
        return self._plan(scored, blocks[:high]), scored.grouping.locks

    def _blocks(self, scored: Scored) -> list[_Block]:
        """What can be removed, the least important first."""
        blocks = []
        for index, (group, scores) in enumerate(
            zip(scored.grouping.groups, scored.importance, strict=True)
        ):
            step = self.limits.round_to // math.gcd(self.limits.round_to, group.width)
            whole = self.target.widths.get(group.name, group.channels)
            fewest = max(
                -(-self.limits.min_channels // group.width),
                math.ceil(whole * (1 - self.limits.max_ratio) - 1e-9),
            )
            # Ascending; of equals the higher index goes first.
            order = np.lexsort((-np.arange(len(scores)), scores))
            left = group.channels
            while (left - 1) // step * step >= fewest:
                fewer = (left - 1) // step * step
                gone = order[group.channels - left : group.channels - fewer]
                blocks.append(_Block(float(scores[gone].mean()), index, tuple(gone.tolist())))
                left = fewer
        # Stable, so that the blocks of a group stay in order; of equals the later group's goes.
        return sorted(blocks, key=lambda block: (block.importance, -block.group))

    def _plan(self, scored: Scored, blocks: Sequence[_Block]) -> PrunePlan:
        groups = scored.grouping.groups
        gone: list[set[int]] = [set() for _ in groups]
        for block in blocks:
            gone[block.group].update(block.channels)
        return PrunePlan(
            groups=groups,
            keep=tuple(
                tuple(channel for channel in range(group.channels) if channel not in dropped)
                for group, dropped in zip(groups, gone, strict=True)
            ),
            importance=scored.importance,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class _Block:
    """Channels of one group that go together."""

    importance: float
    group: int
    channels: tuple[int, ...]
