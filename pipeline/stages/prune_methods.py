"""Every pruning method under its name on the command line, and what it may be told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from pipeline.prune.budget import parse_budget
from pipeline.prune.criteria.table import CRITERIA, criterion_named
from pipeline.prune.prune import prune_once
from pipeline.prune.records import Cost, Evaluate, FineTune, MethodResult, Step
from pipeline.prune.select import Limits
from pipeline.records import InputSet
from pipeline.stages.prune_table import METHODS, parse_options
from pipeline.suggest import suggestion

if TYPE_CHECKING:
    from pipeline.model.load import KerasModel

__all__ = ["METHODS", "Job", "Limits", "PruneSettings", "check_settings", "run_method"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneSettings:
    """How to prune.

    Attributes:
        method: a criterion's name for pruning by it in one step, or one of METHODS.
        ratio: share of channels that goes; None where something else says how much.
        keep_params: share of parameters that stays, or None.
        budget: "ram=48KiB,macs=3M,..." as of `parse_budget`; "" for none.
        accuracy_floor: prune until it is reached; None for none.
        criterion: of methods that use one; "" is the method's own.
        scope, reduction, normalization, batch_norm, limits, ignore, seed: see `prune_once`.
        epochs: of fine-tuning, after each step where the method has several.
        learning_rate: of fine-tuning, the highest; 0 for half of what a training starts with.
        batch: samples a step of fine-tuning; 0 for as many as a training takes.
        options: the method's own, each "key=value"; see METHODS.
    """

    method: str = "l1"
    ratio: float | None = None
    keep_params: float | None = None
    budget: str = ""
    accuracy_floor: float | None = None
    criterion: str = ""
    scope: str = "local"
    reduction: str = "sum"
    normalization: str = "mean"
    batch_norm: str = "ignore"
    limits: Limits = field(default_factory=Limits)
    ignore: tuple[str, ...] = ()
    epochs: int = 0
    learning_rate: float = 0.0
    batch: int = 0
    options: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a method is given.

    Attributes:
        model: not to be changed.
        settings: how.
        data: training samples for criteria that need them, or None.
        fine_tune, evaluate: None without data. Metrics are those that choices are made by.
        log: told of each step.
    """

    model: KerasModel = field(compare=False, repr=False)
    settings: PruneSettings
    data: InputSet | None
    fine_tune: FineTune | None
    evaluate: Evaluate | None
    log: Callable[[str], None]

    @property
    def criterion(self) -> str:
        """The criterion that scores channels."""
        settings = self.settings
        if settings.method in CRITERIA:
            return settings.method
        return settings.criterion or METHODS[settings.method].criterion


def one_shot(job: Job) -> MethodResult:
    """Remove channels once, by one criterion, and fine-tune."""
    settings = job.settings
    result = prune_once(
        job.model,
        criterion=job.criterion,
        ratio=settings.ratio,
        keep_params=settings.keep_params,
        scope=settings.scope,
        reduction=settings.reduction,
        normalization=settings.normalization,
        batch_norm=settings.batch_norm,
        limits=settings.limits,
        ignore=settings.ignore,
        data=job.data,
        seed=settings.seed,
        log=job.log,
    )
    model = result.model
    if job.fine_tune is not None and settings.epochs:
        model = job.fine_tune(model, settings.epochs)
    plan = result.plan
    step = Step(
        name="one shot",
        removed=plan.num_removed,
        params=result.after.params,
        macs=result.after.macs,
        max_abs_difference=result.max_abs_difference,
    )
    return MethodResult(
        model=model,
        method=settings.method,
        steps=(step,),
        plan=plan,
        before=result.before,
        after=result.after,
        locked=result.locked,
        max_abs_difference=result.max_abs_difference,
        seed=settings.seed,
    )


def run_method(
    job: Job, limits: Mapping[str, int] | None = None, cost: Cost | None = None
) -> MethodResult:
    """Prune by the method that the settings name.

    Args:
        job: what to prune, and how.
        limits: of a budget that the method follows by itself; None for none.
        cost: what a model really costs, for these.
    """
    settings = job.settings
    if settings.method not in METHODS:
        return one_shot(job)
    method = METHODS[settings.method]
    common = {
        "ratio": settings.ratio,
        "keep_params": settings.keep_params,
        "criterion": job.criterion,
        "reduction": settings.reduction,
        "limits": settings.limits,
        "ignore": settings.ignore,
        "data": job.data,
        "tolerance": None,
    }
    budget = {"budget": limits, "cost": cost} if limits is not None else {}
    result = method.run(
        job.model,
        **budget,
        **{name: common[name] for name in method.common},
        **parse_options(settings.method, settings.options),
        epochs=settings.epochs,
        fine_tune=job.fine_tune,
        evaluate=job.evaluate,
        seed=settings.seed,
        log=job.log,
    )
    # Two names may stand for one function with other defaults.
    return dataclasses.replace(result, method=settings.method)


def method_names() -> tuple[str, ...]:
    """All that `--method` takes."""
    return (*CRITERIA, *METHODS)


def planned_epochs(settings: PruneSettings) -> int | None:
    """Epochs of fine-tuning in all; None where the search decides."""
    if settings.budget or settings.accuracy_floor is not None:
        return None
    if settings.method not in METHODS:
        return settings.epochs
    method = METHODS[settings.method]
    options = {**method.defaults(), **parse_options(settings.method, settings.options)}
    return method.epochs(settings.epochs, options)


def check_settings(settings: PruneSettings, *, has_data: bool) -> None:
    """Refuse settings that make no sense, before anything is loaded.

    Raises:
        ConfigError: which one, and what was expected.
    """
    if settings.method not in method_names():
        raise ConfigError(
            "method: expected the name of a criterion or of a method. Received: "
            f"{settings.method!r}. {suggestion(settings.method, method_names())}"
        )
    criterion = settings.criterion
    if criterion:
        criterion_named(criterion)
        if settings.method in CRITERIA and settings.method != criterion:
            raise ConfigError(
                f"criterion: method {settings.method} is a criterion itself. Received: "
                f"{criterion!r} too. Give --method {criterion} alone."
            )
    given = {
        "ratio": settings.ratio,
        "keep_params": settings.keep_params,
        "budget": settings.budget or None,
        "accuracy_floor": settings.accuracy_floor,
    }
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) > 1:
        raise ConfigError(
            f"prune: expected one of {', '.join(given)}. Received: {' and '.join(chosen)}. "
            "Leave the others out; a budget takes accuracy>= and params= too."
        )
    if settings.method in CRITERIA and not chosen:
        raise ConfigError(
            f"prune: expected one of {', '.join(given)}, which say how much goes. Received: none. "
            "Give for example --ratio 0.5."
        )
    if settings.accuracy_floor is not None and settings.method not in CRITERIA:
        raise ConfigError(
            "accuracy_floor: expected a criterion as method. Received: "
            f"{settings.method!r}. Give one of {', '.join(CRITERIA)}."
        )
    if settings.budget:
        _check_budget(settings)
    _check_method(settings)
    floor = settings.accuracy_floor
    if floor is not None and not 0 < floor <= 1:
        raise ConfigError(f"accuracy_floor: expected a share in (0, 1]. Received: {floor:g}.")
    if settings.epochs < 0:
        raise ConfigError(f"epochs: expected 0 or more. Received: {settings.epochs}.")
    if not has_data and (settings.epochs or floor is not None):
        raise ConfigError(
            f"{'epochs' if settings.epochs else 'accuracy_floor'}: needs labelled data. Received: "
            "none. Give --data."
        )


def _check_budget(settings: PruneSettings) -> None:
    """Which methods can follow which budgets."""
    budget = parse_budget(settings.budget)
    if settings.method in CRITERIA:
        return
    allowed = METHODS[settings.method].budgets
    others = [name for name in budget.limits if name not in allowed]
    if others or budget.accuracy is not None:
        raise ConfigError(
            f"method {settings.method}: follows budgets of {' and '.join(allowed) or 'nothing'}. "
            f"Received: {settings.budget!r}. Give a criterion as method, for example l1, for a "
            "search with any budget."
        )


def _check_method(settings: PruneSettings) -> None:
    """What a method of several steps needs, and what means nothing to it."""
    options = parse_options(settings.method, settings.options)
    method = METHODS.get(settings.method)
    if method is None:
        return
    given = {"ratio": settings.ratio, "keep_params": settings.keep_params, **options}
    if method.needs and not any(given.get(name) is not None for name in method.needs):
        raise ConfigError(
            f"method {settings.method}: expected {' or '.join(method.needs)}, which say how much "
            f"goes. Received: none. Options of its own are given as --set key=value."
        )
    for name in ("ratio", "keep_params"):
        if given[name] is not None and name not in method.common:
            raise ConfigError(
                f"method {settings.method}: does not take {name}. Received: {given[name]}. Its own "
                f"options are {', '.join(method.options)} (--set key=value)."
            )
    if settings.criterion and "criterion" not in method.common:
        raise ConfigError(
            f"method {settings.method}: has a criterion of its own. Received: "
            f"{settings.criterion!r}. Leave it out."
        )
