"""What is on a board, measured as it is: nothing is built and nothing is flashed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.device.base import Device
from pipeline.device.info import DeviceInfo
from pipeline.device.ports import find_port
from pipeline.device.protocol import Client
from pipeline.device.serial import SerialDevice
from pipeline.errors import ConfigError, DeviceError
from pipeline.measure.board import measure_board
from pipeline.measure.session import check_identity
from pipeline.records import Board, BoardMeasurement, DeployPlan, Firmware, InputSet
from pipeline.report.measurement import measurement_report
from pipeline.report.progress import Reporter
from pipeline.stages.flashed import Flashed, recall
from pipeline.stages.inputs import read_inputs
from pipeline.stages.planning import layer_macs, plan_model


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRequest:
    """What to measure.

    Attributes:
        board: what it is to be.
        port: where it is; None to find it by its USB ids.
        model: the .tflite that is on it; None for the one that was flashed.
        inputs: their spec, as the user wrote it.
        timed: inferences to time.
        warmup: inferences before them.
    """

    board: Board
    port: str | None = None
    model: Path | None = None
    inputs: str = "random:1:10"
    timed: int = 100
    warmup: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """The model on a board: its file, its plan, and whether the board's layers are the plan's."""

    tflite: bytes
    plan: DeployPlan
    layers_known: bool
    firmware: Firmware | None


def measure_on_board(request: BoardRequest, reporter: Reporter) -> dict[str, Any]:
    """Measure the firmware that a board runs, every output against the reference.

    Returns:
        The JSON object of pipeline/report/measurement.py.
    Raises:
        DeviceError: no board, another model on it, or none that this checkout knows.
        PipelineError: see `measure_board`, `plan_model`, `read_inputs`.
    """
    # Before the board is looked for: this is what the user can mend at once.
    _check_model(request.model)
    port = find_port(request.board, request.port or "").path
    reporter.headline(f"measure {request.board.name} on {port}")
    with SerialDevice(port) as device:
        client = Client(device)
        client.connect()
        info = client.info()
        check_identity(device, info, {"board": request.board.name})
        with reporter.steps("planning"):
            subject = _subject(request, port, info)
        with reporter.steps("reading the inputs"):
            inputs = read_inputs(request.inputs, subject.plan, reporter)
        measured = _measure(request, port, (device, client), subject, inputs, reporter)
    return measurement_report(
        subject.plan,
        layer_macs(subject.plan),
        measured,
        inputs,
        firmware=subject.firmware,
        layers_known=subject.layers_known,
    )


def _check_model(model: Path | None) -> None:
    """Raise ConfigError unless it is a .tflite, or there is none."""
    if model is None or (model.is_file() and model.suffix == ".tflite"):
        return
    received = "a file of another kind" if model.is_file() else "no such file"
    raise ConfigError(
        f"{model}: expected the .tflite that is on the board. Received: {received}. Leave it out "
        "for the one that was flashed."
    )


def _measure(
    request: BoardRequest,
    port: str,
    line: tuple[Device, Client],
    subject: _Subject,
    inputs: InputSet,
    reporter: Reporter,
) -> BoardMeasurement:
    from pipeline.reference import ReferenceModel

    reporter.log(f"{len(inputs.x[0]):,} inputs, {request.timed:,} timed inferences")
    with reporter.steps("reference") as step:
        expected = ReferenceModel(subject.tflite).run(inputs.x, step)
    with reporter.steps("inferences") as step:
        return measure_board(
            *line,
            request.board,
            inputs,
            expected,
            port=port,
            model_sha256=subject.plan.graph.sha256,
            timed=request.timed,
            warmup=request.warmup,
            on_progress=step,
        )


def _subject(request: BoardRequest, port: str, info: DeviceInfo) -> _Subject:
    """The model that a board runs: the one that is named, or the one that was flashed."""
    flashed: Flashed | None = None
    # A firmware that was flashed from elsewhere is measured as well, if its model is named.
    with contextlib.nullcontext() if request.model is None else contextlib.suppress(DeviceError):
        flashed = recall(info.build_id)
    path = request.model or (None if flashed is None else flashed.tflite)
    assert path is not None
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != info.model_sha256:
        other = "" if flashed is None else f" That is {flashed.model_name}."
        raise DeviceError(
            f"{port}: another model is on the board. Expected {path.name} with sha256 {sha256}. "
            f"Received: {info.model_sha256}.{other} Flash {path.name}, or leave MODEL out."
        )
    plan, known = _plan_of(path, request.board, info)
    if flashed is not None:
        # A run's model has a name of its own, and its file has none.
        graph = dataclasses.replace(plan.graph, name=flashed.model_name)
        plan = dataclasses.replace(plan, graph=graph)
    return _Subject(
        tflite=content,
        plan=plan,
        layers_known=known,
        firmware=None if flashed is None else flashed.firmware,
    )


def _plan_of(tflite: Path, board: Board, info: DeviceInfo) -> tuple[DeployPlan, bool]:
    """The plan that a firmware was generated from, and whether there is one.

    With or without constant channels: the board does not say which, but layers and arena do.
    """
    plans = [plan_model(tflite, board, keep_constant_channels=keep) for keep in (False, True)]
    for plan in plans:
        if (len(plan.graph.ops), plan.arena_bytes) == (info.layers, info.arena_bytes):
            return plan, True
    # Another engine runs the operators of the file, in an arena of its own.
    whole = plans[-1]
    return whole, info.engine != "aot" and len(whole.graph.ops) == info.layers
