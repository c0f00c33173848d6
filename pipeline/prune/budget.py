"""Prune to budgets: RAM, arena, flash, MACs, parameters and accuracy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, DoesNotFitError
from pipeline.prune.criteria.base import Criterion
from pipeline.prune.facts import model_facts
from pipeline.prune.fit import (
    RESOURCES,
    Problem,
    RealCosts,
    first_limits,
    make_problem,
    plan_of,
    search,
    widths,
)
from pipeline.prune.proof import prove
from pipeline.prune.recalibrate import mean_loss, recalibrate
from pipeline.prune.records import Cost, Evaluate, FineTune, MethodResult, PrunePlan, Step
from pipeline.prune.select import Limits
from pipeline.prune.surgery import materialise
from pipeline.prune.weighing import Weighing
from pipeline.suggest import did_you_mean

if TYPE_CHECKING:
    import keras

    from pipeline.records import InputSet

# What may stand behind a number.
_FACTORS = {"": 1, "k": 1000, "K": 1000, "M": 10**6, "G": 10**9, "KiB": 1024, "MiB": 1024**2}
_FACTORS |= {"B": 1, "kB": 1000, "MB": 10**6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a model may cost.

    Attributes:
        limits: by name of RESOURCES; at least one.
        accuracy: that must remain, share in [0, 1]; None for any.
    """

    limits: Mapping[str, int]
    accuracy: float | None = None


def parse_budget(text: str) -> Budget:
    """Read "ram=48KiB,flash=96KiB,macs=3M,params=40k,accuracy>=0.85", any subset.

    Raises:
        ConfigError: anything else; names the part.
    """
    limits: dict[str, int] = {}
    accuracy: float | None = None
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\w+)\s*(<=|>=|=)\s*([\d.]+)\s*(%|[A-Za-z]*)", part)
        name, sign, number, unit = match.groups() if match else ("", "", "", "")
        try:
            value = float(number)
        except ValueError:
            name, value = "", 0.0
        if name == "accuracy" and sign == ">=" and unit in ("", "%"):
            accuracy = value / 100 if unit else value
            if not 0 < accuracy <= 1:
                raise _wrong_part(part)
        elif name in RESOURCES and sign != ">=" and unit in _FACTORS and name not in limits:
            limits[name] = int(value * _FACTORS[unit])
            if limits[name] < 1:
                raise _wrong_part(part)
        else:
            raise _wrong_part(part)
    if not limits:
        hint = " For an accuracy alone use --accuracy-floor." if accuracy else ""
        raise ConfigError(
            f"budget: expected at least one of {', '.join(RESOURCES)}. Received: {text!r}.{hint} "
            "Write for example ram=48KiB,macs=3M."
        )
    return Budget(limits=limits, accuracy=accuracy)


def _wrong_part(part: str) -> ConfigError:
    name = re.split(r"[<>=\s]", part, maxsplit=1)[0]
    return ConfigError(
        f"budget: expected a list of {', '.join(f'{name}=N' for name in RESOURCES)} with N such as "
        "48KiB, 96kB or 3M, each at most once, and accuracy>=SHARE. Received: "
        f"{part!r}.{did_you_mean(name, (*RESOURCES, 'accuracy'))} Write for example "
        "ram=48KiB,macs=3M,accuracy>=0.85."
    )


def prune_to_budget(
    model: keras.Model,
    budget: Budget,
    *,
    cost: Cost,
    criterion: str | Criterion = "l1",
    reduction: str = "sum",
    batch_norm: str = "ignore",
    limits: Limits | None = None,
    ignore: Sequence[str] = (),
    data: InputSet | None = None,
    seed: int = 0,
    epochs: int = 0,
    fine_tune: FineTune | None = None,
    evaluate: Evaluate | None = None,
    tolerance: float | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> MethodResult:
    """Remove channels until a model costs no more than a budget.

    With data, several ways to spread the loss over the groups are fitted to the budget; each
    model gets the batch statistics that it really has, and the one with the least loss on the
    data is taken. Only that one is fine-tuned. Source: Li et al. 2020, EagleEye,
    https://arxiv.org/abs/2007.02491.

    Args:
        model: Functional or Sequential, channels last, of fixed sizes; not changed.
        budget: what it may cost.
        cost: what a model really costs; has an entry for each limit of the budget, see RESOURCES.
        criterion, reduction, batch_norm, limits, ignore, seed, tolerance: as of `prune_once`.
        data: labelled samples to choose by; None to follow the criterion alone.
        epochs: of fine-tuning.
        fine_tune, evaluate: None for neither.
        log: told of each candidate.
    Raises:
        DoesNotFitError: even the narrowest model is above a budget: which, and by how much; or
            the accuracy does not remain.
        ConfigError: an option that makes no sense, or an accuracy without `evaluate`.
    """
    if budget.accuracy is not None and evaluate is None:
        raise ConfigError(
            "budget: accuracy>= needs labelled data to measure it. Received: none. Give --data."
        )
    problem = make_problem(
        model,
        criterion=criterion,
        reduction=reduction,
        batch_norm=batch_norm,
        limits=limits,
        ignore=ignore,
        data=data,
        seed=seed,
    )
    log(f"{len(problem.groups)} groups, {len(problem.grouping.locks)} locks")
    real = RealCosts(problem, budget.limits, cost, log)
    keep, weighing, notes = problem.whole, problem.weighings[0], list[str]()
    if (begin := first_limits(real)) is not None:
        real, allowed = begin
        problem = real.problem
        if data is not None:
            weighing, note = _chosen(problem, allowed, data, log)
            notes.append(note)
        keep = search(real, weighing, widths(problem, weighing, allowed))
    plan = plan_of(problem, weighing, keep)
    pruned = materialise(problem.trace, plan)
    difference = prove(problem.trace, plan, pruned, tolerance=tolerance)
    log(f"proved: largest difference {difference:g}")
    if data is not None and plan.num_removed:
        recalibrate(pruned, data)
    if fine_tune is not None and epochs:
        pruned = fine_tune(pruned, epochs)
    metrics = evaluate(pruned) if evaluate is not None else {}
    result = replace(_result(model, problem, plan, pruned, metrics, difference), notes=tuple(notes))
    _check_accuracy(budget, result)
    return result


def _chosen(
    problem: Problem,
    allowed: Mapping[str, float],
    data: InputSet,
    log: Callable[[str], None],
) -> tuple[Weighing, str]:
    """The weighing whose model loses least once its batch statistics are its own, and a note."""
    losses: dict[tuple[tuple[int, ...], ...], float] = {}
    best = problem.weighings[0]
    for weighing in problem.weighings:
        plan = plan_of(problem, weighing, widths(problem, weighing, allowed))
        if plan.keep in losses:
            continue
        pruned = materialise(problem.trace, plan)
        recalibrate(pruned, data)
        losses[plan.keep] = mean_loss(pruned, data)
        log(f"{weighing.name}: loss {losses[plan.keep]:.3f} before fine-tuning")
        if losses[plan.keep] <= min(losses.values()):
            best = weighing
    return best, (
        f"Channels are weighed by {best.name}: of {len(losses)} models within the budget its loss "
        f"on training samples is the least, {min(losses.values()):.3f} before fine-tuning."
    )


def _result(
    model: keras.Model,
    problem: Problem,
    plan: PrunePlan,
    pruned: keras.Model,
    metrics: Mapping[str, float],
    difference: float,
) -> MethodResult:
    facts = model_facts(pruned, metrics.get("accuracy"))
    step = Step(
        name="budget",
        removed=plan.num_removed,
        params=facts.params,
        macs=facts.macs,
        metrics=metrics,
        max_abs_difference=difference,
    )
    return MethodResult(
        model=pruned,
        method="budget",
        steps=(step,),
        plan=plan,
        before=model_facts(model),
        after=facts,
        locked=problem.grouping.locks,
        max_abs_difference=difference,
        seed=problem.seed,
    )


def _check_accuracy(budget: Budget, best: MethodResult) -> None:
    accuracy = best.after.accuracy
    if budget.accuracy is None or accuracy is None or accuracy >= budget.accuracy:
        return
    raise DoesNotFitError(
        f"budget: expected accuracy>={budget.accuracy:g} within the other budgets. Received: at "
        f"most {accuracy:.4f}, {budget.accuracy - accuracy:.4f} too little. Fine-tune for more "
        "epochs, or raise another budget."
    )
