"""The verbs of a run.toml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pipeline.cli import words
from pipeline.cli.options import CONFIG_OPTIONS, EXISTING, HTML, JSON, Session, verb
from pipeline.cli.output import check_writable, require_gates, require_match, show, write_text


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
    from pipeline.report.run_tables import run_tables

    report = chain("report", **options)
    show(report, json_path, run_tables)
    require_match(report["deployment"])
    require_gates(report["gates"])


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
@HTML
@click.option(
    "--junit",
    "junit_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the gates as JUnit XML, for CI servers.",
)
@JSON
def report(
    run_folder: Path, html_path: Path | None, junit_path: Path | None, json_path: Path | None
) -> None:
    """Show the report of a run: a folder below runs/.

    The page to look at is RUN_FOLDER/report/report.html; --html writes it anew.

    Examples:
      espalier report runs/person
      espalier report runs/person --html person.html --junit gates.xml
    """
    from pipeline import stages
    from pipeline.report.junit import junit_xml
    from pipeline.report.run_tables import run_tables

    for path in (html_path, junit_path, json_path):
        check_writable(path)
    figures = stages.read_report(run_folder)
    if html_path is not None:
        write_text("--html", html_path, stages.page_of(run_folder))
    if junit_path is not None:
        write_text("--junit", junit_path, junit_xml(figures))
    show(figures, json_path, run_tables)


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
