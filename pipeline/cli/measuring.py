"""The verb that measures: a run's firmware where the run says, or a board as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli import words
from pipeline.cli.options import CONFIG_KEYS, JSON, verb
from pipeline.cli.output import check_writable, show
from pipeline.cli.runs import chain
from pipeline.errors import ConfigError, MismatchError

_BOARD_OPTIONS = {
    "port": "--port",
    "spec": "--inputs",
    "timed": "--timed",
    "warmup": "--warmup",
    "json_path": "--json",
}
_CONFIG_OPTIONS = {"overrides": "--set", "data": "--data", "init": "--init", "runs": "--runs"}


@verb
@click.argument(
    "subject",
    required=False,
    metavar="[CONFIG | MODEL]",
    type=click.Path(dir_okay=False, path_type=Path),
)
@CONFIG_KEYS
@click.option(
    "--board",
    shell_complete=words.boards,
    help="Measure what is on a board of this kind, as it is.",
)
@click.option("--port", help="Where the board is.  [default: found by its USB ids]")
@click.option(
    "--inputs",
    "spec",
    metavar="SPEC",
    help="As of `espalier deploy`.  [default: random:1:10]",
)
@click.option(
    "--timed", type=click.IntRange(min=1), help="Inferences to time.  [default: 100]", metavar="N"
)
@click.option(
    "--warmup",
    type=click.IntRange(min=0),
    help="Inferences before them.  [default: 10]",
    metavar="W",
)
@JSON
def measure(subject: Path | None, board: str | None, **options: Any) -> None:
    """Measure a run's firmware, or what is on a board.

    With a CONFIG (a run.toml): everything of it up to the measurement; prints its folder.

    With --board: nothing is built or flashed. Latency by the board's own counter, layers, memory,
    and every output against the reference, for the model that was flashed, or for MODEL (the
    .tflite that is on the board).

    Examples:
      espalier measure examples/person.toml
      espalier measure --board nano33
      espalier measure model.tflite --board nano33 --timed 500
    """
    mine, others = _BOARD_OPTIONS, _CONFIG_OPTIONS
    if board is None:
        mine, others = others, mine
    given = {name: value for name, value in options.items() if value not in (None, ())}
    _check_usage(subject, board, [others[name] for name in given if name in others])
    if board is not None:
        _measure_board(board, subject, given)
    elif subject is not None:
        click.echo(chain("measure", config=subject, **{name: options[name] for name in mine}))


def _check_usage(subject: Path | None, board: str | None, misplaced: list[str]) -> None:
    """Refuse what does not go together. Raises ConfigError."""
    suffix = "" if subject is None else subject.suffix
    if board is None and subject is None:
        raise ConfigError(
            "measure: expected a CONFIG, or --board for what is on a board. Received: neither. "
            "Write for example espalier measure --board nano33."
        )
    if board is None and suffix == ".tflite":
        raise ConfigError(
            f"measure: expected a CONFIG (a run.toml). Received: the model {subject}. Name the "
            "board that it is on with --board, or run it on an emulator with espalier deploy."
        )
    if board is not None and suffix == ".toml":
        raise ConfigError(
            f"measure: expected with --board the .tflite that is on it, or nothing. Received: "
            f"{subject}. A run measures on its own board (deploy.board): leave --board out."
        )
    if misplaced:
        kind = "with a CONFIG" if board is not None else "with --board"
        raise ConfigError(f"measure: {', '.join(misplaced)} goes only {kind}. Leave it out.")


def _measure_board(board: str, model: Path | None, given: dict[str, Any]) -> None:
    from pipeline import stages
    from pipeline.device.board import load_board
    from pipeline.report.measurement_tables import measurement_tables

    json_path = given.pop("json_path", None)
    check_writable(json_path)
    if "spec" in given:
        given["inputs"] = given.pop("spec")
    request = stages.BoardRequest(board=load_board(board), model=model, **given)
    report = stages.measure_on_board(request, click.get_current_context().obj.reporter())
    show(report, json_path, measurement_tables)
    if report["mismatches"]:
        raise MismatchError(
            f"{report['mismatches']} of {report['inputs']} outputs of {report['model']['name']} on "
            f"{report['port']} differ from TFLite's reference kernels. Expected: none. Flash the "
            "model again; if that does not help, please report it as a bug."
        )
