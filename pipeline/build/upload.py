"""Write a built firmware onto a board with PlatformIO's uploader.

The port is always named: left alone, PlatformIO takes any port that there is. Its target `nobuild`
is of no use here: with it the Nano 33 BLE's platform sends the .hex where its boot loader expects
the .bin. So an upload first brings the image up to date, in the folder in which it was built, where
that takes seconds; in a new folder it would compile a whole framework.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.registry import build_folder, process_environment
from pipeline.build.upload_complaints import upload_complaint
from pipeline.paths import firmware_path
from pipeline.records import Board, Firmware, SourceTree

# Compilers and uploaders say something all the time; a link on a slow machine is the longest pause.
_SILENCE_S = 120.0
# Between two looks at how far it is.
_WAIT_S = 0.25
# As bossac ("50% (33/67 pages)") and esptool ("(50 %)") tell how far they are.
_PERCENT = re.compile(rb"(?<![.\d])(\d{1,3}) ?%")
_TAIL_BYTES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What is uploaded: a firmware with all that its build was called with.

    Attributes:
        firmware: as it was built.
        source: the generated model in it.
        model_name: that it was built with.
    """

    firmware: Firmware
    source: SourceTree
    model_name: str


def upload(
    image: Image,
    board: Board,
    port: str,
    log_path: Path,
    *,
    speed: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> str:
    """Upload once.

    Args:
        image: for this board.
        board: that is flashed.
        port: path of its serial port.
        log_path: what PlatformIO says, written anew.
        speed: baud rate of the upload; None is the board's own.
        on_progress: called with (percent of the present image, 100).
    Returns:
        "" if the uploader was content, else its complaint about port or board: it may be tried
        again.
    Raises:
        MissingToolError: the uploader is not installed and cannot be downloaded.
        BuildError: the image was stale, and making it anew failed.
        DeviceError: the uploader failed in a way that another try does not mend.
    """
    environment = f"{board.name}-{image.firmware.engine}"
    # The same as the build's: all that differs is compiled again.
    variables = {
        "ESPALIER_SOURCES": str(image.source.root.resolve()),
        "ESPALIER_BUILD_ID": image.firmware.build_id,
        "ESPALIER_MODEL_NAME": image.model_name,
    }
    if speed is not None:
        variables["ESPALIER_UPLOAD_SPEED"] = str(speed)
    command = [sys.executable, "-m", "platformio", "run", "-d", str(firmware_path())]
    command += ["-e", environment, "-t", "upload", "--upload-port", port]
    with build_folder(environment) as folder:
        status = _run(
            command,
            process_environment(folder, variables),
            log_path,
            lambda: _tell_progress(log_path, on_progress),
        )
    if status is None:
        return f"the uploader said nothing for {_SILENCE_S:g} s"
    if status == 0:
        return ""
    return upload_complaint(board, log_path)


def _run(
    command: list[str], variables: Mapping[str, str], log_path: Path, on_wait: Callable[[], None]
) -> int | None:
    """Run a program that writes its log; its exit status, None if it fell silent."""
    with (
        log_path.open("w", encoding="utf-8") as stream,
        subprocess.Popen(
            command,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            said, heard_s = 0, time.monotonic()
            while time.monotonic() < heard_s + _SILENCE_S:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(_WAIT_S)
                on_wait()
                if (size := log_path.stat().st_size) != said:
                    said, heard_s = size, time.monotonic()
            return None
        finally:
            # Its own children, like an uploader that waits for a board, would outlive it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _tell_progress(log_path: Path, on_progress: Callable[[int, int], None] | None) -> None:
    """Pass on the newest percentage that the uploader has printed."""
    if on_progress is None:
        return
    with log_path.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
        percents = _PERCENT.findall(log.read())
    if percents:
        on_progress(int(percents[-1]), 100)
