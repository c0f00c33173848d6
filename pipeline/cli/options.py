"""What the verbs share: the session, and options that several take."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.cli import words
from pipeline.cli.help import Choice, Verb

if TYPE_CHECKING:
    from pipeline.report.progress import Reporter

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(slots=True)
class Session:
    """What the options that every verb has were set to."""

    debug: bool = False
    quiet: bool = False
    _reporter: Reporter | None = None

    def reporter(self) -> Reporter:
        """Progress on standard error."""
        from pipeline.report.progress import Reporter

        if self._reporter is None:
            self._reporter = Reporter(quiet=self.quiet)
        return self._reporter

    def place(self) -> str:
        """What the verb is doing, or was doing when it broke off; "" where it did not tell."""
        return "" if self._reporter is None else self._reporter.place


def common(function: _Function) -> _Function:
    """Give a verb --debug and --quiet, so that they may stand before or after its name."""

    def remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        session = ctx.find_root().ensure_object(Session)
        if value:
            setattr(session, str(parameter.name), True)

    for flags, text in (
        (("-q", "--quiet"), "No progress on standard error."),
        (("--debug",), "Show tracebacks."),
    ):
        option = click.option(
            *flags, is_flag=True, help=text, callback=remember, expose_value=False
        )
        function = option(function)
    return function


def verb(function: Callable[..., None]) -> click.Command:
    """A verb under its function's name, with the options that every verb has."""
    return click.command(function.__name__, cls=Verb)(common(function))


def with_options(*options: Callable[[_Function], _Function]) -> Callable[[_Function], _Function]:
    """Several options as one decorator."""

    def decorate(function: _Function) -> _Function:
        return functools.reduce(lambda inner, option: option(inner), reversed(options), function)

    return decorate


EXISTING = click.Path(exists=True, path_type=Path)
JSON = click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Also write the figures here; '-' prints them instead of tables.",
)
HTML = click.option(
    "--html",
    "html_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write a page to look at: one file, for which no network is needed.",
)
BOARD = click.option(
    "--board",
    default="mps2_an386",
    show_default=True,
    shell_complete=words.boards,
    help="A folder of boards/; `espalier boards` lists them.",
)
CALIBRATION = click.option(
    "--data", help="What calibrates a .keras MODEL: a folder or file, or 'synthetic'."
)
WORK = click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything made on the way in this folder.",
)
KEEP_CHANNELS = click.option(
    "--keep-constant-channels",
    is_flag=True,
    help="Leave channels in that are the same whatever the input.",
)
CAMERA = click.option(
    "--camera",
    metavar="WxH:FORMAT[:FIT]",
    help="Also take frames of a camera: rgb565, rgb565le, rgb888 or grey; FIT is that of the "
    "training, crop or fit.",
)
ENGINES = ("aot", "tflm")
ENGINE = click.option("--engine", default="aot", show_default=True, type=Choice(ENGINES))
TOOLCHAINS = ("auto", "gcc", "zig")
TOOLCHAIN = click.option(
    "--toolchain",
    default="auto",
    show_default=True,
    type=Choice(TOOLCHAINS),
    help="auto: GCC where it is on PATH, else Zig.",
)
# What changes a CONFIG, and where its run goes.
CONFIG_KEYS = with_options(
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="SECTION.KEY=VALUE",
        shell_complete=words.keys,
        help="Override a key of CONFIG (repeatable).",
    ),
    click.option("--data", help="Override data.source: a folder or file, or 'synthetic'."),
    click.option("--init", help="Override model.init: a .keras file with starting weights."),
    click.option(
        "--runs", type=click.Path(file_okay=False, path_type=Path), help="Folder of run folders."
    ),
)
CONFIG_OPTIONS = with_options(
    click.argument("config", type=click.Path(dir_okay=False, path_type=Path)), CONFIG_KEYS
)
