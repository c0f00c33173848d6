"""From data and a board to a run.toml that `espalier run` takes as it is."""

from __future__ import annotations

import dataclasses
import math
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import (
    SECTIONS,
    SYNTHETIC,
    DataSection,
    DeploySection,
    ModelSection,
    PruneSection,
    RunConfig,
    RunSection,
    check_together,
    load_config,
)
from pipeline.config_text import config_text
from pipeline.data.load import DEFAULT_SYNTHETIC, synthetic_count
from pipeline.data.survey import Survey, survey_data
from pipeline.device.board import load_board
from pipeline.errors import ConfigError
from pipeline.model.build import check_architecture
from pipeline.prune.budget import parse_budget
from pipeline.records import Board
from pipeline.report.progress import Reporter
from pipeline.stages.costs import REFERENCE_BOARD
from pipeline.stages.running import check_run
from pipeline.strict_toml import load_sections

# The side of pictures unless they are smaller themselves: where a person is still to be seen, and
# the memory of a small board is enough.
_SIDE = 80
_LEAST_SIDE = 8
# The width of the MobileNets that fits boards of 256 KiB.
_ALPHA = 0.25
# How pruning scores channels, and what goes where nothing else says how much.
_METHOD, _SCOPE, _KEEP_PARAMS = "taylor", "global", 0.5
# Drawn pictures cost nothing, so that smaller shares of them say enough.
_DRAWN_VALIDATION, _DRAWN_TEST = 0.08, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user asks for; None leaves it to the data and the board.

    Attributes:
        data: as of data.source.
        size: (height, width) of pictures, or one side.
        channels: of pictures.
        board: where the model is to end up.
        budget: as of prune.budget; "none" prunes a share of the channels instead.
        architecture: name of a builder.
        init_weights: a .keras file.
        name: of the run.
        overrides: "section.key=value"; they win over everything else.
    """

    data: str | None = None
    size: tuple[int, ...] | None = None
    channels: int | None = None
    board: str | None = None
    budget: str | None = None
    architecture: str | None = None
    init_weights: str | None = None
    name: str | None = None
    overrides: tuple[str, ...] = ()

    @property
    def board_name(self) -> str:
        """The board, or that of a run that says none."""
        return self.board or DeploySection().board


def check_wishes(wishes: Wishes, path: Path) -> None:
    """Refuse what no data could make right, before the data is looked at.

    Args:
        wishes: some of them may still be asked for.
        path: of the run.toml that is to be written.
    Raises:
        ConfigError: a wish that cannot be fulfilled, or no folder for the file.
    """
    if not path.resolve().parent.is_dir():
        raise ConfigError(
            f"{path}: expected a folder that is there. Received: no {path.parent}. Make it first, "
            "or choose another."
        )
    load_board(wishes.board_name)
    if wishes.budget not in (None, "none"):
        parse_budget(wishes.budget)
    if wishes.architecture is not None:
        check_architecture(wishes.architecture)
    if wishes.init_weights and not Path(_absolute(wishes.init_weights)).is_file():
        raise ConfigError(
            f"--init-weights: expected a .keras file. Received: no {wishes.init_weights}. Check "
            "the path, or leave it out for random weights."
        )
    _overridden(RunConfig(), wishes.overrides)


def survey_samples(spec: str | None, reporter: Reporter) -> Survey:
    """Look at the data of a new run, and tell what there is.

    Args:
        spec: as of data.source; None is the drawn pictures.
        reporter: told what was found.
    """
    spec = spec or f"{SYNTHETIC}:{DEFAULT_SYNTHETIC}"
    if spec.split(":")[0] == SYNTHETIC:
        # Drawing them only to count them would take seconds.
        count = synthetic_count(spec)
        classes = (("no_person", count - count // 2), ("person", count // 2))
        return Survey(spec=spec, classes=classes, shape=(), channels=3)
    with reporter.steps("looking at the data") as step:
        survey = survey_data(spec, step)
    for line in (*_facts(survey), *(f"warning: {text}" for text in survey.warnings())):
        reporter.log(line)
    return survey


def suggested_size(survey: Survey) -> tuple[int, ...]:
    """The side that pictures are brought to: never more than the usual one of them has."""
    if not survey.are_pictures or not survey.shape:
        return (_SIDE,)
    return (min(_SIDE, max(_LEAST_SIDE, min(survey.shape))),)


def suggested_budget(board: Board) -> str:
    """All that a board has; "" where it has no limits."""
    parts = []
    for name, limit in (("ram", board.ram_bytes), ("flash", board.flash_bytes)):
        if limit is not None:
            parts.append(f"{name}={_bytes_text(limit)}")
    return ",".join(parts)


def new_config(wishes: Wishes, survey: Survey) -> RunConfig:
    """The run that the wishes ask for.

    Raises:
        ConfigError: a wish that cannot be fulfilled.
    """
    board = load_board(wishes.board_name)
    budget = wishes.budget or suggested_budget(board)
    if budget == "none":
        budget = ""
    elif budget:
        parse_budget(budget)
    source = survey.spec
    drawn = source.split(":")[0] == SYNTHETIC
    architecture = wishes.architecture or _architecture(survey)
    config = RunConfig(
        run=RunSection(name=wishes.name or run_name(source)),
        data=DataSection(
            source=source if drawn else _absolute(source),
            size=wishes.size or suggested_size(survey),
            channels=wishes.channels or survey.channels or DataSection().channels,
            validation=_DRAWN_VALIDATION if drawn else DataSection().validation,
            test=_DRAWN_TEST if drawn else DataSection().test,
        ),
        model=ModelSection(
            architecture=architecture,
            alpha=_ALPHA if architecture.startswith("mobilenet") else 0.0,
            init=_absolute(wishes.init_weights) if wishes.init_weights else "",
        ),
        prune=PruneSection(
            method=_METHOD,
            scope=_SCOPE,
            budget=budget,
            keep_params=0.0 if budget else _KEEP_PARAMS,
        ),
        deploy=DeploySection(board=_measured_board(board)),
    )
    config = _overridden(config, wishes.overrides)
    check_together(config, "init")
    check_run(config)
    _check_tensors(config, survey)
    return config


def run_text(config: RunConfig, wishes: Wishes, survey: Survey, path: Path) -> str:
    """The commented run.toml of a new run.

    Args:
        config: from `new_config`.
        wishes, survey: what it was made from.
        path: where it will lie.
    """
    board = wishes.board_name
    lines = ["Written by `espalier init`. Change what you like, and start it with:", ""]
    lines += [f"    espalier run {path.name}", ""]
    lines += [*_facts(survey), *(f"Warning: {text}" for text in survey.warnings())]
    if config.deploy.board != board:
        lines.append(
            f"Board {board} is not emulated: the run is proved on {config.deploy.board}, within "
            f"what {board} has. Then put it onto the board with "
            f"`espalier flash runs/{config.run.name} --board {board}`."
        )
    lines += ["", "A key can also be changed for one run: --set train.epochs=40."]
    lines.append("Relative paths are relative to this file. What is left out takes its default.")
    return config_text(config, "\n".join(lines), path.resolve().parent)


def write_new_run(path: Path, text: str, config: RunConfig, *, force: bool) -> None:
    """Write a run.toml, whole or not at all, once it has been seen to load to `config`.

    Raises:
        ConfigError: the file is there and `force` does not allow to replace it, or it cannot be
            written.
    """
    if path.exists() and not force:
        raise ConfigError(
            f"{path}: is there already. Received: no leave to replace it. Give another name, or "
            "--force."
        )
    try:
        descriptor, name = tempfile.mkstemp(dir=path.resolve().parent, prefix=".espalier-init-")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}). Give a path where you may write."
        ) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.chmod(0o644)
        assert load_config(temporary) == config
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def run_name(source: str) -> str:
    """A folder name after the data."""
    if source.split(":")[0] == SYNTHETIC:
        return "person"
    path = Path(_absolute(source))
    name = path.stem if path.suffix == ".npz" else path.name
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"


def _facts(survey: Survey) -> list[str]:
    total = sum(count for _, count in survey.classes)
    shown = ", ".join(f"{name} {count:,}" for name, count in survey.classes[:12])
    more = f" and {len(survey.classes) - 12} more" if len(survey.classes) > 12 else ""
    lines = [f"{total:,} samples: {shown}{more}."]
    if survey.smallest is not None and survey.largest is not None:
        colour = "grey" if survey.channels == 1 else "coloured"
        sizes = f"all of {_sides(survey.shape)} pixels (height x width)."
        if survey.smallest != survey.largest:
            sizes = (
                f"{_sides(survey.shape)} pixels in the middle (height x width), "
                f"{_sides(survey.smallest)} the smallest, {_sides(survey.largest)} the largest."
            )
        lines.append(f"Pictures are {colour}, {sizes}")
    elif not survey.are_pictures:
        lines.append(f"Samples are tensors of shape {list(survey.shape)}.")
    return lines


def _sides(sides: Iterable[int]) -> str:
    return " x ".join(map(str, sides))


def _bytes_text(count: int) -> str:
    return f"{count // 1024}KiB" if count % 1024 == 0 else str(count)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().resolve())


def _architecture(survey: Survey) -> str:
    """A keyword network for what looks like sound, a MobileNet for everything else."""
    return ModelSection().architecture if survey.are_pictures else "ds_cnn"


def _measured_board(board: Board) -> str:
    """Where a run measures: the board itself where it is emulated, else one that is."""
    return board.name if board.emulators else REFERENCE_BOARD


def _overridden(config: RunConfig, overrides: tuple[str, ...]) -> RunConfig:
    """A config with some keys changed, as `--set` changes them."""
    if not overrides:
        return config
    given = load_sections({}, SECTIONS, Path("run.toml"), overrides)
    changed: dict[str, dict[str, Any]] = {}
    for override in overrides:
        section, _, key = override.partition("=")[0].strip().partition(".")
        changed.setdefault(section, {})[key] = getattr(given[section], key)
    return dataclasses.replace(
        config,
        **{name: dataclasses.replace(getattr(config, name), **v) for name, v in changed.items()},
    )


def _check_tensors(config: RunConfig, survey: Survey) -> None:
    """Tensors without a shape are flat, which no classifier here takes."""
    if survey.are_pictures:
        return
    shape = config.data.shape or survey.shape
    if len(shape) != 3 or math.prod(shape) != math.prod(survey.shape):
        raise ConfigError(
            f"{survey.spec}: expected tensors of three axes, as {config.model.architecture} takes "
            f"them. Received: {list(survey.shape)}. Say how they lie, for example "
            "--set data.shape=[49,10,1]."
        )
