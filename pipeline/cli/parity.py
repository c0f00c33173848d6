"""The verb that shows one model giving the same answers everywhere."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import BOARD, CALIBRATION, JSON, verb
from pipeline.cli.output import check_writable, show
from pipeline.errors import MismatchError


@verb
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--float",
    "float_model",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The Keras model that a .tflite was made from.",
)
@CALIBRATION
@click.option(
    "--inputs",
    "spec",
    default="random:1:5",
    show_default=True,
    metavar="SPEC",
    help="As of `espalier deploy`.",
)
@BOARD
@click.option("--emulator", default="auto", show_default=True, help="One of the board's devices.")
@JSON
def parity(
    model: Path,
    float_model: Path | None,
    data: str | None,
    spec: str,
    board: str,
    emulator: str,
    json_path: Path | None,
) -> None:
    """Compare MODEL on the same inputs: float, TFLite, TFLM, generated engine, device.

    MODEL is a .tflite, or a .keras with --data.

    Examples:
      espalier parity model.tflite
      espalier parity model.tflite --float model.keras --inputs random:1:20 --board mps2_an386
    """
    from pipeline import stages
    from pipeline.device.board import load_board
    from pipeline.report.quantization import parity_tables

    check_writable(json_path)
    request = stages.ParityRequest(
        model=model,
        float_model=float_model,
        data=data,
        inputs=spec,
        board=load_board(board),
        emulator=emulator,
    )
    found = stages.check_parity(request, click.get_current_context().obj.reporter())
    show(found.report, json_path, parity_tables)
    if found.failure is not None:
        raise found.failure
    if found.report["mismatches"]:
        raise MismatchError(
            f"{found.report['mismatches']} outputs of the generated engine differ from TFLite's "
            "reference kernels. Expected: none. Please report the model as a bug."
        )
