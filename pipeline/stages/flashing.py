"""A model file through all stages onto a board that is plugged in, and proof that it runs there."""

from __future__ import annotations

import dataclasses
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
from pipeline.paths import cache_path
from pipeline.records import AnyPlan, Board, SourceTree
from pipeline.report.progress import Reporter
from pipeline.stages.deployment import Request, quantized_model, work_folder
from pipeline.stages.firmware import Stages, Target, plain_name
from pipeline.stages.flashed import Flashed, remember
from pipeline.stages.uploading import USUAL_PATIENCE, Patience, upload_with_tries, verify

# The engine that needs no model: what device tests talk to.
ECHO = "echo"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashRequest:
    """What to flash, and where.

    Attributes:
        model: a .tflite, a .keras with `data`, or the folder of a run; None is the firmware
            without a model, whose engine echoes its input.
        data: what calibrates a .keras.
        port: that the user names; "" is to look for the board.
        work: where everything is kept; None is a folder of the cache.
    """

    model: Path | None
    data: str | None = None
    port: str = ""
    work: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    """A firmware that can be uploaded, and the model in it, if any."""

    image: Image
    tflite: Path | None
    name: str
    sha256: str | None


def flash(
    request: FlashRequest,
    target: Target,
    reporter: Reporter,
    patience: Patience = USUAL_PATIENCE,
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
    model, name = (None, ECHO) if request.model is None else _model_of(request.model)
    if model is None:
        target = dataclasses.replace(target, engine=ECHO)
    # Before minutes of building: what keeps it from being uploaded in the end.
    port = find_port(board, request.port)
    check_port(port)
    reporter.headline(f"board {board.name} on {port}")
    if port.usb_id and port.usb_id not in board.usb_ids:
        reporter.log(f"USB id {port.usb_id} is none of this board's: taken because --port says so")
    folder = _folder_for(request, model, target)
    stages = Stages(folder, target, reporter, command=_command(request))
    with folder.open(wait=True):
        built = _build(request, model, name, stages)
        logs = _log_folder(folder)
        port = _still_there(port, board)
        reporter.headline("upload")
        upload_with_tries(built.image, board, port, logs, reporter, patience)
        reporter.headline("verify")
        port, info = verify(built.image.firmware.build_id, board, port, reporter, patience)
        kept = None if built.tflite is None else _remember(built, built.tflite, port)
    return {
        "board": board.name,
        "engine": target.engine,
        "port": port.path,
        "usb_id": port.usb_id,
        "serial_number": port.serial_number,
        "model": {"name": built.name, "sha256": built.sha256},
        "build_id": info.build_id,
        "toolchain": built.image.firmware.toolchain,
        "arena_bytes": info.arena_bytes,
        "tflite": None if kept is None else str(kept.tflite),
        "logs": str(logs),
    }


def _build(request: FlashRequest, model: Path | None, name: str, stages: Stages) -> _Built:
    """Make the firmware: of a model, or without one."""
    plan: AnyPlan | None = None
    tflite, sha256 = None, None
    if model is None:
        empty = stages.folder.root / "no-model"
        empty.mkdir(exist_ok=True)
        source = SourceTree(root=empty, files=(), digest="")
    else:
        tflite = quantized_model(_deploy_request(request, model), stages)
        plan = stages.plan(tflite, name=name)
        source = stages.generate(plan)
        name, sha256 = plan.graph.name, plan.graph.sha256
    firmware = stages.build(source, plan)
    image = Image(firmware=firmware, source=source, model_name=plain_name(name))
    return _Built(image=image, tflite=tflite, name=name, sha256=sha256)


def _remember(built: _Built, tflite: Path, port: Port) -> Flashed:
    firmware = built.image.firmware
    return remember(
        Flashed(
            tflite=tflite,
            model_name=built.name,
            board=firmware.board,
            engine=firmware.engine,
            firmware=firmware,
            port=port.path,
            when=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        )
    )


def _command(request: FlashRequest) -> str:
    """What the heads of generated files say made them."""
    return f"espalier flash {'--echo' if request.model is None else request.model.name}"


def _deploy_request(request: FlashRequest, model: Path) -> Request:
    return Request(
        model=model, inputs="", data=request.data, work=request.work, command=_command(request)
    )


def _folder_for(request: FlashRequest, model: Path | None, target: Target) -> RunFolder:
    if model is not None:
        return work_folder(_deploy_request(request, model), target)
    return RunFolder(request.work or cache_path() / "deploy" / f"{target.board.name}-{ECHO}")


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
