"""One trial: prune, fine-tune, evaluate; then convert and cost what came out."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import RunFolder, StageKey, hash_file, read_json, write_json
from pipeline.config import DataSection
from pipeline.errors import ConfigError, MissingToolError, PipelineError
from pipeline.prune.prune import prune_once
from pipeline.records import Board
from pipeline.report.progress import Reporter
from pipeline.stages.costs import DeployedCost, convert_stand_in
from pipeline.stages.keys import stage_key
from pipeline.stages.learning import data_identity, load_samples
from pipeline.stages.planning import plan_model
from pipeline.stages.prune_methods import PruneSettings
from pipeline.stages.pruning import prune_model
from pipeline.stages.quantizing import calibrate_by_default, compare_side
from pipeline.stages.subjects import data_section
from pipeline.stages.tuning import Tuning
from pipeline.study.config import NONE, StudyConfig
from pipeline.study.space import Point, Whole, limits_of, needs_board, prune_settings

if TYPE_CHECKING:
    from pipeline.data import Dataset, Split
    from pipeline.model.load import KerasModel

# More than any limits allow.
_NEARLY_ALL = 0.99
# Of a key, in names of folders.
_NAME_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model of a study, and samples as it takes them.

    Attributes:
        path: of its file.
        sha256: of its file.
        whole: its costs before pruning.
        samples: with their sides.
    """

    path: Path
    sha256: str
    whole: Whole
    samples: tuple[Dataset, Split] = field(compare=False, repr=False)


class Trials:
    """Does the trials of a study, each at most once.

    Args:
        config: of the study.
        folder: of the study; trials/ and costs/ lie there.
        reporter: told of what is loaded.
    Raises:
        PipelineError: a model or the data cannot be used.
    """

    def __init__(self, config: StudyConfig, folder: Path, reporter: Reporter) -> None:
        self._config, self._folder = config, RunFolder(folder)
        self._data_identity = data_identity(config.data.source)
        self._quiet = Reporter(quiet=True)
        self._overheads: dict[str, int] = {}
        # Once: sources that change while a study runs are not what it runs.
        self._bases = {kind: stage_key(kind, inputs={}, config={}) for kind in ("trial", "costs")}
        self._subjects = self._load(reporter)

    def _load(self, reporter: Reporter) -> dict[str, Subject]:
        from pipeline.model.load import read_model
        from pipeline.prune.facts import model_facts

        settings = self._config.data
        samples: dict[DataSection, tuple[Dataset, Split]] = {}
        subjects = {}
        for name, path in self._config.model_names.items():
            model = read_model(path)
            section = dataclasses.replace(
                data_section(settings.source, tuple(model.inputs[0].shape[1:]), path),
                fit=settings.fit,
                dtype=settings.dtype,
                validation=settings.validation,
                test=settings.test,
            )
            if section not in samples:
                samples[section] = self._divided(section, reporter)
            classes = len(samples[section][0].class_names)
            if classes != 2 and self._config.study.metric == "average_precision":
                raise ConfigError(
                    "study.metric: average_precision needs data of two classes. Received: "
                    f"{classes}. Use balanced_accuracy."
                )
            facts = model_facts(model)
            subjects[name] = Subject(
                path=path,
                sha256=hash_file(path),
                whole=Whole(params=facts.params, macs=facts.macs or 0),
                samples=samples[section],
            )
            # Data that does not fit shows now rather than in every trial.
            Tuning(model, samples[section], PruneSettings(), self._quiet)
        return subjects

    def _divided(self, section: DataSection, reporter: Reporter) -> tuple[Dataset, Split]:
        from pipeline.data import SplitOptions, split_dataset

        seed = self._config.data.seed
        dataset = load_samples(section, seed, reporter)
        options = SplitOptions(seed=seed, val=section.validation, test=section.test)
        with reporter.steps("looking for near-duplicates") as step:
            split = split_dataset(dataset, options, step)
        reporter.log(
            f"{len(split.train):,} samples to train, {len(split.val):,} to validate, "
            f"{len(split.test):,} to test"
        )
        return dataset, split

    def definition(self) -> dict[str, Any]:
        """What all trials of the study have in common, as a JSON object."""
        trial = self._trial_key("", {}, 0).to_dict()
        costs = self._costs_key("").to_dict()
        return {
            "models": {name: subject.sha256 for name, subject in self._subjects.items()},
            "data": {**trial["inputs"], **trial["config"]["data"]},
            "equal": trial["config"]["equal"],
            "costs": costs["config"],
            "code": [trial["code"], costs["code"]],
            "tools": {**trial["tools"], **costs["tools"]},
        }

    def wholes(self) -> dict[str, dict[str, int]]:
        """Costs of each model before pruning."""
        return {name: dataclasses.asdict(s.whole) for name, s in self._subjects.items()}

    def key(self, point: Point) -> StageKey:
        """Everything that a point's pruned model depends on."""
        values = point.to_dict()
        del values["model"]
        return self._trial_key(self._subjects[point.model].sha256, values, point.seed)

    def _trial_key(self, sha256: str, point: Mapping[str, Any], seed: int) -> StageKey:
        config = self._config
        data = dataclasses.asdict(config.data)
        # Its contents count, not its path.
        del data["source"]
        settings: dict[str, Any] = {
            "point": point,
            "data": data,
            "equal": dataclasses.asdict(config.equal),
        }
        kind, value = point.get("amount") or ("", "")
        if kind == "budget" and needs_board(value):
            settings["firmware"] = self._firmware()
        inputs = {"model": sha256, "data": self._data_identity}
        base = self._bases["trial"]
        return dataclasses.replace(base, inputs=inputs, config=settings, seed=seed)

    def _costs_key(self, sha256: str) -> StageKey:
        costs = self._config.costs
        # "params" and "macs" need no conversion, and are always known.
        settings: dict[str, Any] = {
            "arena": "arena" in costs.columns,
            "int8": costs.int8,
            "board": costs.board,
        }
        inputs = {"model": sha256}
        if "flash" in costs.columns:
            settings["firmware"] = self._firmware()
        if costs.int8:
            inputs["data"] = self._data_identity
            settings["data"] = dataclasses.asdict(self._config.data)
            del settings["data"]["source"]
        return dataclasses.replace(self._bases["costs"], inputs=inputs, config=settings)

    def _firmware(self) -> list[str]:
        from pipeline.build.toolchain import find_toolchain

        costs = self._config.costs
        return [costs.board, str(find_toolchain(self._board(), costs.toolchain))]

    def run(self, point: Point) -> dict[str, Any]:
        """Do what is not done yet of a trial; returns its record, docs/study.md.

        Raises:
            MissingToolError: this machine lacks what the trial needs. Every other
                PipelineError is a result, and in the record.
        """
        key = self.key(point)
        folder = self._make("trials", key, lambda out: self._train(point, out))
        record: dict[str, Any] = {
            "key": key.digest[:_NAME_DIGITS],
            "folder": str(folder.relative_to(self._folder.root)),
            "point": point.to_dict(),
        }
        if (folder / "failed.json").exists():
            return {**record, "status": "failed", **read_json(folder / "failed.json")}
        trained = read_json(folder / "trial.json")
        costs_key = self._costs_key(hash_file(folder / "model.keras"))
        costs_folder = self._make("costs", costs_key, lambda out: self._cost(point, folder, out))
        costs = read_json(costs_folder / "costs.json")
        if "error" in costs:
            return {**record, "status": "failed", **costs}
        return {
            **record,
            "costs_folder": str(costs_folder.relative_to(self._folder.root)),
            "status": "done",
            **trained,
            **costs,
            "seconds": round(trained["seconds"] + costs["seconds"], 3),
        }

    def _make(self, kind: str, key: StageKey, write: Callable[[Path], None]) -> Path:
        name = _stage(kind, key)
        if self._folder.is_current(name, key):
            return self._folder.stage_path(name)
        try:
            return self._folder.write_stage(name, key, write)
        except OSError:
            # Another worker, who took this one for dead, may have been the first to finish.
            if not self._folder.is_current(name, key):
                raise
            return self._folder.stage_path(name)

    def _train(self, point: Point, out: Path) -> None:
        from pipeline.model.load import write_model

        start = time.monotonic()
        try:
            model, trial, pruned = self._pruned(point)
        except MissingToolError:
            raise
        except PipelineError as error:
            write_json(out / "failed.json", _failure(error, start))
            return
        write_model(model, out / "model.keras")
        if pruned is not None:
            write_json(out / "prune.json", pruned)
        write_json(out / "trial.json", {**trial, "seconds": time.monotonic() - start})

    def _pruned(self, point: Point) -> tuple[KerasModel, dict[str, Any], dict[str, Any] | None]:
        """The fine-tuned model, what is known of it, and the report of its pruning."""
        from pipeline.model.load import read_model
        from pipeline.model.repeatable import start_afresh
        from pipeline.prune.facts import model_facts

        config, subject = self._config, self._subjects[point.model]
        start_afresh(point.seed)
        model = read_model(subject.path)
        pruned: dict[str, Any] | None = None
        if point.method == NONE:
            settings = PruneSettings(
                learning_rate=config.equal.learning_rate, batch=config.equal.batch, seed=point.seed
            )
        else:
            settings = prune_settings(point, config.equal, subject.whole)
            board = self._budget_board(settings)
            costs = config.costs
            result = prune_model(
                model, settings, subject.samples, board, self._quiet, toolchain=costs.toolchain
            )
            model, pruned = result.model, result.report
        spent = 0 if pruned is None else int(pruned["trained_epochs"])
        tuning = Tuning(model, subject.samples, settings, self._quiet)
        if spent < config.equal.epochs:
            model = tuning.fine_tune(model, config.equal.epochs - spent)
        facts = model_facts(model)
        trial = {
            "params": facts.params,
            "macs": facts.macs,
            "peak_activation_bytes": facts.peak_activation_bytes,
            "max_abs_difference": None if pruned is None else pruned["max_abs_difference"],
            "trained_epochs": spent + tuning.trained_epochs,
            "validation": tuning.validate(model),
            "test": tuning.test(model),
        }
        return model, trial, pruned

    def _budget_board(self, settings: PruneSettings) -> Board | None:
        return self._board() if needs_board(settings.budget) else None

    def _board(self) -> Board:
        from pipeline.device.board import load_board

        return load_board(self._config.costs.board)

    def _cost(self, point: Point, trial: Path, out: Path) -> None:
        start = time.monotonic()
        try:
            costs = self._costs(point, trial, out)
        except MissingToolError:
            raise
        except PipelineError as error:
            write_json(out / "costs.json", _failure(error, start))
            return
        write_json(out / "costs.json", {**costs, "seconds": time.monotonic() - start})

    def _costs(self, point: Point, trial: Path, out: Path) -> dict[str, Any]:
        from pipeline.model.load import read_model

        wanted = self._config.costs
        costs: dict[str, Any] = dict.fromkeys(("arena_bytes", "weights_bytes", "flash_bytes"))
        costs["int8"] = None
        if not (wanted.int8 or {"arena", "flash"} & set(wanted.columns)):
            return costs
        model = read_model(trial / "model.keras")
        if wanted.int8:
            tflite = out / "model.tflite"
            costs["int8"] = self._int8(point, model, tflite)
            plan = plan_model(tflite, self._board())
        else:
            with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
                tflite = Path(folder) / "model.tflite"
                tflite.write_bytes(convert_stand_in(model))
                # Which channels are constant depends on weights, and these are none of the model's.
                plan = plan_model(tflite, self._board(), keep_constant_channels=True)
        costs["arena_bytes"], costs["weights_bytes"] = plan.arena_bytes, plan.weights_bytes
        if "flash" in wanted.columns:
            costs["flash_bytes"] = plan.weights_bytes + self._overhead(point.model)
        return costs

    def _int8(self, point: Point, model: KerasModel, path: Path) -> dict[str, Any]:
        """Convert the trained weights; accuracies of the int8 model on both sides."""
        from pipeline.model.load import prepare_model

        samples = self._subjects[point.model].samples
        prepared = prepare_model(model, point.model)
        tflite = calibrate_by_default(prepared, samples, self._quiet)
        path.write_bytes(tflite)
        found = {}
        for name, side in (("validation", samples[1].val), ("test", samples[1].test)):
            accuracy = compare_side(prepared, tflite, samples, side, self._quiet).int8_accuracy
            found[name] = {"accuracy": accuracy.plain, "balanced_accuracy": accuracy.balanced}
        return found

    def _overhead(self, name: str) -> int:
        """Bytes of flash that firmware adds to a model.

        Measured on its narrowest form: that fits where the model itself does not, and is the
        same whichever trial comes first.
        """
        from pipeline.model.load import read_model

        if name not in self._overheads:
            costs, equal = self._config.costs, self._config.equal
            narrowest = prune_once(
                read_model(self._subjects[name].path),
                ratio=_NEARLY_ALL,
                limits=limits_of(equal),
                ignore=equal.ignore,
            )
            cost = DeployedCost(self._board(), self._quiet, toolchain=costs.toolchain)
            cost(narrowest.model)
            assert cost.overhead is not None
            self._overheads[name] = cost.overhead.flash_bytes
        return self._overheads[name]


def _stage(kind: str, key: StageKey) -> str:
    return f"{kind}/{key.digest[:_NAME_DIGITS]}"


def _failure(error: PipelineError, start: float) -> dict[str, Any]:
    return {
        "error": type(error).__name__,
        "reason": str(error),
        "seconds": time.monotonic() - start,
    }
