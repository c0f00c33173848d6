"""Prune a Keras model: by one of the methods, or to what a board has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.artifacts import cached_folder, hash_file
from pipeline.errors import DoesNotFitError
from pipeline.paths import cache_path
from pipeline.prune.budget import Budget, parse_budget, prune_to_budget
from pipeline.prune.facts import layer_facts, model_facts
from pipeline.prune.floor import prune_to_floor
from pipeline.prune.records import Cost, LayerFacts, MethodResult
from pipeline.records import Board
from pipeline.report.progress import Reporter
from pipeline.stages.costs import REFERENCE_BOARD, DeployedCost, estimated_cost
from pipeline.stages.keys import stage_key
from pipeline.stages.prune_methods import Job, PruneSettings, check_settings, run_method
from pipeline.stages.prune_table import METHODS, parse_options
from pipeline.stages.tuning import Tuning

if TYPE_CHECKING:
    from pipeline.data import Dataset, Split
    from pipeline.model.load import KerasModel
    from pipeline.model.train import TrainOptions

SCHEMA_VERSION = 1

# Builds of the whole search: the figures worked out are verified, and corrected if need be.
_VERIFICATIONS = 3
# Interrupted prunings whose states are kept to go on from.
_KEPT_PRUNINGS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """A pruned model and its report."""

    model: KerasModel = field(compare=False, repr=False)
    report: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write the model, whole or not at all; ConfigError where that is impossible."""
        from pipeline.model.load import write_model

        write_model(self.model, path)

    def check_fits(self) -> None:
        """Raise DoesNotFitError where a board was asked about and the model does not fit it."""
        deployed = self.report["deployed"]
        if deployed is not None and deployed["fits"] is False:
            raise DoesNotFitError(f"pruned, but it does not fit: {deployed['reason']}")


def prune_file(
    path: Path, settings: PruneSettings, data: str | None, board: Board | None, reporter: Reporter
) -> Pruned:
    """Prune a model of a file.

    Args:
        path: `.keras` or `.h5`.
        settings: how.
        data: labelled samples, as of [data] source; None for criteria that look at weights.
        board: see `prune_model`.
        reporter: told of everything.
    Raises:
        PipelineError: any; see `prune_model`.
    """
    from pipeline.data import SplitOptions, split_dataset
    from pipeline.model.load import read_model
    from pipeline.stages.deployment import data_section
    from pipeline.stages.learning import data_identity, load_samples

    check_settings(_with_board(settings, board), has_data=data is not None)
    reporter.headline("prune")
    with reporter.steps("reading the model"):
        model = read_model(path)
    if data is None:
        return prune_model(model, settings, None, board, reporter)
    with reporter.steps("looking for changes of the data"):
        identity = data_identity(data)
    key = stage_key(
        "prune",
        inputs={"model": hash_file(path), "data": identity},
        config={"settings": dataclasses.asdict(settings), "board": board and board.name},
        seed=settings.seed,
    )
    folder = cached_folder(cache_path() / "prune", key.digest, _KEPT_PRUNINGS)
    with folder.open(wait=True):
        section = data_section(data, tuple(model.inputs[0].shape[1:]), path)
        dataset = load_samples(section, settings.seed, reporter)
        with reporter.steps("looking for near-duplicates") as step:
            split = split_dataset(dataset, SplitOptions(seed=settings.seed), step)
        states = folder.state_path("prune", key)
        samples = dataset, split
        pruned = prune_model(model, settings, samples, board, reporter, states=states)
    folder.remove()
    return pruned


def prune_model(
    model: KerasModel,
    settings: PruneSettings,
    samples: tuple[Dataset, Split] | None,
    board: Board | None,
    reporter: Reporter,
    *,
    toolchain: str = "auto",
    recipe: TrainOptions | None = None,
    states: Path | None = None,
) -> Pruned:
    """Prune a model, fine-tune it, and report.

    The training samples score and fine-tune, by the validation samples everything is chosen,
    and the accuracies of the report are those on the test samples.

    Args:
        model: not changed.
        settings: how.
        samples: labelled ones with their sides; None for none.
        board: its memory is the budget where nothing else says how much goes, or another budget
            does; else the report says whether the pruned model fits. None for neither.
        reporter: told of everything.
        toolchain: for the firmware that costs are measured with.
        recipe, states: see `Tuning`.
    Raises:
        ConfigError: settings that make no sense.
        UnsupportedModelError: a model that cannot be followed or rebuilt.
        MismatchError: the proof failed.
        DoesNotFitError: a budget cannot be reached; which, and by how much.
    """
    settings = _with_board(settings, board)
    check_settings(settings, has_data=samples is not None)
    learning = (
        None
        if samples is None
        else Tuning(model, samples, settings, reporter, recipe=recipe, states=states)
    )
    job = Job(
        model=model,
        settings=settings,
        data=None if learning is None else learning.scoring,
        fine_tune=None if learning is None else learning.fine_tune,
        evaluate=None if learning is None else learning.validate,
        log=reporter.log,
    )
    deployed: dict[str, Any] | None = None
    with reporter.steps(f"pruning by {settings.method}"):
        if settings.budget:
            result, deployed = _to_budget(job, board, reporter, toolchain)
        elif settings.accuracy_floor is not None:
            result = _to_floor(job, settings.accuracy_floor)
        else:
            result = run_method(job)
    if board is not None and deployed is None:
        with reporter.steps("seeing whether it fits"):
            deployed = DeployedCost(board, reporter, toolchain=toolchain).fit(result.model)
    before = {} if learning is None else learning.test(model)
    after = {} if learning is None else learning.test(result.model)
    report = {
        **prune_report(result, job, before, after),
        "trained_epochs": 0 if learning is None else learning.trained_epochs,
        "deployed": deployed,
        "confusion": None
        if learning is None
        else {"before": learning.confusion(model), "after": learning.confusion(result.model)},
    }
    return Pruned(model=result.model, report=report)


def prune_report(
    result: MethodResult, job: Job, before: Mapping[str, float], after: Mapping[str, float]
) -> dict[str, Any]:
    """The JSON object of a pruned model; docs/pruning.md describes every key.

    Args:
        result: the method's.
        job: what it was asked for.
        before, after: metrics of both models; empty without data.
    """
    settings, plan = job.settings, result.plan
    groups = () if plan is None else zip(plan.groups, plan.keep, strict=True)
    return {
        "schema": SCHEMA_VERSION,
        "pipeline": __version__,
        "model": job.model.name,
        "method": settings.method,
        "criterion": job.criterion,
        "budget": settings.budget or None,
        "accuracy_floor": settings.accuracy_floor,
        "before": _facts(job.model, before),
        "after": _facts(result.model, after),
        "layers": _layers(job.model, result.model),
        "groups": [
            {
                "name": group.name,
                "members": [
                    {"layer": member.layer, "weight": member.weight, "axis": member.axis}
                    for member in group.members
                ],
                "channels": group.channels,
                "kept": list(keep),
            }
            for group, keep in groups
        ],
        "locked": [dataclasses.asdict(lock) for lock in result.locked],
        "shortfalls": [] if plan is None else [dataclasses.asdict(s) for s in plan.shortfalls],
        "steps": [
            {**dataclasses.asdict(step), "metrics": dict(step.metrics)} for step in result.steps
        ],
        "notes": list(result.notes),
        "max_abs_difference": result.max_abs_difference,
        "epochs": settings.epochs,
        "seed": result.seed,
    }


def _facts(model: KerasModel, metrics: Mapping[str, float]) -> dict[str, Any]:
    facts = dataclasses.asdict(model_facts(model, metrics.get("accuracy")))
    return {
        **facts,
        "balanced_accuracy": metrics.get("balanced_accuracy"),
        "average_precision": metrics.get("average_precision"),
    }


def _layers(before: KerasModel, after: KerasModel) -> list[dict[str, Any]]:
    """Layers with a kernel, before and after; those of the original that are gone have no after."""
    left = layer_facts(after)
    return [
        {
            "name": name,
            "kind": layer.kind,
            "before": _layer_costs(layer),
            "after": _layer_costs(left[name]) if name in left else None,
        }
        for name, layer in layer_facts(before).items()
    ]


def _layer_costs(layer: LayerFacts) -> dict[str, int | None]:
    return {"channels": layer.channels, "params": layer.params, "macs": layer.macs}


def _with_board(settings: PruneSettings, board: Board | None) -> PruneSettings:
    """The memory of a board is a budget where nothing but another budget says how much goes."""
    amounts = (settings.ratio, settings.keep_params, settings.accuracy_floor)
    if board is None or any(amount is not None for amount in amounts):
        return settings
    if settings.method in METHODS:
        method = METHODS[settings.method]
        given = parse_options(settings.method, settings.options)
        if "ram" not in method.budgets or any(name in given for name in method.amounts):
            return settings
    parsed = parse_budget(settings.budget) if settings.budget else Budget(limits={})
    limits = dict(parsed.limits)
    for name, memory in (("ram", board.ram_bytes), ("flash", board.flash_bytes)):
        if memory is not None:
            limits[name] = min(limits.get(name, memory), memory)
    parts = [f"{name}={limit}" for name, limit in limits.items()]
    if parsed.accuracy is not None:
        parts.append(f"accuracy>={parsed.accuracy:g}")
    return dataclasses.replace(settings, budget=",".join(parts))


def _to_budget(
    job: Job, board: Board | None, reporter: Reporter, toolchain: str
) -> tuple[MethodResult, dict[str, Any] | None]:
    from pipeline.device.board import load_board

    settings = job.settings
    wanted = parse_budget(settings.budget)

    def search(budget: Budget, cost: Cost) -> MethodResult:
        if settings.method in METHODS:
            return run_method(job, budget.limits, cost)
        return prune_to_budget(
            job.model,
            budget,
            cost=cost,
            criterion=job.criterion,
            reduction=settings.reduction,
            batch_norm=settings.batch_norm,
            limits=settings.limits,
            ignore=settings.ignore,
            data=job.data,
            seed=settings.seed,
            epochs=settings.epochs,
            fine_tune=job.fine_tune,
            evaluate=job.evaluate,
            log=job.log,
        )

    memory = {"ram", "flash"} & wanted.limits.keys()
    if not memory and "arena" not in wanted.limits:
        return search(wanted, estimated_cost(model_facts)), None
    cost = DeployedCost(
        board or load_board(REFERENCE_BOARD), reporter, toolchain=toolchain, measures=bool(memory)
    )
    if not memory:
        return search(wanted, cost), None
    budget = wanted
    for _ in range(_VERIFICATIONS):
        result = search(budget, cost)
        deployed = cost.verify(result.model)
        over = {
            name: deployed[f"{name}_bytes"] - wanted.limits[name]
            for name in memory
            if deployed[f"{name}_bytes"] > wanted.limits[name]
        }
        if not over:
            return result, {**deployed, "fits": True, "reason": ""}
        job.log(f"the real firmware is above the budget by {over}: searching again")
        budget = dataclasses.replace(
            budget,
            limits={n: limit - over.get(n, 0) for n, limit in budget.limits.items()},
        )
    raise DoesNotFitError(
        f"budget {settings.budget}: expected a firmware within it. Received: "
        f"{', '.join(f'{name} {count:,} bytes above' for name, count in over.items())} after "
        f"{_VERIFICATIONS} builds. Give a smaller budget."
    )


def _to_floor(job: Job, floor: float) -> MethodResult:
    settings = job.settings
    assert job.evaluate is not None
    return prune_to_floor(
        job.model,
        floor,
        evaluate=job.evaluate,
        fine_tune=job.fine_tune,
        epochs=settings.epochs,
        seed=settings.seed,
        log=job.log,
        criterion=job.criterion,
        scope=settings.scope,
        reduction=settings.reduction,
        normalization=settings.normalization,
        batch_norm=settings.batch_norm,
        limits=settings.limits,
        ignore=settings.ignore,
        data=job.data,
    )
