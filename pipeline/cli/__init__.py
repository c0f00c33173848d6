"""The console command: verbs, options, exit statuses. It prints; nothing below it does."""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from pipeline import __version__
from pipeline.cli import (
    building,
    comparing,
    completing,
    desk,
    doctor,
    exporting,
    measuring,
    models,
    parity,
    profiling,
    pruning,
    quantizing,
    runs,
    starting,
    studies,
)
from pipeline.cli.help import Verbs
from pipeline.cli.options import Session, common
from pipeline.cli.signals import INTERRUPTED_STATUS, Signals
from pipeline.cli.words import COMPLETE_VARIABLE
from pipeline.errors import MissingToolError, PipelineError

USAGE_STATUS = 2

SECTIONS = {
    "Start": (starting.init, doctor.doctor, completing.completion, profiling.zoo),
    "Train and compress": (
        runs.run,
        runs.train,
        pruning.prune,
        quantizing.quantize,
        studies.study,
    ),
    "Plan and generate": (
        profiling.profile,
        models.plan,
        models.generate,
        models.slim,
        exporting.export,
        building.build,
    ),
    "Run on boards": (
        models.boards,
        models.deploy,
        parity.parity,
        measuring.measure,
        desk.ports,
        desk.flash,
        desk.monitor,
    ),
    "Look at results": (runs.report, comparing.compare),
}


@click.group(cls=Verbs, sections=SECTIONS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="espalier")
@common
def cli() -> None:
    """Keras models to bit-exact int8 firmware, measured over a serial line.

    Results go to standard output, progress to standard error. `espalier VERB --help` shows
    examples. Exit status: 0 done, 1 a gate failed (mismatch, accuracy, build), 2 usage or
    configuration, 3 a tool is missing, 4 no device, 5 device protocol or timeout, 6 unsupported
    model, 7 does not fit, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; every PipelineError has its own exit status."""
    session = Session(debug="--debug" in (sys.argv[1:] if arguments is None else arguments))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    status = 0
    with Signals() as signals:
        try:
            cli.main(
                args=arguments,
                prog_name="espalier",
                complete_var=COMPLETE_VARIABLE,
                standalone_mode=False,
                obj=session,
            )
            # Here, so that a closed pipe shows below and not when the interpreter ends.
            sys.stdout.flush()
        except BaseException as error:
            if signals.received is None:
                status = _failed(error, session, arguments)
            else:
                # Whatever a library has made of it on the way.
                _tell_how_to_go_on(session, arguments)
                status = signals.status
    sys.exit(status)


def _failed(error: BaseException, session: Session, arguments: Sequence[str] | None) -> int:
    """Tell what went wrong, and give the exit status; bugs are raised again."""
    match error:
        case click.ClickException():
            error.show()
            return USAGE_STATUS
        case click.exceptions.Exit():
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():
            _tell_how_to_go_on(session, arguments)
            return INTERRUPTED_STATUS
        case PipelineError():
            if session.debug:
                traceback.print_exception(error)
            click.echo(f"error: {error}", err=True)
            return error.exit_status
        case ModuleNotFoundError() if _is_missing(error) and not session.debug:
            package = str(error.name).partition(".")[0]
            click.echo(
                f"error: expected the Python package {package}. Received: it is not installed in "
                f"{sys.prefix}. Run `make setup`, or: {sys.executable} -m pip install {package}",
                err=True,
            )
            return MissingToolError.exit_status
        case BrokenPipeError():
            # The reader of standard output has gone, as in `espalier boards | head -1`.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
    raise error


def _is_missing(error: ModuleNotFoundError) -> bool:
    """Whether it is a package of others that is not there, and no bug."""
    return (error.name or "").partition(".")[0] not in ("", "pipeline")


def _tell_how_to_go_on(session: Session, arguments: Sequence[str] | None) -> None:
    again = shlex.join(["espalier", *(sys.argv[1:] if arguments is None else arguments)])
    place = session.place()
    where = f" in {place}" if place else ""
    click.echo(f"\nInterrupted{where}. What is finished is kept; go on with: {again}", err=True)
