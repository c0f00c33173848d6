"""The verbs for a board on the desk: what is plugged in, flash it, talk to it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline.cli import words
from pipeline.cli.options import CALIBRATION, ENGINE, JSON, KEEP_CHANNELS, TOOLCHAIN, WORK, verb
from pipeline.cli.output import check_writable, show

PORT = click.option(
    "--port", default="", metavar="PORT", help="Where the board is.  [default: found by USB ids]"
)


@verb
@JSON
def ports(json_path: Path | None) -> None:
    """List the serial ports, and which board each may be.

    Examples:
      espalier ports
    """
    import dataclasses

    from pipeline.device.board import board_names, load_board
    from pipeline.device.ports import list_ports, port_state
    from pipeline.report.desk_tables import port_tables

    known = [load_board(name) for name in board_names()]
    rows = [
        dataclasses.asdict(port)
        | {
            "boards": [board.name for board in known if port.usb_id in board.usb_ids],
            "state": port_state(port),
        }
        for port in list_ports()
    ]
    show({"ports": rows}, json_path, port_tables)


@verb
@click.argument("model", required=False, type=click.Path(path_type=Path), shell_complete=words.runs)
@click.option("--echo", is_flag=True, help="Instead of MODEL: the firmware that only echoes.")
@click.option(
    "--board",
    required=True,
    shell_complete=words.boards,
    help="A folder of boards/, of a board that is plugged in.",
)
@PORT
@ENGINE
@TOOLCHAIN
@CALIBRATION
@WORK
@KEEP_CHANNELS
@JSON
def flash(
    model: Path | None,
    echo: bool,
    board: str,
    port: str,
    engine: str,
    toolchain: str,
    data: str | None,
    work: Path | None,
    keep_constant_channels: bool,
    json_path: Path | None,
) -> None:
    """Build MODEL, write it onto the board that is plugged in, and ask the board whether it runs.

    MODEL is a .tflite, a .keras with --data, or the folder of a run. With --echo the board gets
    the firmware without a model, which device tests talk to.

    Examples:
      espalier flash model.tflite --board nano33
      espalier flash runs/person --board esp32 --port /dev/ttyUSB0
      espalier flash --echo --board nano33
    """
    from pipeline import stages
    from pipeline.device.board import load_board
    from pipeline.report.desk_tables import flash_tables

    if echo == (model is not None):
        raise click.UsageError("Expected either MODEL or --echo.")
    check_writable(json_path)
    target = stages.Target(
        board=load_board(board),
        engine=engine,
        toolchain=toolchain,
        keep_constant_channels=keep_constant_channels,
    )
    request = stages.FlashRequest(model=model, data=data, port=port, work=work)
    report = stages.flash(request, target, click.get_current_context().obj.reporter())
    show(report, json_path, flash_tables)


@verb
@click.option(
    "--board",
    default="",
    shell_complete=words.boards,
    help="What is plugged in.  [default: any board, if only one]",
)
@PORT
@click.option("--baud", "baud_rate", default=115200, show_default=True, type=click.IntRange(min=50))
@click.option(
    "--seconds", type=click.FloatRange(min=0), help="End after so long.  [default: on Ctrl-C]"
)
def monitor(board: str, port: str, baud_rate: int, seconds: float | None) -> None:
    """Show what a board sends, and send it what is typed: `name`, `info`, `infer 1 0`, ...

    A '%' is added to each line. From a pipe, a line is sent once the one before is answered, and
    the end of the pipe ends the monitor. Ctrl-C is the usual end otherwise: exit status 0.

    Examples:
      espalier monitor
      espalier monitor --board nano33 --seconds 10
    """
    from pipeline.device.board import board_names, load_board
    from pipeline.device.monitor import Monitor, TypedLines
    from pipeline.device.ports import find_any_port, find_port, named_port

    chosen = load_board(board) if board else None
    if port:
        found = named_port(port)
    elif chosen is not None:
        found = find_port(chosen)
    else:
        found = find_any_port(tuple(load_board(name) for name in board_names()))
    reporter = click.get_current_context().obj.reporter()
    terminal = Monitor(
        found, chosen, TypedLines(_input()), show=click.echo, note=reporter.log, baud_rate=baud_rate
    )
    try:
        terminal.run(seconds)
    except KeyboardInterrupt:
        reporter.log("ended")


def _input() -> int | None:
    """The descriptor of standard input; None where there is none."""
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None
