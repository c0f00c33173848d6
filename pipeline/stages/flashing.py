"""A model file through all stages onto a board that is plugged in, and proof that it runs there."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import RunFolder
from pipeline.build.upload import Image
from pipeline.device.board import board_names, load_board
from pipeline.device.ports import Port, check_port, find_again, find_port
from pipeline.errors import ConfigError, DeviceError
from pipeline.records import Board
from pipeline.report.progress import Reporter
from pipeline.stages.deployment import Request, quantized_model, work_folder
from pipeline.stages.firmware import Stages, Target, plain_name
from pipeline.stages.flashed import Flashed, remember
from pipeline.stages.uploading import USUAL_PATIENCE, Patience, upload_with_tries, verify


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashRequest:
    """What to flash, and where.

    Attributes:
        model: a .tflite, a .keras with `data`, or the folder of a run.
        data: what calibrates a .keras.
        port: that the user names; "" is to look for the board.
        work: where everything is kept; None is a folder of the cache.
    """

    model: Path
    data: str | None = None
    port: str = ""
    work: Path | None = None


def flash(
    request: FlashRequest, target: Target, reporter: Reporter, patience: Patience = USUAL_PATIENCE
) -> Mapping[str, Any]:
    """Build a model for a board, upload it, and ask the board whether it runs.

    Args:
        request: what and where.
        target: the board, engine and compiler.
        reporter: told about every stage.
        patience: how long the board may take.
    Returns:
        The JSON object that `espalier flash --json` writes.
    Raises:
        ConfigError: the board cannot be flashed, or there is no such model.
        DeviceError: no board, or it does not take or run the firmware.
        PipelineError: any; see the stages.
    """
    board = target.board
    _check_can_be_flashed(board)
    model, name = _model_of(request.model)
    # Before minutes of building: what keeps it from being uploaded in the end.
    port = find_port(board, request.port)
    check_port(port)
    reporter.headline(f"board {board.name} on {port}")
    if port.usb_id and port.usb_id not in board.usb_ids:
        reporter.log(f"USB id {port.usb_id} is none of this board's: taken because --port says so")
    deploy_request = Request(
        model=model,
        inputs="",
        data=request.data,
        work=request.work,
        command=f"espalier flash {request.model.name}",
    )
    folder = work_folder(deploy_request, target)
    stages = Stages(folder, target, reporter, command=deploy_request.command)
    with folder.open(wait=True):
        tflite = quantized_model(deploy_request, stages)
        plan = stages.plan(tflite, name=name)
        source = stages.generate(plan)
        firmware = stages.build(source, plan.graph.name)
        image = Image(
            firmware=firmware,
            source=source,
            model_name=plain_name(plan.graph.name),
        )
        reporter.headline("upload")
        logs = _log_folder(folder)
        port = _still_there(port, board)
        upload_with_tries(image, board, port, logs, reporter, patience)
        reporter.headline("verify")
        port, info = verify(firmware.build_id, board, port, reporter, patience)
        flashed = remember(
            Flashed(
                tflite=tflite,
                model_name=plan.graph.name,
                board=board.name,
                engine=target.engine,
                firmware=firmware,
                port=port.path,
                when=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            )
        )
    return {
        "board": board.name,
        "engine": target.engine,
        "port": port.path,
        "usb_id": port.usb_id,
        "serial_number": port.serial_number,
        "model": {"name": plan.graph.name, "sha256": plan.graph.sha256},
        "build_id": info.build_id,
        "toolchain": firmware.toolchain,
        "arena_bytes": info.arena_bytes,
        "tflite": str(flashed.tflite),
        "logs": str(logs),
        "when": flashed.when,
    }


def _check_can_be_flashed(board: Board) -> None:
    if board.upload:
        return
    names = [name for name in board_names() if load_board(name).upload]
    raise ConfigError(
        f"board '{board.name}': expected one that firmware can be uploaded to: "
        f"{', '.join(names) or 'there is none'}. Received: one that "
        f"{'is emulated' if board.emulators else 'has no way of uploading'}. "
        "`espalier deploy` runs models on emulated boards."
    )


def _model_of(path: Path) -> tuple[Path, str]:
    """The model file that a user names, and what to call the model ("": as the file).

    Raises:
        ConfigError: a folder that is no run's, or one whose model is not made yet.
    """
    if path.is_file():
        return path, ""
    tflite = path / "quantize" / "model.tflite"
    if not tflite.is_file():
        received = f"a folder without {tflite}" if path.is_dir() else "nothing of that name"
        raise ConfigError(
            f"{path}: expected a model file, or the folder of a run. Received: {received}. "
            "`make run` makes runs/person."
        )
    return tflite, path.resolve().name


def _log_folder(folder: RunFolder) -> Path:
    """An empty folder for PlatformIO's logs."""
    logs = folder.root / "upload"
    logs.mkdir(exist_ok=True)
    for old in logs.glob("upload-*.log"):
        old.unlink()
    return logs


def _still_there(port: Port, board: Board) -> Port:
    """Where the board is after the build."""
    found = find_again(port, board)
    if found is None and not Path(port.path).exists():
        raise DeviceError(
            f"{port.path}: the board must stay plugged in. Received: its port went away during "
            "the build. Plug it in again; what is built is kept."
        )
    return found or port
