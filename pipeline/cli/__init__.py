"""The console command: verbs, options, exit statuses. It prints; nothing below it does."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from pipeline import __version__
from pipeline.cli import (
    building,
    desk,
    exporting,
    measuring,
    models,
    profiling,
    pruning,
    runs,
    studies,
)
from pipeline.cli.options import Session, Verbs, common
from pipeline.errors import PipelineError

USAGE_STATUS = 2
INTERRUPTED_STATUS = 130
TERMINATED_STATUS = 143

VERBS = (
    runs.run,
    runs.train,
    runs.quantize,
    building.build,
    measuring.measure,
    runs.report,
    models.deploy,
    models.plan,
    models.generate,
    exporting.export,
    models.slim,
    models.boards,
    desk.ports,
    desk.flash,
    desk.monitor,
    profiling.profile,
    profiling.zoo,
    pruning.prune,
    studies.study,
)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="espalier")
@common
def cli() -> None:
    """Keras models to bit-exact int8 firmware, measured over a serial line.

    Results go to standard output, progress to standard error. Exit status: 0 done, 1 a gate
    failed (mismatch, accuracy, build), 2 usage or configuration, 3 a tool is missing, 4 no
    device, 5 device protocol or timeout, 6 unsupported model, 7 does not fit, 130 interrupted.
    """


for _command in VERBS:
    cli.add_command(_command)


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
