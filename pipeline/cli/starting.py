"""The verb that writes a run.toml."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.cli import words
from pipeline.cli.options import Session, verb
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.data.survey import Survey
    from pipeline.stages import Wishes

_Answer = TypeVar("_Answer")

_COLOURS = {"1": 1, "grey": 1, "gray": 1, "3": 3, "rgb": 3}


@verb
@click.argument(
    "path",
    metavar="[run.toml]",
    default="run.toml",
    type=click.Path(dir_okay=False, path_type=Path),
)
@click.option("--data", metavar="FOLDER", help="A folder of class folders, an .npz, or synthetic.")
@click.option("--size", metavar="PIXELS", help="Of pictures: one side, or HEIGHTxWIDTH.")
@click.option("--channels", metavar="1|3", help="Of pictures: 1 (grey) or 3 (rgb).")
@click.option(
    "--board",
    shell_complete=words.boards,
    help="Where the model is to end up; `espalier boards` lists them.",
)
@click.option(
    "--budget",
    metavar="LIST",
    help="ram=48KiB,flash=96KiB,macs=3M: any subset; none prunes a share of the channels.  "
    "[default: what the board has]",
)
@click.option(
    "--architecture",
    metavar="NAME",
    shell_complete=words.architectures,
    help="mobilenet_v2, mobilenet_v1, ds_cnn, resnet8.",
)
@click.option("--init-weights", metavar="FILE", help="A .keras file with trained weights.")
@click.option("--name", help="Of the run, a folder below runs/.  [default: after the data]")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    shell_complete=words.keys,
    help="Any other key (repeatable).",
)
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: take what fits data and board.")
@click.option("--force", is_flag=True, help="Replace run.toml where it is there already.")
def init(path: Path, yes: bool, force: bool, **options: Any) -> None:
    """Write a commented run.toml for your data and board, ready for `espalier run`.

    Looks at the data, and asks for what no option says; with --yes, and where there is no
    terminal, it asks nothing.

    Examples:
      espalier init
      espalier init --data ~/pictures --yes
      espalier init kitchen.toml --data ~/pictures --size 96 --board nano33 --budget ram=64KiB
    """
    from pipeline import stages

    if path.exists() and not force:
        # Before the questions rather than after.
        raise ConfigError(f"{path}: is there already. Give another name, or --force to replace it.")
    session: Session = click.get_current_context().obj
    given = _parsed(options)
    stages.check_wishes(given, path)
    asks = not yes and sys.stdin.isatty() and not session.quiet
    if asks and given.data is None:
        data = click.prompt("Data: a folder of class folders", default="synthetic", err=True)
        given = dataclasses.replace(given, data=data)
    survey = stages.survey_samples(given.data, session.reporter())
    wishes = _asked(given, survey) if asks else given
    config = stages.new_config(wishes, survey)
    text = stages.run_text(config, wishes, survey, path)
    stages.write_new_run(path, text, config, force=force)
    click.echo(f"{path} is written. Look at it, and start it: espalier run {path}")


def _parsed(options: dict[str, Any]) -> Wishes:
    """The options as wishes.

    Raises:
        ConfigError: a size or a number of channels that is none.
    """
    from pipeline.stages import Wishes

    given = {name: value for name, value in options.items() if value is not None}
    for name, parse in (("size", _size), ("channels", _channels)):
        if name in given:
            given[name] = parse(given[name])
    return Wishes(**given)


def _size(text: str) -> tuple[int, ...]:
    match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", text.strip())
    sides = tuple(int(side) for side in match.groups() if side) if match else ()
    if not sides or not all(8 <= side <= 512 for side in sides):
        raise ConfigError(
            f"--size: expected one side in pixels, or HEIGHTxWIDTH, each 8 to 512. Received: "
            f"{text!r}. Write for example 96 or 96x128."
        )
    return sides


def _channels(text: str) -> int:
    if text.strip().lower() not in _COLOURS:
        raise ConfigError(f"--channels: expected 1 (grey) or 3 (rgb). Received: {text!r}.")
    return _COLOURS[text.strip().lower()]


def _asked(given: Wishes, survey: Survey) -> Wishes:
    """The wishes, with questions for those that no option gave."""
    from pipeline import stages
    from pipeline.device.board import board_names, load_board
    from pipeline.report.tables import board_tables, print_tables

    found: dict[str, Any] = {}
    if survey.are_pictures and given.size is None:
        side = "x".join(map(str, stages.suggested_size(survey)))
        found["size"] = _ask("Input size in pixels", side, _size)
    if survey.are_pictures and given.channels is None:
        found["channels"] = _ask("Channels, 1 (grey) or 3 (rgb)", str(survey.channels), _channels)
    boards = {name: load_board(name) for name in board_names()}
    if given.board is None:
        print_tables(board_tables({"boards": [dataclasses.asdict(b) for b in boards.values()]}))
        found["board"] = _ask("Board", given.board_name, _board)
    if given.budget is None:
        board = load_board(found.get("board", given.board_name))
        suggestion = stages.suggested_budget(board) or "none"
        found["budget"] = _ask("Budget", suggestion, _budget)
    return dataclasses.replace(given, **found)


def _board(name: str) -> str:
    from pipeline.device.board import load_board

    return load_board(name.strip()).name


def _budget(text: str) -> str:
    from pipeline.prune.budget import parse_budget

    if text.strip() != "none":
        parse_budget(text)
    return text.strip()


def _ask(question: str, default: str, parse: Callable[[str], _Answer]) -> _Answer:
    """Ask until the answer is one that can be taken."""
    while True:
        try:
            return parse(click.prompt(question, default=default, err=True))
        except ConfigError as error:
            click.echo(str(error), err=True)
