"""The verb that makes a library of a model."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from pipeline.cli import words
from pipeline.cli.options import CAMERA, KEEP_CHANNELS, verb


@verb
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--as", "kind", required=True, metavar="KIND", help="arduino, platformio, esp-idf or c."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A new folder, or a new file that ends in .zip.",
)
@click.option(
    "--name",
    default="",
    help="Of the library, and in front of its C names.  [default: after MODEL]",
)
@click.option(
    "--board", shell_complete=words.boards, help="The only board it is for.  [default: any core]"
)
@CAMERA
@KEEP_CHANNELS
def export(
    model: Path,
    kind: str,
    out: Path,
    name: str,
    board: str | None,
    camera: str | None,
    keep_constant_channels: bool,
) -> None:
    """Make MODEL (.tflite) a library with examples, for projects of Arduino, PlatformIO or C.

    Examples:
      espalier export model.tflite --as arduino --out person.zip
      espalier export model.tflite --as esp-idf --out components/person --board esp32
    """
    from pipeline import stages
    from pipeline.data.frames import parse_camera
    from pipeline.device.board import load_board

    options = [("--as", kind), ("--name", name), ("--board", board), ("--camera", camera)]
    words = ["espalier", "export", model.name]
    words += [word for option, value in options if value for word in (option, value)]
    words += ["--keep-constant-channels"] if keep_constant_channels else []
    request = stages.ExportRequest(
        model=model,
        kind=kind,
        out=out,
        name=name,
        board=None if board is None else load_board(board),
        camera=None if camera is None else parse_camera(camera),
        keep_constant_channels=keep_constant_channels,
        command=shlex.join(words),
    )
    with click.get_current_context().obj.reporter().steps("exporting"):
        files = stages.export_library(request)
    for file in files:
        click.echo(f"{out}/{file}" if out.suffix != ".zip" else file)
