"""The verbs that take a model towards a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli import words
from pipeline.cli.options import (
    BOARD,
    CALIBRATION,
    CAMERA,
    ENGINE,
    HTML,
    JSON,
    KEEP_CHANNELS,
    TOOLCHAIN,
    WORK,
    verb,
)
from pipeline.cli.output import check_writable, require_match, show, write_text

if TYPE_CHECKING:
    from pipeline.records import Board


@verb
@click.argument("model", type=click.Path(path_type=Path))
@BOARD
@ENGINE
@TOOLCHAIN
@click.option(
    "--emulator",
    default="auto",
    show_default=True,
    shell_complete=words.emulators,
    help="One of the board's devices.",
)
@click.option(
    "--inputs",
    "spec",
    default="random:1:5",
    show_default=True,
    metavar="SPEC",
    help="random:SEED:N, a folder of raw tensors with y_labels.csv, an .npz (x, y), or a "
    "folder of class folders with pictures.",
)
@CALIBRATION
@click.option("--warmup", default=1, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--outputs",
    "outputs_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what the device answered: x and y, or x0, x1, ... and y0, y1, ...",
)
@WORK
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
    """Bring MODEL (.tflite, or .keras with --data) onto a board and compare every output.

    Examples:
      espalier deploy model.tflite
      espalier deploy model.keras --data ~/pictures --board nrf52840
      espalier deploy model.tflite --inputs samples.npz --outputs answers.npz --json -
    """
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
@BOARD
@ENGINE
@KEEP_CHANNELS
@click.option(
    "--svg",
    "svg_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw the memory over the steps of the schedule.",
)
@click.option(
    "--tflm-offline",
    "offline_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OUT.tflite",
    help="Write the model with places for its tensors, which TensorFlow Lite Micro follows.",
)
@click.option(
    "--tflm-runtime",
    "runtime",
    metavar="NAME",
    help="Whose memory to plan; see docs/tflm.md.  [default: the board's]",
)
@JSON
def plan(
    model: Path,
    board: str,
    engine: str,
    keep_constant_channels: bool,
    svg_path: Path | None,
    offline_path: Path | None,
    runtime: str | None,
    json_path: Path | None,
) -> None:
    """Show the memory plan and the sizes of MODEL (.tflite) without building anything.

    Examples:
      espalier plan model.tflite
      espalier plan model.tflite --board esp32 --svg memory.svg
      espalier plan model.tflite --engine tflm
      espalier plan model.tflite --tflm-offline planned.tflite
    """
    from pipeline import stages
    from pipeline.device.board import load_board
    from pipeline.report.memory import plan_report
    from pipeline.report.memory_picture import memory_picture
    from pipeline.report.tables import plan_tables

    facts = load_board(board)
    if offline_path is not None:
        _plan_tflm_offline(model, offline_path, facts, runtime, json_path)
        return
    if runtime is not None:
        raise click.UsageError("--tflm-runtime goes with --tflm-offline; a board has its own.")
    if engine == "tflm":
        _plan_tflm(model, facts, svg_path, json_path)
        return
    with click.get_current_context().obj.reporter().steps("planning"):
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


def _plan_tflm_offline(
    model: Path, out: Path, board: Board, runtime: str | None, json_path: Path | None
) -> None:
    from pipeline import stages
    from pipeline.report.tflm_table import offline_tables

    for path in (out, json_path):
        check_writable(path)
    show(stages.plan_tflm_offline(model, out, board, runtime), json_path, offline_tables)


@verb
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A new or empty folder.",
)
@click.option(
    "--board",
    shell_complete=words.boards,
    help="Whose core's kernels to take.  [default: those for any core]",
)
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
    """Write MODEL (.tflite) as C11 with the kernels it calls, or as C++ for TFLM.

    Examples:
      espalier generate model.tflite --out my_project/model
      espalier generate model.tflite --out model --camera 160x120:rgb565
    """
    from pipeline import stages
    from pipeline.data.frames import parse_camera
    from pipeline.device.board import load_board

    command = f"espalier generate {model.name}" + (f" --board {board}" if board else "")
    command += f" --camera {camera}" if camera else ""
    command += " --engine tflm" if engine == "tflm" else ""
    command += " --keep-constant-channels" if keep_constant_channels else ""
    with click.get_current_context().obj.reporter().steps("generating"):
        names = stages.export_sources(
            model,
            out,
            command=command,
            board=None if board is None else load_board(board),
            engine=engine,
            keep_constant_channels=keep_constant_channels,
            camera=None if camera is None else parse_camera(camera),
        )
    for name in names:
        click.echo(out / name)


@verb
@click.argument("model", metavar="IN.tflite", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT.tflite", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--constant-channels",
    is_flag=True,
    help="Also remove channels that no input changes or no output depends on.",
)
@click.option(
    "--keep-names",
    is_flag=True,
    help="Leave the names of computed tensors and the signature in.",
)
@click.option(
    "--keep-bias-scales",
    is_flag=True,
    help="Leave the scales of convolutions' biases in, for delegates and compilers that ask.",
)
@JSON
def slim(
    model: Path,
    out: Path,
    constant_channels: bool,
    keep_names: bool,
    keep_bias_scales: bool,
    json_path: Path | None,
) -> None:
    """Write a .tflite without what no operator reads, and prove that outputs stay the same.

    Examples:
      espalier slim model.tflite small.tflite
      espalier slim model.tflite small.tflite --constant-channels
    """
    from pipeline import stages
    from pipeline.report.slim_table import slim_tables

    for path in (out, json_path):
        check_writable(path)
    options = stages.SlimOptions(
        constant_channels=constant_channels,
        keep_names=keep_names,
        keep_bias_scales=keep_bias_scales,
    )
    show(stages.slim_file(model, out, options), json_path, slim_tables)


@verb
@JSON
def boards(json_path: Path | None) -> None:
    """List the boards.

    Examples:
      espalier boards
      espalier boards --json boards.json
    """
    import dataclasses

    from pipeline.device.board import board_names, load_board
    from pipeline.report.tables import board_tables

    rows = {name: dataclasses.asdict(load_board(name)) for name in board_names()}
    show({"boards": list(rows.values())}, json_path, board_tables)
