"""The verbs that take a model towards a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import BOARD, CAMERA, ENGINE, HTML, JSON, KEEP_CHANNELS, TOOLCHAIN, verb
from pipeline.cli.output import check_writable, require_match, show, write_text

if TYPE_CHECKING:
    from pipeline.records import Board


@verb
@click.argument("model", type=click.Path(path_type=Path))
@BOARD
@ENGINE
@TOOLCHAIN
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
@KEEP_CHANNELS
@HTML
@JSON
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
    html_path: Path | None,
    json_path: Path | None,
) -> None:
    """Bring MODEL (.tflite, or .keras with --data) onto a board and compare every output."""
    from pipeline import stages
    from pipeline.device.board import load_board
    from pipeline.report.tables import deployment_tables

    for path in (outputs_path, html_path, json_path):
        check_writable(path)
    target = stages.Target(
        board=load_board(board),
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
    if html_path is not None:
        write_text("--html", html_path, stages.page_of_deployment(deployment, target.board))
    show(deployment.report, json_path, deployment_tables)
    require_match(deployment.report)


@verb
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", default="mps2_an386", show_default=True, help="Where it is to run.")
@ENGINE
@KEEP_CHANNELS
@click.option(
    "--svg",
    "svg_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw the memory over the steps of the schedule.",
)
@JSON
def plan(
    model: Path,
    board: str,
    engine: str,
    keep_constant_channels: bool,
    svg_path: Path | None,
    json_path: Path | None,
) -> None:
    """Show the memory plan and the sizes of MODEL (.tflite) without building anything."""
    from pipeline import stages
    from pipeline.device.board import load_board
    from pipeline.report.memory import plan_report
    from pipeline.report.memory_picture import memory_picture
    from pipeline.report.tables import plan_tables

    facts = load_board(board)
    if engine == "tflm":
        _plan_tflm(model, facts, svg_path, json_path)
        return
    made = stages.plan_model(model, facts, keep_constant_channels=keep_constant_channels)
    if svg_path is not None:
        write_text("--svg", svg_path, memory_picture(made))
    show(plan_report(made, stages.layer_macs(made), facts), json_path, plan_tables)
    stages.check_fits(made, facts)


def _plan_tflm(model: Path, board: Board, svg_path: Path | None, json_path: Path | None) -> None:
    from pipeline import stages
    from pipeline.report.tflm import tflm_plan_report
    from pipeline.report.tflm_table import tflm_plan_tables

    if svg_path is not None:
        raise click.UsageError("--svg draws plans of engine aot; TFLM plans its memory itself.")
    made = stages.plan_tflm(model, board)
    show(tflm_plan_report(made, board), json_path, tflm_plan_tables)
    stages.check_fits(made, board)


@verb
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A new or empty folder.",
)
@click.option("--board", help="Whose core's kernels to take.  [default: those for any core]")
@CAMERA
@ENGINE
@KEEP_CHANNELS
def generate(
    model: Path,
    out: Path,
    board: str | None,
    engine: str,
    camera: str | None,
    keep_constant_channels: bool,
) -> None:
    """Write MODEL (.tflite) as C11 with the kernels it calls, or as C++ for TFLM."""
    from pipeline import stages
    from pipeline.data.frames import parse_camera
    from pipeline.device.board import load_board

    command = f"espalier generate {model.name}" + (f" --board {board}" if board else "")
    command += f" --camera {camera}" if camera else ""
    command += " --engine tflm" if engine == "tflm" else ""
    command += " --keep-constant-channels" if keep_constant_channels else ""
    for name in stages.export_sources(
        model,
        out,
        command=command,
        board=None if board is None else load_board(board),
        engine=engine,
        keep_constant_channels=keep_constant_channels,
        camera=None if camera is None else parse_camera(camera),
    ):
        click.echo(out / name)


@verb
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The smaller .tflite.",
)
@JSON
def slim(model: Path, out: Path, json_path: Path | None) -> None:
    """Write MODEL (.tflite) without constant channels and unused parts; outputs stay the same."""
    from pipeline import stages
    from pipeline.report.tables import slim_tables

    for path in (out, json_path):
        check_writable(path)
    show(stages.slim_file(model, out), json_path, slim_tables)


@verb
@JSON
def boards(json_path: Path | None) -> None:
    """List the boards."""
    import dataclasses

    from pipeline.device.board import board_names, load_board
    from pipeline.report.tables import board_tables

    rows = {name: dataclasses.asdict(load_board(name)) for name in board_names()}
    show({"boards": list(rows.values())}, json_path, board_tables)
