"""The verb that compares prunings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import JSON, Session, verb
from pipeline.cli.output import check_writable, show
from pipeline.errors import MismatchError


@verb
@click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Override a key of CONFIG (repeatable).",
)
@click.option("--data", help="Override data.source: a folder or file, or 'synthetic'.")
@click.option(
    "--model", "models", multiple=True, help="Override model.files: a .keras file (repeatable)."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The study's folder; else runs/study-NAME.",
)
@click.option("--storage", help="Override study.storage: the URL of a PostgreSQL server.")
@click.option("--worker", is_flag=True, help="Only help with trials; leave the report to others.")
@JSON
def study(
    config: Path,
    overrides: tuple[str, ...],
    data: str | None,
    models: tuple[str, ...],
    out: Path | None,
    storage: str | None,
    worker: bool,
    json_path: Path | None,
) -> None:
    """Prune by all methods, amounts and seeds of CONFIG (a STUDY.toml), and compare them.

    What is finished is kept: the same command goes on where it was, and any number of processes
    and machines work on one study together (--worker).

    Examples:
      espalier study examples/studies/synthetic.toml
      espalier study examples/studies/synthetic.toml --set equal.epochs=2 --json study.json
    """
    import json

    from pipeline.paths import runs_path
    from pipeline.report.study_tables import study_tables
    from pipeline.study.config import load_study
    from pipeline.study.running import Place, run_study

    check_writable(json_path)
    own: list[tuple[str, Any]] = [("data.source", data), ("study.storage", storage)]
    extra = [f"{key}={value}" for key, value in own if value is not None]
    if models:
        extra.append(f"model.files={json.dumps(models)}")
    loaded = load_study(config, [*overrides, *extra])
    place = Place(folder=out or runs_path() / f"study-{loaded.study.name}", worker=worker)
    session: Session = click.get_current_context().obj
    report = run_study(loaded, place, session.reporter())
    if report is not None:
        show(report, json_path, study_tables)
        _require_models(report)


def _require_models(report: Any) -> None:
    """Raise MismatchError where a proof failed, or every trial."""
    unproved = [record for record in report["failed"] if record["error"] == "MismatchError"]
    if unproved:
        raise MismatchError(
            f"study {report['name']}: every pruned model must give what the masked original gives. "
            f"Received: {len(unproved)} that do not, the first: {unproved[0]['reason']}"
        )
    if not report["trials"]:
        raise MismatchError(
            f"study {report['name']}: expected at least one trial that ends with a model. "
            f"Received: {len(report['failed'])} that failed; the reasons are above."
        )
