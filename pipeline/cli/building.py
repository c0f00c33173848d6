"""The verb that builds firmware: a run's, or that of a model file for any board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli import words
from pipeline.cli.help import Choice
from pipeline.cli.options import CONFIG_KEYS, ENGINES, TOOLCHAINS, verb
from pipeline.cli.runs import chain
from pipeline.errors import ConfigError

_DEFAULTS = {"board": "mps2_an386", "engine": "aot", "toolchain": "auto"}
_MODEL_OPTIONS = {name: f"--{name}" for name in (*_DEFAULTS, "work")}
_CONFIG_OPTIONS = {"overrides": "--set", "init": "--init", "runs": "--runs"}


@verb
@click.argument("subject", metavar="CONFIG | MODEL", type=click.Path(path_type=Path))
@CONFIG_KEYS
@click.option(
    "--board",
    shell_complete=words.boards,
    help="Of a MODEL: a folder of boards/.  [default: mps2_an386]",
)
@click.option("--engine", type=Choice(ENGINES), help="Of a MODEL.  [default: aot]")
@click.option("--toolchain", type=Choice(TOOLCHAINS), help="Of a MODEL.  [default: auto]")
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Of a MODEL: keep everything made on the way in this folder.",
)
def build(subject: Path, **options: Any) -> None:
    """Build firmware without running it; prints the folder with firmware.elf and size.json.

    Of a CONFIG (a run.toml): everything up to the firmware. Of a MODEL (.tflite, or .keras with
    --data): for any board, also one that is not here.

    Examples:
      espalier build examples/person.toml
      espalier build model.tflite --board nano33 --work build
    """
    is_config = subject.suffix == ".toml"
    others = _MODEL_OPTIONS if is_config else _CONFIG_OPTIONS
    misplaced = [text for name, text in others.items() if options[name]]
    if misplaced:
        kind = "MODEL" if is_config else "CONFIG"
        raise ConfigError(f"build: {', '.join(misplaced)} goes only with a {kind}. Leave it out.")
    if is_config:
        kept = ("overrides", "data", "init", "runs")
        click.echo(chain("build", config=subject, **{name: options[name] for name in kept}))
        return
    given = {name: options[name] or default for name, default in _DEFAULTS.items()}
    click.echo(_build_model(subject, options["data"], options["work"], **given))


def _build_model(
    model: Path, data: str | None, work: Path | None, *, board: str, engine: str, toolchain: str
) -> Path:
    from pipeline import stages
    from pipeline.device.board import load_board

    target = stages.Target(board=load_board(board), engine=engine, toolchain=toolchain)
    request = stages.Request(
        model=model, inputs="", data=data, work=work, command=f"espalier build {model.name}"
    )
    return stages.build_model(request, target, click.get_current_context().obj.reporter())
