"""From a built image to a board that runs it: tries, waits, what to press, and the proof."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.build.upload import Image, upload
from pipeline.device.base import Deadline
from pipeline.device.info import DeviceInfo
from pipeline.device.port_access import permission_advice
from pipeline.device.ports import POLL_S, Port, find_again, wait_for
from pipeline.device.protocol import Client, Timeouts
from pipeline.device.serial import SerialDevice
from pipeline.errors import DeviceError, DeviceTimeout, PipelineError
from pipeline.records import Board
from pipeline.report.progress import Reporter

TRIES = 3
# What every USB bridge and cable carries.
SLOW_BAUD_RATE = 115200


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a board gets, in seconds.

    Attributes:
        settle_s: between two tries, and after an upload, for the port to vanish if it will.
        reappear_s: for the port to be there again before the next try.
        button_s: for a person to press a button, at most, where pressing it shows at the port.
        grasp_s: the same where it does not show.
        return_s: for the application's port after an upload.
        answer_s: for the application to say who it is, once its port is there.
        client: of each attempt at that.
    """

    settle_s: float = 1.5
    reappear_s: float = 5.0
    button_s: float = 20.0
    grasp_s: float = 5.0
    return_s: float = 10.0
    answer_s: float = 15.0
    client: Timeouts = Timeouts(banner_s=1.0, reply_s=3.0, probes_s=(1.0, 2.0))


USUAL_PATIENCE = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What is particular to a way of uploading; Board.upload names it.

    Attributes:
        speeds: baud rate of each try; None is the board's own.
        button: what a person can do before the last try.
        button_shows: whether the port vanishes or changes when the person does it.
        absent: what to try where the board does not come back after an upload.
    """

    speeds: tuple[int | None, ...]
    button: str
    button_shows: bool
    absent: str


_ISSUE_175 = (
    "Press reset. If that does not help, press it twice, quickly, and flash again. Versions of "
    "PlatformIO's platform nordicnrf52 from 9.6.0 on are reported to upload firmware that never "
    "shows its port (platform-nordicnrf52 #175): set 'platform = nordicnrf52 @ 9.5.0' in the "
    "board's platformio.ini and flash again."
)
METHODS = {
    "touch": Method(
        speeds=(None,) * TRIES,
        button="Press the board's reset button twice, quickly: its LED then fades in and out.",
        button_shows=True,
        absent=_ISSUE_175,
    ),
    "esptool": Method(
        speeds=(None, SLOW_BAUD_RATE, SLOW_BAUD_RATE),
        button="Hold the board's BOOT button down until the upload has begun.",
        button_shows=False,
        absent="Press reset (EN), or unplug the board and plug it in again.",
    ),
}


def upload_with_tries(
    image: Image,
    board: Board,
    port: Port,
    logs: Path,
    reporter: Reporter,
    patience: Patience = USUAL_PATIENCE,
) -> None:
    """Upload, up to TRIES times where port and uploader do not come together.

    Args:
        image: for this board.
        board: with a way of uploading.
        port: where the board is.
        logs: a folder; PlatformIO's log of each try is written there.
        reporter: told about every try, and what to press.
        patience: how long to wait.
    Raises:
        DeviceError: no try succeeded.
        MissingToolError, BuildError: as of `upload`.
    """
    method = METHODS[board.upload]
    complaint = ""
    for number, speed in enumerate(method.speeds, start=1):
        log_path = logs / f"upload-{number}.log"
        at = f" at {speed} baud" if speed else ""
        reporter.log(f"try {number} of {TRIES} on {port.path}{at}; PlatformIO's log: {log_path}")
        with reporter.steps("upload, percent") as step:
            complaint = upload(image, board, port.path, log_path, speed=speed, on_progress=step)
        if not complaint:
            return
        reporter.log(f"try {number} failed: {complaint}")
        if number == TRIES:
            break
        time.sleep(patience.settle_s)
        if number < TRIES - 1:
            port = _next_port(port, board, patience.reappear_s)
            continue
        reporter.headline(method.button)
        if method.button_shows:
            port = _next_port(port, board, patience.button_s, wait_for_change=True)
        else:
            time.sleep(patience.grasp_s)
            port = _next_port(port, board, patience.reappear_s)
    advice = f"{method.button} Then flash again. Try another cable, and a plug without a hub."
    if "Permission denied" in complaint:
        advice = permission_advice(port.path)
    raise DeviceError(
        f"{port.path}: board '{board.name}' must take the firmware in {TRIES} tries. Received, the "
        f"last time: {complaint.rstrip('.')}. {advice} PlatformIO's log is {log_path}."
    )


def _next_port(port: Port, board: Board, seconds: float, *, wait_for_change: bool = False) -> Port:
    """Where the board is for the next try.

    Args:
        port: where it was.
        board: what it is.
        seconds: to wait at most.
        wait_for_change: wait until the port has vanished or has another name or id, as a boot
            loader's has; a board that a person did not touch is tried all the same.
    """
    deadline = Deadline(seconds)
    has_changed = not wait_for_change
    found = None
    while not deadline.expired:
        found = find_again(port, board)
        has_changed |= found != port
        if found is not None and has_changed:
            return found
        time.sleep(POLL_S)
    if found is None:
        raise DeviceError(
            f"{port.path}: the port must come back within {seconds:g} s of a try. Received: "
            f"nothing of board '{board.name}' at that plug. Unplug the board, plug it in again, "
            "and flash again."
        )
    return found


def verify(
    build_id: str,
    board: Board,
    port: Port,
    reporter: Reporter,
    patience: Patience = USUAL_PATIENCE,
) -> tuple[Port, DeviceInfo]:
    """Wait until the board is back and says that it runs a firmware.

    Args:
        build_id: that it must say.
        board: what it is.
        port: where it was; it may come back under another name.
        reporter: told what is waited for.
        patience: how long to wait.
    Returns:
        Where it is now, and what it says.
    Raises:
        DeviceTimeout: it did not come back, or does not answer.
        ProtocolError: it answers nonsense.
        DeviceError: it runs another firmware, its engine did not start, or it was unplugged.
    """
    reporter.log("waiting for the board to start")
    time.sleep(patience.settle_s)
    found = wait_for(partial(find_again, port, board), patience.return_s)
    if found is None:
        raise DeviceTimeout(
            f"{port.path}: the upload succeeded, and the board's port must be back within "
            f"{patience.return_s:g} s. Received: no port. {METHODS[board.upload].absent}"
        )
    found, info = _ask(found, board, patience)
    if info.build_id != build_id:
        raise DeviceError(
            f"{found.path}: expected the firmware that was uploaded, build id '{build_id}'. "
            f"Received: '{info.build_id}' of board '{info.board}'. The upload did not take effect, "
            "or another board answers: unplug the others, and flash again."
        )
    if info.status != "ok":
        raise DeviceError(
            f"{found.path}: the firmware runs, but its engine did not start. Expected status 'ok'. "
            f"Received: '{info.status}'. Use a smaller model."
        )
    return found, info


def _ask(port: Port, board: Board, patience: Patience) -> tuple[Port, DeviceInfo]:
    """Ask until the application answers: right after an upload a boot loader may still be there."""
    deadline = Deadline(patience.answer_s)
    while True:
        try:
            with SerialDevice(port.path) as device:
                client = Client(device, patience.client)
                client.connect()
                return port, client.info()
        except DeviceError as error:
            if deadline.expired:
                raise _named(error, port) from error
            again = wait_for(partial(find_again, port, board), deadline.remaining_s)
            if again is None:
                raise _named(error, port) from error
            port = again


def _named(error: PipelineError, port: Port) -> PipelineError:
    """The same error, saying where and when."""
    return type(error)(f"{port.path}, after the upload: {error}")
