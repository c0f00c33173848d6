"""The stages of a run.toml from data to a .tflite."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from pipeline.artifacts import hash_file, hash_tree, write_json
from pipeline.config import SYNTHETIC, DataSection, RunConfig
from pipeline.errors import ConfigError
from pipeline.quantize.settings import EdgeType, EdgeTypes, PtqSettings
from pipeline.report.progress import Reporter
from pipeline.stages.firmware import Stages
from pipeline.stages.keys import stage_key
from pipeline.stages.prune_methods import Limits, PruneSettings, planned_epochs
from pipeline.stages.quantizing import (
    QuantizeSettings,
    flash_budget,
    quantize_loaded,
    tell_quantized,
)
from pipeline.stages.subjects import FEWEST

if TYPE_CHECKING:
    from pipeline.data import Dataset, Split
    from pipeline.model.load import LoadedModel
    from pipeline.model.train import TrainOptions, TrainResult
    from pipeline.training.report import EpochReport

_CLASSES_SHOWN = 12


class Learning:
    """The stages of a run.toml up to a .tflite.

    Args:
        config: of the run.
        stages: of its run folder.
    """

    def __init__(self, config: RunConfig, stages: Stages) -> None:
        self.config = config
        self.stages = stages
        self.reporter = stages.reporter

    @cached_property
    def data(self) -> tuple[Dataset, Split]:
        """The samples and their sides; loaded when the first stage needs them."""
        from pipeline.data import SplitOptions, split_dataset

        settings, seed = self.config.data, self.config.run.seed
        dataset = load_samples(settings, seed, self.reporter)
        options = SplitOptions(seed=seed, val=settings.validation, test=settings.test)
        with self.reporter.steps("looking for near-duplicates") as step:
            split = split_dataset(dataset, options, step)
        self.reporter.log(
            f"{len(split.train):,} samples to train, {len(split.val):,} to validate, "
            f"{len(split.test):,} to test; {split.num_groups:,} groups of near-duplicates, the "
            f"largest of {split.largest_group:,}; {split.left_out:,} left out"
        )
        return dataset, split

    @cached_property
    def data_hash(self) -> str:
        """What the data is, for manifests."""
        with self.reporter.steps("looking for changes of the data"):
            return data_identity(self.config.data.source)

    def train(self) -> Path:
        """Train the model; returns the folder with model.keras and facts.json."""
        config = self.config
        inputs = {"data": self.data_hash}
        if config.model.init:
            inputs["init"] = _hash_existing(Path(config.model.init), "model.init")
        sections = config.to_dict()
        settings = {name: dict(sections[name]) for name in ("data", "model", "train")}
        # Their contents count, not their paths.
        del settings["data"]["source"], settings["model"]["init"]
        key = stage_key("train", inputs=inputs, config=settings, seed=config.run.seed)

        def write(out: Path) -> None:
            from pipeline.model.load import save_model

            self._check_enough()
            start = self._start_model()
            state_path = self.stages.folder.state_path("train", key) / "state.npz"
            result = self._fit(start, state_path)
            save_model(start.model, start.scaling, out / "model.keras")
            write_json(out / "facts.json", self._train_facts(start, result))

        return self.stages.make("train", key, write)

    def prune(self, trained: Path) -> Path:
        """Prune the trained model; returns the folder with model.keras and facts.json.

        facts.json is the JSON object of `espalier prune`.
        """
        config, target = self.config, self.stages.target
        model_path = trained / "model.keras"
        sections = config.to_dict()
        settings = {name: dict(sections[name]) for name in ("data", "train", "prune")}
        del settings["data"]["source"]
        del settings["train"]["patience"]
        settings["model"] = {"fresh": not config.model.init}
        if config.prune.budget:
            settings["deploy"] = {"board": target.board.name, "toolchain": target.toolchain}
        key = stage_key(
            "prune",
            inputs={"model": hash_file(model_path), "data": self.data_hash},
            config=settings,
            seed=config.run.seed,
        )

        def write(out: Path) -> None:
            from pipeline.model.load import read_model
            from pipeline.stages.pruning import prune_model

            pruned = prune_model(
                read_model(model_path),
                self._prune_settings(),
                self.data,
                target.board if config.prune.budget else None,
                self.reporter,
                toolchain=target.toolchain,
                recipe=self._train_options(),
                states=self.stages.folder.state_path("prune", key),
            )
            pruned.write(out / "model.keras")
            write_json(out / "facts.json", pruned.report)

        return self.stages.make("prune", key, write)

    def quantize(self, trained: Path) -> Path:
        """Quantize the trained or pruned model.

        Returns:
            The folder with model.tflite, facts.json and golden.npz: the test samples as the
            model takes them (x), their labels (y) and names.
        """
        config = self.config
        model_path = trained / "model.keras"
        sections = config.to_dict()
        settings = {name: dict(sections[name]) for name in ("data", "quantize")}
        # The gate is applied to what is made, and changes nothing in it.
        del settings["data"]["source"], settings["quantize"]["max_drop"]
        if config.quantize.flash:
            target = self.stages.target
            settings["deploy"] = {"board": target.board.name, "toolchain": target.toolchain}
        key = stage_key(
            "quantize",
            inputs={"model": hash_file(model_path), "data": self.data_hash},
            config=settings,
            seed=config.run.seed,
        )

        def write(out: Path) -> None:
            from pipeline.model.load import load_model

            quantized = quantize_loaded(
                load_model(model_path),
                self.data,
                quantize_settings(config),
                self.reporter,
                states=self.stages.folder.state_path("quantize", key),
            )
            quantized.write(out / "model.tflite")
            write_json(out / "facts.json", quantized.facts)
            golden: dict[str, Any] = dict(quantized.golden)
            np.savez(out / "golden.npz", **golden)
            tell_quantized(quantized.facts, self.reporter.log)

        return self.stages.make("quantize", key, write)

    def _check_enough(self) -> None:
        """Refuse before the training what could not be quantized after it."""
        dataset, split = self.data
        if len(split.train) < FEWEST:
            raise ConfigError(
                f"data: expected at least {FEWEST} samples to train and calibrate with. Received: "
                f"{len(split.train)} of {len(dataset.ids)}; the others validate and test. Give "
                "more data."
            )

    def _start_model(self) -> LoadedModel:
        """The model before training: the builder's, or the one of `init`."""
        from pipeline.model.build import build_model
        from pipeline.model.load import LoadedModel, load_initial
        from pipeline.quiet import import_tensorflow
        from pipeline.samples import DEFAULT_SCALING

        settings = self.config.model
        dataset, _ = self.data
        shape, num_classes = dataset.x.shape[1:], len(dataset.class_names)
        with self.reporter.steps("starting TensorFlow"):
            import_tensorflow()
        if settings.init:
            start = load_initial(Path(settings.init), shape, num_classes)
            for note in start.notes:
                self.reporter.log(note)
            return start
        model = build_model(
            settings.architecture,
            shape,
            num_classes,
            alpha=settings.alpha or None,
            seed=self.config.run.seed,
        )
        return LoadedModel(model=model, scaling=DEFAULT_SCALING, notes=())

    def _fit(self, start: LoadedModel, state_path: Path) -> TrainResult:
        from pipeline.model.train import train_model

        dataset, split = self.data
        with self.reporter.steps("training") as step:
            return train_model(
                start.model,
                (dataset.x[split.train], dataset.y[split.train]),
                (dataset.x[split.val], dataset.y[split.val]),
                self._train_options(),
                scaling=start.scaling,
                state_path=state_path,
                on_epoch=self._tell_epoch,
                on_progress=step,
                log=self.reporter.log,
            )

    def _train_options(self) -> TrainOptions:
        from pipeline.model.train import FRESH, TRANSFER

        settings = self.config.train
        recipe = TRANSFER if self.config.model.init else FRESH
        return dataclasses.replace(
            recipe,
            epochs=settings.epochs,
            batch_size=settings.batch or recipe.batch_size,
            learning_rate=settings.learning_rate or recipe.learning_rate,
            warmup_epochs=settings.warmup_epochs,
            weight_decay=settings.weight_decay,
            label_smoothing=settings.label_smoothing,
            patience=settings.patience,
            seed=self.config.run.seed,
            augment=recipe.augment if settings.augment else None,
        )

    def _prune_settings(self) -> PruneSettings:
        """The [prune] section, with as many epochs as there are samples for."""
        from pipeline.model.train import num_epochs

        settings = prune_settings(self.config)
        if settings.epochs:
            return settings
        _, split = self.data
        epochs = num_epochs(self._train_options(), len(split.train)) // 2
        rounds = planned_epochs(dataclasses.replace(settings, epochs=1)) or 1
        return dataclasses.replace(settings, epochs=max(1, epochs // rounds))

    def _train_facts(self, start: LoadedModel, result: TrainResult) -> dict[str, Any]:
        from pipeline.model.facts import model_facts

        dataset, split = self.data
        return {
            **dataclasses.asdict(model_facts(start.model)),
            "classes": list(dataset.class_names),
            "samples": {
                "train": len(split.train),
                "validation": len(split.val),
                "test": len(split.test),
                "left_out": split.left_out,
                "unreadable": len(dataset.skipped),
            },
            "best_epoch": result.best_epoch,
            "history": [dataclasses.asdict(report) for report in result.history],
        }

    def _tell_epoch(self, report: EpochReport) -> None:
        epoch = f"epoch {report.epoch} of {report.epochs}"
        self.reporter.reached(epoch)
        self.reporter.log(
            f"{epoch}: loss {report.train_loss:.3f}, validation "
            f"loss {report.val_loss:.3f}, balanced accuracy {report.val_balanced_accuracy:.2%}"
            f"{' *' if report.best else ''}"
        )


def prune_settings(config: RunConfig) -> PruneSettings:
    """The [prune] section as pruning takes it; a 0 there is nothing here."""
    section = config.prune
    return PruneSettings(
        method=section.method,
        ratio=section.ratio or None,
        keep_params=section.keep_params or None,
        budget=section.budget,
        accuracy_floor=section.accuracy_floor or None,
        criterion=section.criterion,
        scope=section.scope,
        limits=Limits(
            round_to=section.round_to,
            min_channels=section.min_channels,
            max_ratio=section.max_ratio,
        ),
        ignore=section.ignore,
        epochs=section.epochs,
        learning_rate=section.learning_rate,
        options=section.options,
        seed=config.run.seed,
    )


def quantize_settings(config: RunConfig) -> QuantizeSettings:
    """The [quantize] section as quantizing takes it.

    Raises:
        ConfigError: quantize.flash is no size.
    """
    section = config.quantize
    return QuantizeSettings(
        method=section.method,
        samples=section.samples,
        ptq=PtqSettings(
            calibration=section.calibration,
            equalize=section.equalize,
            correct_bias=section.correct_bias,
        ),
        edges=EdgeTypes(
            input=cast("EdgeType", section.input_type),
            output=cast("EdgeType", section.output_type),
        ),
        epochs=section.epochs,
        learning_rate=section.learning_rate,
        flash_bytes=flash_budget(section.flash),
        board=config.deploy.board,
        toolchain=config.deploy.toolchain,
        seed=config.run.seed,
    )


def load_samples(settings: DataSection, seed: int, reporter: Reporter) -> Dataset:
    """Load the samples of a [data] section, and tell how many there are of each class.

    Raises:
        ConfigError: the source fits no form, or its contents are wrong.
    """
    from pipeline.data import load_dataset

    size = settings.size
    with reporter.steps("reading data") as step:
        dataset = load_dataset(
            settings.source,
            (size[0], size[-1]),
            settings.fit,
            seed=seed,
            channels=settings.channels,
            tensor_shape=settings.shape or None,
            tensor_dtype=settings.dtype,
            on_progress=step,
        )
    counts = list(zip(dataset.class_names, dataset.class_counts, strict=True))
    listed = ", ".join(f"{name} {count:,}" for name, count in counts[:_CLASSES_SHOWN])
    more = f" and {len(counts) - _CLASSES_SHOWN} more" if len(counts) > _CLASSES_SHOWN else ""
    reporter.log(f"{len(dataset.ids):,} samples: {listed}{more}")
    if dataset.skipped:
        reporter.log(f"skipped {len(dataset.skipped)} unreadable files:")
        for name, reason in dataset.skipped[:_CLASSES_SHOWN]:
            reporter.log(f"  {name}: {reason}")
    return dataset


def data_identity(source: str) -> str:
    """What data is, for manifests: a hash of its files, or the words that make it."""
    if source.split(":")[0] == SYNTHETIC:
        return source
    return _hash_existing(Path(source), "data.source")


def _hash_existing(path: Path, what: str) -> str:
    if not path.exists():
        raise ConfigError(
            f"{what}: expected a file or folder. Received: no {path}. Check the path."
        )
    return hash_tree(path)
