"""The points of a study, and how each is told to prune under equal conditions.

Equal fine-tuning: every trial trains for exactly `equal.epochs` epochs in all, those of models that
are thrown away included. Methods of several steps divide them, and what does not divide is trained
at the end:

    one step, blockwise, l1-filter,   all at the end
    budget
    iterative, magnitude              alike behind each iteration; fewer iterations than published
                                      where there are fewer epochs
    multistage                        alike over the stages; at most half of each is its ramp
    slimming                          half with sparsity, or as many as sparsity_epochs says
    magnitude-unstructured, combined  divided by the method itself
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from pipeline.errors import ConfigError
from pipeline.prune.criteria.table import CRITERIA
from pipeline.prune.select import Limits
from pipeline.report.study import point_text
from pipeline.stages.prune_methods import METHODS, PruneSettings, check_settings
from pipeline.study.config import BUDGET, NONE, EqualSection, MethodTable, StudyConfig

UNSTRUCTURED = "magnitude-unstructured"

# Of the methods where nothing else is said; pipeline/prune/methods has the same.
_ITERATIONS, _STAGES, _RAMP_EPOCHS = 10, 2, 4

_LISTS = {"ratio": "ratios", "keep_params": "keep_params", "budget": "budgets"}
# A search looks no finer.
_DIGITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What shares in budgets are of.

    Attributes:
        params, macs: of the model before pruning.
    """

    params: int
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one trial does.

    Attributes:
        model: name of a file, without its suffix.
        method: one of STUDY_METHODS.
        amount: what says how much goes ("ratio", "keep_params" or "budget"), and its value; None
            where an option of the method's own does, or nothing goes.
        options: what else the method is told, sorted by name.
        seed: of everything random.
    """

    model: str
    method: str
    amount: tuple[str, float | str] | None = None
    options: tuple[tuple[str, Any], ...] = ()
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As a JSON object."""
        return {**asdict(self), "amount": self.amount and list(self.amount), "options": self.told}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Point:
        """What `to_dict` has made."""
        amount = value["amount"]
        return cls(
            model=value["model"],
            method=value["method"],
            amount=None if amount is None else (amount[0], amount[1]),
            options=tuple(sorted(value["options"].items())),
            seed=value["seed"],
        )

    @property
    def told(self) -> dict[str, Any]:
        """The options by name."""
        return dict(self.options)


def grid(config: StudyConfig) -> list[Point]:
    """Every point of a study in mode "grid"; in mode "search" the bounds of what is tried.

    Raises:
        ConfigError: a method that is not told how much to prune, or what it cannot follow.
    """
    points = []
    for seed, model, method in itertools.product(
        config.study.seeds, config.model_names, config.space.methods
    ):
        table = config.methods.get(method, MethodTable())
        names = sorted(table.options)
        for values in itertools.product(*(table.options[name] for name in names)):
            options = tuple(zip(names, values, strict=True))
            points += [
                Point(model=model, method=method, amount=amount, options=options, seed=seed)
                for amount in _amounts(method, dict(options), config)
            ]
    points = list(dict.fromkeys(points))
    _check(points, config)
    return points


class Suggests(Protocol):
    """A trial of Optuna."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of several."""

    def suggest_float(self, name: str, low: float, high: float) -> float:
        """A number within bounds."""


def suggested(trial: Suggests, config: StudyConfig) -> Point:
    """The point that a sampler proposes: a method, an amount, the method's options."""

    def choose(name: str, values: Sequence[Any]) -> Any:
        return values[0] if len(values) == 1 else trial.suggest_categorical(name, values)

    method = choose("method", config.space.methods)
    table = config.methods.get(method, MethodTable())
    options = tuple(
        (name, choose(f"{method}.{name}", table.options[name])) for name in sorted(table.options)
    )
    amounts = _amounts(method, dict(options), config)
    amount = amounts[0]
    if amount is not None:
        kind = amount[0]
        values = [value for _, value in filter(None, amounts)]
        # Methods with amounts of their own have bounds of their own.
        name = f"{method}.{kind}" if _own_amounts(table) else kind
        if kind == "budget" or len(values) == 1:
            amount = kind, choose(name, values)
        else:
            numbers = [float(value) for value in values]
            proposed = trial.suggest_float(name, min(numbers), max(numbers))
            amount = kind, round(proposed, _DIGITS)
    return Point(
        model=next(iter(config.model_names)),
        method=method,
        amount=amount,
        options=options,
        seed=config.study.seeds[0],
    )


def prune_settings(point: Point, equal: EqualSection, whole: Whole) -> PruneSettings:
    """What `prune_model` is told for a point that prunes.

    Args:
        point: not of method "none".
        equal: what all points have in common.
        whole: the model's costs before.
    Raises:
        ConfigError: more steps than epochs, or a budget of no known form.
    """
    method, told = point.method, point.told
    kind, value = point.amount or ("", None)
    own = {name: told.pop(name) for name in list(told) if name in _own_options(method)}
    if method == BUDGET:
        method = told.pop("criterion", "l1")
    fields: dict[str, Any] = dict(told)
    if method == UNSTRUCTURED and value is not None:
        own["sparsity"] = value if kind == "ratio" else round(1 - float(value), 6)
    elif kind == "ratio":
        fields["ratio"] = value
        if method == "combined":
            own.setdefault("sparsity", value)
    elif kind == "budget":
        fields["budget"] = absolute_budget(str(value), whole)
    elif kind == "keep_params" and point.method in (BUDGET, "blockwise"):
        fields["budget"] = f"params={int(float(value or 0) * whole.params)}"
    elif kind == "keep_params":
        fields["keep_params"] = value
    epochs = _divide(point.method, own, equal.epochs)
    return PruneSettings(
        method=method,
        limits=limits_of(equal),
        ignore=equal.ignore,
        epochs=epochs,
        learning_rate=equal.learning_rate,
        batch=equal.batch,
        options=tuple(f"{name}={_toml(value)}" for name, value in sorted(own.items())),
        seed=point.seed,
        **fields,
    )


def limits_of(equal: EqualSection) -> Limits:
    """What holds for every pruning of the study."""
    return Limits(
        round_to=equal.round_to, min_channels=equal.min_channels, max_ratio=equal.max_ratio
    )


def absolute_budget(budget: str, whole: Whole) -> str:
    """A budget with its shares of MACs and parameters as numbers."""

    def number(match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]}{int(float(match[3]) / 100 * getattr(whole, match[1]))}"

    return re.sub(r"\b(macs|params)(\s*<?=\s*)([\d.]+)\s*%", number, budget)


def needs_board(budget: str) -> bool:
    """Whether a budget speaks of memory, which depends on the board's kernels and firmware."""
    return re.search(r"\b(ram|flash|arena)\b", budget) is not None


def amount_kinds(method: str) -> tuple[str, ...]:
    """What may say how much a method prunes; of several that are given, the first counts."""
    if method == NONE:
        return ()
    if method == BUDGET:
        return ("budget", "keep_params")
    if method in CRITERIA or method == UNSTRUCTURED:
        return ("ratio", "keep_params")
    if METHODS[method].budgets:
        return ("keep_params", "budget")
    return tuple(kind for kind in ("ratio", "keep_params") if kind in METHODS[method].common)


def _own_options(method: str) -> Mapping[str, type]:
    return METHODS[method].options if method in METHODS else {}


def _own_amounts(table: MethodTable) -> bool:
    return bool(table.ratios or table.keep_params or table.budgets)


def _amounts(
    method: str, options: Mapping[str, Any], config: StudyConfig
) -> list[tuple[str, float | str] | None]:
    """How much a method is to prune, one after the other.

    Raises:
        ConfigError: it is not told.
    """
    kinds = amount_kinds(method)
    table = config.methods.get(method, MethodTable())
    source = table if _own_amounts(table) else config.space
    for kind in kinds:
        values = getattr(source, _LISTS[kind])
        if values and not (method == UNSTRUCTURED and "sparsity" in options):
            return [(kind, value) for value in values]
    if not kinds or "sparsity" in options and method == UNSTRUCTURED:
        return [None]
    if method in METHODS and not METHODS[method].needs:
        # It has a measure of its own.
        return [None]
    lists = [_LISTS[kind] for kind in kinds]
    raise ConfigError(
        f"method {method}: expected {' or '.join(lists)} under [space] or [method.{method}], which "
        "say how much goes. Received: none. Write for example "
        f"{lists[0]} = {['macs=50%'] if lists[0] == 'budgets' else [0.5]}."
    )


def _divide(method: str, own: dict[str, Any], epochs: int) -> int:
    """Epochs for each step of a method; what it should know of them goes into `own`.

    Raises:
        ConfigError: more steps are asked for than there are epochs.
    """
    if not epochs:
        if method == "multistage":
            own.setdefault("ramp_epochs", 0)
        return 0
    for methods, name, default in (
        (("iterative", "magnitude"), "iterations", _ITERATIONS),
        (("multistage",), "stages", _STAGES),
    ):
        if method not in methods:
            continue
        steps = own.setdefault(name, min(default, epochs))
        if not 0 < steps <= epochs:
            raise ConfigError(
                f"method {method}: expected 1 to {epochs} {name}, for each takes one of the "
                f"equal.epochs at least. Received: {steps}. Give more epochs, or fewer {name}."
            )
        if name == "stages":
            own.setdefault("ramp_epochs", max(1, min(_RAMP_EPOCHS, epochs // steps // 2)))
        return epochs // int(steps)
    if method == "slimming":
        sparse = own.setdefault("sparsity_epochs", epochs // 2)
        if not 0 <= sparse <= epochs:
            raise ConfigError(
                f"method slimming: expected 0 to {epochs} sparsity_epochs, for they are among the "
                f"equal.epochs. Received: {sparse}. Give fewer."
            )
        return epochs - int(sparse)
    return epochs


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check(points: Sequence[Point], config: StudyConfig) -> None:
    """Refuse what no trial could do."""
    some = Whole(params=10**6, macs=10**6)
    for point in points:
        if point.method == NONE:
            continue
        try:
            check_settings(prune_settings(point, config.equal, some), has_data=True)
        except ConfigError as error:
            raise ConfigError(f"study: {point_text(point.to_dict())}: {error}") from error
