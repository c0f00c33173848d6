"""The verbs of a run.toml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pipeline.cli import words
from pipeline.cli.options import CONFIG_OPTIONS, EXISTING, JSON, Session, verb
from pipeline.cli.output import require_match, show
from pipeline.errors import ConfigError


@verb
@CONFIG_OPTIONS
@JSON
def run(json_path: Path | None, **options: Any) -> None:
    """Train, prune, quantize, deploy, measure and report what CONFIG (a run.toml) says.

    Examples:
      espalier run examples/person.toml
      espalier run examples/pictures.toml --data ~/pictures --init trained.keras
      espalier run examples/person.toml --set train.epochs=40 --set run.name=longer
    """
    from pipeline.report.tables import run_tables

    report = chain("report", **options)
    show(report, json_path, run_tables)
    require_match(report["deployment"])


def _stage(stage: str, text: str) -> click.Command:
    """The verb of one stage of a run.toml."""

    def function(**options: Any) -> None:
        click.echo(chain(stage, **options))

    function.__name__ = stage
    function.__doc__ = text
    return verb(CONFIG_OPTIONS(function))


train = _stage(
    "train",
    """Train the model of CONFIG; prints its folder.

    Examples:
      espalier train examples/person.toml
    """,
)


@verb
@click.argument("run_folder", type=EXISTING, shell_complete=words.runs)
@JSON
def report(run_folder: Path, json_path: Path | None) -> None:
    """Show the report of a finished run: a folder below runs/.

    Examples:
      espalier report runs/person
      espalier report runs/person --json -
    """
    from pipeline.artifacts import read_json
    from pipeline.report.tables import run_tables

    path = run_folder / "report" / "report.json"
    if not path.is_file():
        raise ConfigError(
            f"{run_folder}: expected the folder of a finished run. Received: no {path}. "
            "Finish it with `espalier run`."
        )
    show(read_json(path), json_path, run_tables)


def chain(
    stage: str,
    *,
    config: Path,
    overrides: Sequence[str],
    data: str | None,
    init: str | None,
    runs: Path | None,
) -> Any:
    """Run the stages of a run.toml up to `stage`; returns what that stage made.

    Args:
        stage: its verb.
        config, overrides, data, init, runs: as CONFIG_OPTIONS give them.
    """
    from pipeline import stages
    from pipeline.config import load_config

    extra = [
        f"{key}={value}" for key, value in (("data.source", data), ("model.init", init)) if value
    ]
    loaded = load_config(config, [*overrides, *extra])
    session: Session = click.get_current_context().obj
    return stages.run(loaded, stage, runs, session.reporter())
