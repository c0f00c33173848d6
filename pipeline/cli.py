"""The console command: verbs, options, exit statuses. It prints; nothing below it does."""

from __future__ import annotations

import difflib
import functools
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from pipeline import __version__
from pipeline.errors import ConfigError, MismatchError, PipelineError

if TYPE_CHECKING:
    from pipeline.records import Board
    from pipeline.report.progress import Reporter

USAGE_STATUS = 2
INTERRUPTED_STATUS = 130
TERMINATED_STATUS = 143

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(slots=True)
class Session:
    """What the options that every verb has were set to."""

    debug: bool = False
    quiet: bool = False

    def reporter(self) -> Reporter:
        """Progress on standard error."""
        from pipeline.report.progress import Reporter

        return Reporter(quiet=self.quiet)


class Verbs(click.Group):
    """A group that helps with misspelt verbs."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a verb; UsageError with the nearest one where there is none of that name."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            close = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f"Did you mean '{close[0]}'?" if close else "See espalier --help."
            raise click.UsageError(f"No such verb: '{name}'. {hint}", ctx)
        return super().resolve_command(ctx, args)


def _common(function: _Function) -> _Function:
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


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="espalier")
@_common
def cli() -> None:
    """Keras models to bit-exact int8 firmware, measured over a serial line.

    Results go to standard output, progress to standard error. Exit status: 0 done, 1 a gate
    failed (mismatch, accuracy, build), 2 usage or configuration, 3 a tool is missing, 4 no
    device, 5 device protocol or timeout, 6 unsupported model, 7 does not fit, 130 interrupted.
    """


def _verb(function: Callable[..., None]) -> click.Command:
    """Register a verb under its function's name."""
    return cli.command(function.__name__.strip("_").removesuffix("_verb"))(_common(function))


def _with_options(*options: Callable[[_Function], _Function]) -> Callable[[_Function], _Function]:
    def decorate(function: _Function) -> _Function:
        return functools.reduce(lambda inner, option: option(inner), reversed(options), function)

    return decorate


_EXISTING = click.Path(exists=True, path_type=Path)
_JSON = click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Also write the figures here; '-' prints them instead of tables.",
)
_BOARD = click.option(
    "--board", default="mps2_an386", show_default=True, help="A folder of boards/."
)
_KEEP_CHANNELS = click.option(
    "--keep-constant-channels",
    is_flag=True,
    help="Leave channels in that are the same whatever the input.",
)
_ENGINE = click.option("--engine", default="aot", show_default=True, type=click.Choice(["aot"]))
_TOOLCHAIN = click.option(
    "--toolchain",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "gcc", "zig"]),
    help="auto: GCC where it is on PATH, else Zig.",
)
_CONFIG_OPTIONS = _with_options(
    click.argument("config", type=click.Path(dir_okay=False, path_type=Path)),
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="SECTION.KEY=VALUE",
        help="Override a key of CONFIG (repeatable).",
    ),
    click.option("--data", help="Override data.source: a folder or file, or 'synthetic'."),
    click.option("--init", help="Override model.init: a .keras file with starting weights."),
    click.option(
        "--runs", type=click.Path(file_okay=False, path_type=Path), help="Folder of run folders."
    ),
)


@_verb
@_CONFIG_OPTIONS
@_JSON
def run(json_path: Path | None, **options: Any) -> None:
    """Train, quantize, deploy, measure and report what CONFIG (a run.toml) says."""
    from pipeline.report.tables import run_tables

    report = _chain("report", **options)
    _show(report, json_path, run_tables)
    _require_match(report["deployment"])


def _stage_verb(stage: str, text: str) -> None:
    """Register the verb of one stage of a run.toml."""

    def verb(**options: Any) -> None:
        click.echo(_chain(stage, **options))

    verb.__name__ = stage
    verb.__doc__ = text
    _verb(_CONFIG_OPTIONS(verb))


_stage_verb("train", "Train the model of CONFIG; prints its folder.")
_stage_verb("quantize", "Train and quantize the model of CONFIG; prints its folder.")
_stage_verb("build", "Everything of CONFIG up to the firmware; prints its folder.")
_stage_verb("measure", "Everything of CONFIG up to the measurement; prints its folder.")


@_verb
@click.argument("run_folder", type=_EXISTING)
@_JSON
def report(run_folder: Path, json_path: Path | None) -> None:
    """Show the report of a finished run: a folder below runs/."""
    from pipeline.artifacts import read_json
    from pipeline.report.tables import run_tables

    path = run_folder / "report" / "report.json"
    if not path.is_file():
        raise ConfigError(
            f"{run_folder}: expected the folder of a finished run. Received: no {path}. "
            "Finish it with `espalier run`."
        )
    _show(read_json(path), json_path, run_tables)


@_verb
@click.argument("model", type=click.Path(path_type=Path))
@_BOARD
@_ENGINE
@_TOOLCHAIN
@click.option("--emulator", default="auto", show_default=True, help="One of the board's devices.")
@click.option(
    "--inputs",
    "spec",
    default="random:1:5",
    show_default=True,
    metavar="SPEC",
    help="random:SEED:N, a folder of raw tensors with y_labels.csv, an .npz (x, y), or a "
    "folder of class folders with pictures.",
)
@click.option("--data", help="What calibrates a .keras MODEL: a folder or file, or 'synthetic'.")
@click.option("--warmup", default=1, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--outputs",
    "outputs_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what the device answered: x and y, or x0, x1, ... and y0, y1, ...",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything made on the way in this folder.",
)
@_KEEP_CHANNELS
@_JSON
def deploy(
    model: Path,
    board: str,
    engine: str,
    toolchain: str,
    emulator: str,
    spec: str,
    data: str | None,
    warmup: int,
    outputs_path: Path | None,
    work: Path | None,
    keep_constant_channels: bool,
    json_path: Path | None,
) -> None:
    """Bring MODEL (.tflite, or .keras with --data) onto a board and compare every output."""
    from pipeline import stages
    from pipeline.report.tables import deployment_tables

    for path in (outputs_path, json_path):
        _check_writable(path)
    target = stages.Target(
        board=_load_board(board),
        engine=engine,
        toolchain=toolchain,
        emulator=emulator,
        warmup=warmup,
        keep_constant_channels=keep_constant_channels,
    )
    request = stages.Request(
        model=model, inputs=spec, data=data, work=work, command=f"espalier deploy {model.name}"
    )
    deployment = stages.deploy(request, target, click.get_current_context().obj.reporter())
    if outputs_path is not None:
        stages.write_outputs(outputs_path, deployment)
    _show(deployment.report, json_path, deployment_tables)
    _require_match(deployment.report)


@_verb
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", default="mps2_an386", show_default=True, help="Where it is to run.")
@_KEEP_CHANNELS
@click.option(
    "--svg",
    "svg_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw the memory over the steps of the schedule.",
)
@_JSON
def plan(
    model: Path,
    board: str,
    keep_constant_channels: bool,
    svg_path: Path | None,
    json_path: Path | None,
) -> None:
    """Show the memory plan and the sizes of MODEL (.tflite) without building anything."""
    from pipeline import stages
    from pipeline.report.memory import plan_report
    from pipeline.report.memory_picture import memory_picture
    from pipeline.report.tables import plan_tables

    facts = _load_board(board)
    made = stages.plan_model(model, facts, keep_constant_channels=keep_constant_channels)
    if svg_path is not None:
        _write_text("--svg", svg_path, memory_picture(made))
    _show(plan_report(made, stages.layer_macs(made), facts), json_path, plan_tables)
    stages.check_fits(made, facts)


@_verb
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A new or empty folder.",
)
@click.option("--board", help="Whose core's kernels to take.  [default: those for any core]")
@_KEEP_CHANNELS
def generate(model: Path, out: Path, board: str | None, keep_constant_channels: bool) -> None:
    """Write MODEL (.tflite) as C11 with the kernels it calls, ready for any project."""
    from pipeline import stages

    command = f"espalier generate {model.name}" + (f" --board {board}" if board else "")
    command += " --keep-constant-channels" if keep_constant_channels else ""
    for name in stages.export_sources(
        model,
        out,
        command=command,
        board=None if board is None else _load_board(board),
        keep_constant_channels=keep_constant_channels,
    ):
        click.echo(out / name)


@_verb
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The smaller .tflite.",
)
@_JSON
def slim(model: Path, out: Path, json_path: Path | None) -> None:
    """Write MODEL (.tflite) without constant channels and unused parts; outputs stay the same."""
    from pipeline import stages
    from pipeline.report.tables import slim_tables

    for path in (out, json_path):
        _check_writable(path)
    _show(stages.slim_file(model, out), json_path, slim_tables)


@_verb
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--method",
    default="l1",
    show_default=True,
    metavar="M",
    help="A criterion, for pruning in one step, or a method of several; docs/pruning.md.",
)
@click.option("--ratio", type=float, metavar="R", help="Share of channels that goes.")
@click.option("--keep-params", type=float, metavar="F", help="Share of parameters that stays.")
@click.option(
    "--budget",
    default="",
    metavar="LIST",
    help="ram=48KiB,flash=96KiB,macs=3M,params=40k,accuracy>=0.85: any subset.",
)
@click.option("--accuracy-floor", type=float, metavar="A", help="Prune until it is reached.")
@click.option("--board", help="Its RAM and flash are budgets too; `espalier boards` lists all.")
@click.option("--criterion", default="", help="What scores channels in methods that leave it open.")
@click.option("--scope", default="local", show_default=True, help="local, global or isomorphic.")
@click.option("--reduction", default="sum", show_default=True, help="Of a group: sum, mean, max.")
@click.option(
    "--normalization",
    default="mean",
    show_default=True,
    help="Of a group: none, mean, max, sum, l2, standard.",
)
@click.option(
    "--batch-norm", default="ignore", show_default=True, help="ignore, gamma or fold it into l1."
)
@click.option("--ignore", multiple=True, metavar="LAYER", help="Its channels stay (repeatable).")
@click.option("--round-to", default=4, show_default=True, help="Widths become multiples of it.")
@click.option("--min-channels", default=4, show_default=True, help="That stay in every layer.")
@click.option("--max-ratio", default=0.9, show_default=True, help="Of a layer that may go.")
@click.option("--data", help="Labelled samples: a folder or file, or 'synthetic'.")
@click.option("--epochs", default=0, show_default=True, help="Of fine-tuning; needs --data.")
@click.option("--paper", is_flag=True, help="blockwise as published: --set paper=true.")
@click.option(
    "--set",
    "method_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the method's own (repeatable).",
)
@click.option("--learning-rate", default=1e-3, show_default=True, help="Of fine-tuning.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The pruned model, a .keras file.",
)
@_JSON
def prune(
    model: Path,
    board: str | None,
    data: str | None,
    out: Path,
    json_path: Path | None,
    round_to: int,
    min_channels: int,
    max_ratio: float,
    paper: bool,
    method_options: tuple[str, ...],
    **options: Any,
) -> None:
    """Remove channels of MODEL (.keras or .h5), prove the result, and write it to --out."""
    from pipeline import stages
    from pipeline.report.tables import prune_tables

    for path in (out, json_path):
        _check_writable(path)
    if out.suffix != ".keras":
        raise ConfigError(f"--out {out}: expected a .keras file. Write for example pruned.keras.")
    own = (*method_options, "paper=true") if paper else method_options
    limits = stages.Limits(round_to=round_to, min_channels=min_channels, max_ratio=max_ratio)
    pruned = stages.prune_file(
        model,
        stages.PruneSettings(limits=limits, options=own, **options),
        data,
        None if board is None else _load_board(board),
        click.get_current_context().obj.reporter(),
    )
    pruned.write(out)
    _show(pruned.report, json_path, prune_tables)


@_verb
@_JSON
def boards(json_path: Path | None) -> None:
    """List the boards."""
    import dataclasses

    from pipeline.device.board import board_names, load_board
    from pipeline.report.tables import board_tables

    rows = {name: dataclasses.asdict(load_board(name)) for name in board_names()}
    _show({"boards": list(rows.values())}, json_path, board_tables)


def _chain(
    stage: str,
    *,
    config: Path,
    overrides: Sequence[str],
    data: str | None,
    init: str | None,
    runs: Path | None,
) -> Any:
    """Run the stages of a run.toml up to `stage`; returns what that stage made."""
    from pipeline import stages
    from pipeline.config import load_config

    extra = [
        f"{key}={value}" for key, value in (("data.source", data), ("model.init", init)) if value
    ]
    loaded = load_config(config, [*overrides, *extra])
    session: Session = click.get_current_context().obj
    return stages.run(loaded, stage, runs, session.reporter())


def _load_board(name: str) -> Board:
    from pipeline.device.board import load_board

    return load_board(name)


def _show(report: Any, json_path: Path | None, tables: Callable[[Any], Any]) -> None:
    """Print tables, or JSON for "-"; write JSON to any other path."""
    import json

    from pipeline.report.tables import print_tables

    text = json.dumps(report, indent=2)
    if str(json_path) == "-":
        click.echo(text)
        return
    print_tables(tables(report))
    if json_path is not None:
        _write_text("--json", json_path, text + "\n")


def _write_text(option: str, path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{option} {path}: cannot be written: {error}") from error


def _check_writable(path: Path | None) -> None:
    """Refuse an output path before minutes of work rather than after."""
    if path is not None and str(path) != "-" and not path.resolve().parent.is_dir():
        raise ConfigError(f"{path}: its folder does not exist. Make it first.")


def _require_match(report: Any) -> None:
    if report["mismatches"]:
        raise MismatchError(
            f"{report['mismatches']} of {report['inputs']} outputs of {report['model']['name']} on "
            f"{report['emulator']} differ from TFLite's reference kernels. Expected: none. "
            "Compare them with --outputs; please report the model as a bug."
        )


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; every PipelineError has its own exit status."""
    session = Session(debug="--debug" in (sys.argv[1:] if arguments is None else arguments))
    signal.signal(signal.SIGTERM, _terminate)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        cli.main(args=arguments, prog_name="espalier", standalone_mode=False, obj=session)
        # Here, so that a closed pipe shows below and not when the interpreter ends.
        sys.stdout.flush()
        status = 0
    except click.ClickException as error:
        error.show()
        status = USAGE_STATUS
    except click.exceptions.Exit as error:
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        again = shlex.join(["espalier", *(sys.argv[1:] if arguments is None else arguments)])
        click.echo(f"\nInterrupted. What is finished is kept; go on with: {again}", err=True)
        status = INTERRUPTED_STATUS
    except PipelineError as error:
        if session.debug:
            traceback.print_exc()
        click.echo(f"error: {error}", err=True)
        status = error.exit_status
    except BrokenPipeError:
        # The reader of standard output has gone, as in `espalier boards | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def _terminate(number: int, frame: object) -> NoReturn:
    """Turn SIGTERM into an exit that closes devices and removes temporary folders."""
    sys.exit(TERMINATED_STATUS)
