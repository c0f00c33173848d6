"""Ratios of their own for the blocks of a network (Hallaq, Wake Vision Challenge 2025).

Each block alone is pruned as far as it goes. What the whole network then saves says how dear
the block is; a block that saves little is taken to be important, and keeps more channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from pipeline.prune.amount import check_amount
from pipeline.prune.block_ratios import (
    TERMS,
    block_ratios,
    paper_importance,
    paper_ratios,
    scaled_importance,
)
from pipeline.prune.block_search import BlockSearch, own_groups
from pipeline.prune.blocks import check_blocks, find_blocks, holders_of, makers_of
from pipeline.prune.criteria.base import Criterion, Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.facts import model_facts
from pipeline.prune.fit import RESOURCES
from pipeline.prune.groups import find_groups
from pipeline.prune.methods.one_shot import carry_out
from pipeline.prune.records import (
    Cost,
    Evaluate,
    FineTune,
    Lock,
    MethodResult,
    PrunePlan,
)
from pipeline.prune.select import Limits, check_ratio
from pipeline.prune.trace import Trace, trace_model
from pipeline.prune.widths import WidthCosts

if TYPE_CHECKING:
    import keras

    from pipeline.records import InputSet

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
    _check(k=k, r_max=r_max, weights=weights, evaluate=evaluate)
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
    search = BlockSearch(
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
        owned, _ = own_groups(scored.grouping.groups, found, makers_of)
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
    search: BlockSearch, blocks: Mapping[str, Sequence[str]], k: float, r_max: float
) -> tuple[dict[str, float], PrunePlan, tuple[Lock, ...]]:
    """Ratio of each block, the plan, and the groups that lie in no single block."""
    owned, outside = own_groups(search.scored.grouping.groups, blocks, holders_of)
    ratios = paper_ratios(paper_importance(search.probes(owned)), k, r_max)
    return dict(zip(owned, ratios, strict=True)), search.paper_plan(owned, ratios), outside


def _check(
    *,
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
