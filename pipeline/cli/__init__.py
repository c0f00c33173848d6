"""The console command: verbs, options, exit statuses. It prints; nothing below it does."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
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
from pipeline.cli.words import COMPLETE_VARIABLE
from pipeline.errors import MissingToolError, PipelineError

USAGE_STATUS = 2
INTERRUPTED_STATUS = 130
TERMINATED_STATUS = 143
# Until a signal that was lost comes again: the callback that swallowed it is over by then.
_AGAIN_S = 0.05

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
    signal.signal(signal.SIGTERM, _terminate)
    sys.unraisablehook = _send_lost_signal_again
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
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
        status = 0
    except click.ClickException as error:
        error.show()
        status = USAGE_STATUS
    except click.exceptions.Exit as error:
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _tell_how_to_go_on(session, arguments)
        status = INTERRUPTED_STATUS
    except _Terminated:
        _tell_how_to_go_on(session, arguments)
        status = TERMINATED_STATUS
    except PipelineError as error:
        if session.debug:
            traceback.print_exc()
        click.echo(f"error: {error}", err=True)
        status = error.exit_status
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if session.debug or package in ("", "pipeline"):
            raise
        click.echo(
            f"error: expected the Python package {package}. Received: it is not installed in "
            f"{sys.prefix}. Run `make setup`, or: {sys.executable} -m pip install {package}",
            err=True,
        )
        status = MissingToolError.exit_status
    except BrokenPipeError:
        # The reader of standard output has gone, as in `espalier boards | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


class _Terminated(SystemExit):
    """SIGTERM came: the exit closes devices and removes temporary folders."""


def _terminate(number: int, frame: object) -> NoReturn:
    raise _Terminated(TERMINATED_STATUS)


def _send_lost_signal_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Heed a signal that came where Python drops exceptions, as in a callback of its collector.

    Ctrl-C or SIGTERM would be lost there, and hours of training go on.
    """
    lost = {KeyboardInterrupt: signal.SIGINT, _Terminated: signal.SIGTERM}
    if unraisable.exc_type not in lost:
        sys.__unraisablehook__(unraisable)
        return
    again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), lost[unraisable.exc_type]))
    again.daemon = True
    again.start()


def _tell_how_to_go_on(session: Session, arguments: Sequence[str] | None) -> None:
    again = shlex.join(["espalier", *(sys.argv[1:] if arguments is None else arguments)])
    place = session.place()
    where = f" in {place}" if place else ""
    click.echo(f"\nInterrupted{where}. What is finished is kept; go on with: {again}", err=True)
