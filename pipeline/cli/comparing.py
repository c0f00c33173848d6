"""The verb that holds runs against each other."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import EXISTING, HTML, JSON, verb
from pipeline.cli.output import check_writable, show, write_text


@verb
@click.argument("subjects", nargs=-1, required=True, type=EXISTING, metavar="A B [C ...]")
@HTML
@JSON
def compare(subjects: tuple[Path, ...], html_path: Path | None, json_path: Path | None) -> None:
    """Show figures of several runs side by side, each against those of the first.

    A, B, ...: folders of runs, or files that `espalier deploy --json` wrote.

    Examples:
      espalier compare runs/person runs/longer
      espalier compare runs/person runs/longer --html comparison.html
    """
    from pipeline import stages
    from pipeline.report.compare_tables import compare_tables

    for path in (html_path, json_path):
        check_writable(path)
    report = stages.compare(subjects)
    if html_path is not None:
        from pipeline.report.html.compare import compare_page

        write_text("--html", html_path, compare_page(report))
    show(report, json_path, compare_tables)
