"""Reading a STUDY.toml into a StudyConfig, as strictly as a run.toml."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config import SYNTHETIC
from pipeline.errors import ConfigError
from pipeline.prune.criteria.base import BATCH_NORM, NORMALIZATIONS, REDUCTIONS
from pipeline.prune.criteria.table import CRITERIA
from pipeline.prune.select import SCOPES
from pipeline.stages.prune_methods import METHODS
from pipeline.strict_toml import (
    check_known,
    checked_table,
    load_sections,
    parse_override,
    read_tables,
    setting,
)

EXAMPLE = "examples/studies/synthetic.toml"

# Methods of a study besides those of `espalier prune`: the model as it is, and the search for
# the most important channels within a budget.
NONE, BUDGET = "none", "budget"
STUDY_METHODS = (NONE, *CRITERIA, *METHODS, BUDGET)

COSTS = ("params", "macs", "arena", "flash")
METRICS = ("accuracy", "balanced_accuracy", "average_precision")

_CHOICES: dict[str, Iterable[str]] = {
    "criterion": CRITERIA,
    "scope": SCOPES,
    "reduction": REDUCTIONS,
    "normalization": NORMALIZATIONS,
    "batch_norm": BATCH_NORM,
}
_OPTION_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
_METHOD = "method"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySection:
    """[study]: what kind of study it is.

    Attributes:
        name: of the folder runs/study-NAME and of the queue; "" is the file's.
        mode: "grid" tries everything of [space], "search" what an optimizer proposes.
        seeds: of pruning and fine-tuning; each point of the space is tried with each.
        metric: on the validation samples, that points are chosen by.
        storage: the queue: "" is an SQLite file in the study's folder, else the URL of a
            PostgreSQL server, "postgresql+psycopg://user@host/database".
        heartbeat_s: seconds between signs of life of a running trial; after four of them
            without one, its worker counts as dead.
    """

    name: str = setting("")
    mode: str = setting("grid", choices=("grid", "search"))
    seeds: tuple[int, ...] = setting((0,), minimum=0, maximum=2**31 - 1)
    metric: str = setting("accuracy", choices=METRICS)
    storage: str = setting("")
    heartbeat_s: int = setting(30, minimum=1, maximum=3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSection:
    """[model]: what is pruned.

    Attributes:
        files: .keras or .h5 files, each of another name.
    """

    files: tuple[str, ...] = setting((), path=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSection:
    """[data]: as of a run.toml; sizes and channels are those that the models take.

    Attributes:
        source, fit, dtype, validation, test: see pipeline/config.py.
        seed: of the division into training, validation and test samples. That of the run
            which trained the model keeps the samples that it has seen out of the test.
    """

    source: str = setting(SYNTHETIC, path=True, words=(SYNTHETIC,))
    fit: str = setting("crop", choices=("crop", "fit"))
    dtype: str = setting("int8", choices=("int8", "uint8", "float32"))
    validation: float = setting(0.15, minimum=0.01, maximum=0.5)
    test: float = setting(0.2, minimum=0.01, maximum=0.5)
    seed: int = setting(1, minimum=0, maximum=2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualSection:
    """[equal]: what all trials have in common.

    Attributes:
        epochs: of fine-tuning in all, whatever the number of steps; see pipeline/study/space.py.
        learning_rate: the highest.
        batch: samples a step.
        threads: of a trial; other numbers round otherwise.
        round_to, min_channels, max_ratio, ignore: as of [prune] in a run.toml.
    """

    epochs: int = setting(8, minimum=0, maximum=10_000)
    learning_rate: float = setting(0.001, minimum=1e-8, maximum=1.0)
    batch: int = setting(32, minimum=2, maximum=4096)
    threads: int = setting(2, minimum=1, maximum=256)
    round_to: int = setting(4, minimum=1, maximum=1024)
    min_channels: int = setting(4, minimum=1, maximum=100_000)
    max_ratio: float = setting(0.9, minimum=0.0, maximum=0.99)
    ignore: tuple[str, ...] = setting(())


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceSection:
    """[space]: methods, and how much each prunes.

    Attributes:
        methods: criteria, methods of several steps, "budget", and "none" for the model as it is.
        ratios: shares of channels that go.
        keep_params: instead of ratios the shares of parameters that stay.
        budgets: of the methods that follow one, each as of `espalier prune --budget`, where
            macs and params may be shares of the model's: "macs=50%".
    """

    methods: tuple[str, ...] = setting((NONE, "l1"), choices=STUDY_METHODS)
    ratios: tuple[float, ...] = setting((), minimum=0.0, maximum=0.99)
    keep_params: tuple[float, ...] = setting((), minimum=0.001, maximum=0.999)
    budgets: tuple[str, ...] = setting(())


@dataclass(frozen=True, slots=True, kw_only=True)
class CostsSection:
    """[costs]: what is worked out for each pruned model.

    Attributes:
        columns: "arena" takes a conversion to int8 and a memory plan, "flash" also one build.
        int8: convert the trained weights, and evaluate the int8 model too.
        board, toolchain: whose kernels the memory plan and budgets are of, and of the build.
    """

    columns: tuple[str, ...] = setting(("params", "macs", "arena"), choices=COSTS)
    int8: bool = setting(False)
    board: str = setting("mps2_an386")
    toolchain: str = setting("auto", choices=("auto", "gcc", "zig"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSection:
    """[search]: of mode "search".

    Attributes:
        trials: in all, over all workers.
        objectives: costs that are minimized, beside the metric that is maximized.
        sampler: "nsga2", a genetic algorithm, or "tpe", a model of what did well.
        population: of nsga2.
        seed: of the sampler.
    """

    trials: int = setting(50, minimum=1, maximum=1_000_000)
    objectives: tuple[str, ...] = setting(("arena", "macs"), choices=COSTS)
    sampler: str = setting("nsga2", choices=("nsga2", "tpe"))
    population: int = setting(20, minimum=2, maximum=10_000)
    seed: int = setting(0, minimum=0, maximum=2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodTable:
    """[method.NAME]: what one method is told.

    Attributes:
        ratios, keep_params, budgets: instead of those of [space]; all empty for these.
        options: values to try of each option, by name.
    """

    ratios: tuple[float, ...] = ()
    keep_params: tuple[float, ...] = ()
    budgets: tuple[str, ...] = ()
    options: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyConfig:
    """A STUDY.toml: one record per section."""

    study: StudySection = field(default_factory=StudySection)
    model: ModelSection = field(default_factory=ModelSection)
    data: DataSection = field(default_factory=DataSection)
    equal: EqualSection = field(default_factory=EqualSection)
    space: SpaceSection = field(default_factory=SpaceSection)
    costs: CostsSection = field(default_factory=CostsSection)
    search: SearchSection = field(default_factory=SearchSection)
    methods: Mapping[str, MethodTable] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Sections as plain dictionaries, without the storage, whose URL may hold a password."""
        sections = dataclasses.asdict(self)
        del sections["study"]["storage"]
        return sections

    @property
    def model_names(self) -> dict[str, Path]:
        """The model files by the names that trials call them."""
        return {Path(file).stem: Path(file) for file in self.model.files}


SECTIONS: dict[str, type] = {
    "study": StudySection,
    "model": ModelSection,
    "data": DataSection,
    "equal": EqualSection,
    "space": SpaceSection,
    "costs": CostsSection,
    "search": SearchSection,
}


def load_study(path: Path, overrides: Iterable[str] = ()) -> StudyConfig:
    """Read a STUDY.toml.

    Args:
        path: the file. Relative paths in it are relative to its folder.
        overrides: "section.key=value" or "method.NAME.key=value", as of `load_config`.
    Raises:
        ConfigError: the file cannot be read, or a section, key or value is wrong.
    """
    tables = read_tables(path, EXAMPLE)
    known = (*SECTIONS, _METHOD)
    for name in tables:
        check_known(name, known, f"{path}: unknown section [{name}]")
    methods = tables.pop(_METHOD, {})
    if not isinstance(methods, dict):
        raise ConfigError(
            f"{path}: {_METHOD} must be sections such as [{_METHOD}.taylor]. Received: {methods!r}"
        )
    plain = []
    for override in overrides:
        section, key, raw = parse_override(override, known)
        if section == _METHOD:
            _override_method(methods, key, raw, override)
        else:
            plain.append(override)
    records = load_sections(tables, SECTIONS, path, plain)
    parsed = {name: _method_table(name, table, path) for name, table in methods.items()}
    config = StudyConfig(**records, methods=parsed)
    if not config.study.name:
        named = dataclasses.replace(config.study, name=path.stem)
        config = dataclasses.replace(config, study=named)
    _check_together(config, str(path))
    return config


def option_kinds(method: str) -> dict[str, type]:
    """Options that a method of a study takes, and their types."""
    if method == NONE:
        return {}
    if method == BUDGET:
        return dict.fromkeys(("criterion", "reduction", "batch_norm"), str)
    if method in CRITERIA:
        return dict.fromkeys(("scope", "reduction", "normalization", "batch_norm"), str)
    common = METHODS[method].common
    kinds: dict[str, type] = {name: str for name in ("criterion", "reduction") if name in common}
    own = METHODS[method].options
    # A point is told what can be compared.
    return kinds | {name: kind for name, kind in own.items() if kind in _OPTION_WORDS}


def _override_method(methods: dict[str, Any], dotted: str, raw: str, override: str) -> None:
    name, dot, key = dotted.rpartition(".")
    if not (name and dot and key):
        raise ConfigError(f"--set takes {_METHOD}.NAME.key=value. Received: {override!r}")
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    methods.setdefault(name, {})[key] = value


def _method_table(name: str, table: Any, path: Path) -> MethodTable:
    """One [method.NAME], checked."""
    place = f"{path}: [{_METHOD}.{name}]"
    check_known(name, STUDY_METHODS, f"{place}: unknown method")
    if not isinstance(table, dict):
        raise ConfigError(f"{place} must be a section. Received: {table!r}")
    kinds = option_kinds(name)
    amounts: dict[str, Any] = {}
    options: dict[str, tuple[Any, ...]] = {}
    for key, value in table.items():
        amount_keys = ("ratios", "keep_params", "budgets")
        keys = (*amount_keys, *kinds)
        check_known(key, keys, f"{place}: unknown key {key}; there are {', '.join(keys)}")
        if key in amount_keys:
            amounts[key] = value
            continue
        values = value if isinstance(value, list) else [value]
        options[key] = tuple(_option(one, kinds[key], f"{place}: {key}") for one in values)
        if kinds[key] is str and key in _CHOICES and not name.startswith("magnitude-"):
            for one in options[key]:
                check_known(one, _CHOICES[key], f"{place}: {key}: no such value {one!r}")
    section = f"{_METHOD}.{name}"
    checked = checked_table(SpaceSection, amounts, section, str(path), path.resolve().parent)
    return MethodTable(**checked, options=options)


def _option(value: Any, kind: type, place: str) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{place} must be {_OPTION_WORDS[kind]}. Received: {value!r}")
    return value


def _check_together(config: StudyConfig, place: str) -> None:
    """What no single key can tell."""
    name = config.study.name
    if name.startswith(".") or "/" in name or "\\" in name:
        raise ConfigError(f"{place}: study.name must be a plain folder name. Received: {name!r}")
    if not config.model.files:
        raise ConfigError(
            f"{place}: model.files needs a .keras file. Received: none. Write it under [model], or "
            "give --model."
        )
    if len(config.model_names) < len(config.model.files):
        raise ConfigError(
            f"{place}: model.files need names of their own, for the results are listed by them. "
            f"Received: {', '.join(Path(file).stem for file in config.model.files)}"
        )
    if config.data.validation + config.data.test > 0.8:
        raise ConfigError(
            f"{place}: data.validation + data.test must leave at least 0.2 for training. Received: "
            f"{config.data.validation + config.data.test:g} together"
        )
    owners: tuple[SpaceSection | MethodTable, ...] = (config.space, *config.methods.values())
    for owner in owners:
        if owner.ratios and owner.keep_params:
            raise ConfigError(
                f"{place}: expected one of ratios and keep_params. Received: both. Leave one out."
            )
    unused = sorted(set(config.methods) - set(config.space.methods))
    if unused:
        raise ConfigError(
            f"{place}: [{_METHOD}.{unused[0]}] belongs to no method of space.methods. Received: "
            f"{', '.join(config.space.methods)}. Add it there, or leave the section out."
        )
    storage = config.study.storage
    if storage and not storage.startswith("postgresql+psycopg://"):
        raise ConfigError(
            f"{place}: study.storage must be empty or postgresql+psycopg://USER@HOST/DATABASE. "
            f"Received: {storage.partition('://')[0]!r}"
        )
    if config.study.mode == "search":
        _check_search(config, place)


def _check_search(config: StudyConfig, place: str) -> None:
    if len(config.study.seeds) > 1 or len(config.model.files) > 1:
        raise ConfigError(
            f"{place}: a search takes one model and one seed. Received: {len(config.model.files)} "
            f"models, {len(config.study.seeds)} seeds. Try what it finds with more in a grid."
        )
    missing = set(config.search.objectives) - set(config.costs.columns)
    if missing:
        raise ConfigError(
            f"{place}: search.objectives must be among costs.columns. Received: "
            f"{', '.join(sorted(missing))} too. Add it to columns."
        )
