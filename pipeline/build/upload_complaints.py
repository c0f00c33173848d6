"""What uploaders complain about: whether another try may help, or what would."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.build.complaints import unreachable
from pipeline.errors import BuildError, DeviceError, MissingToolError
from pipeline.records import Board

_SHOWN_LINES = 6

# What uploaders say when they and the board did not come together: PlatformIO itself, pyserial,
# bossac, esptool. Another try may help.
_PORT_LINES = re.compile(
    r"could not open (port )?\S+"
    r"|Couldn't find a board on the selected port"
    r"|Please specify `?upload_port"
    r"|No device found on \S+"
    r"|SAM-BA operation failed"
    r"|Device unsupported"
    r"|Failed to connect to "
    r"|Timed out waiting for packet"
    r"|No serial data received"
    r"|Serial data stream stopped"
    r"|Invalid head of packet"
    r"|chip stopped responding"
    r"|Device or resource busy"
    r"|Input/output error"
    r"|device (disconnected|reports readiness)",
    re.IGNORECASE,
)
_NO_PROGRAM = re.compile(r"(\S+): (command )?not found|No such file or directory: '([^']+)'")
_COMPILER_LINE = re.compile(r":\d+:\d+: (fatal )?error:|undefined reference|\bld(\.\w+)?: ")


def upload_complaint(board: Board, log_path: Path) -> str:
    """What the uploader says of port or board in its log: another try may help.

    Args:
        board: that was to be flashed.
        log_path: everything that was said.
    Raises:
        MissingToolError: the uploader is not there and cannot be downloaded.
        BuildError: the image was stale, and making it anew failed.
        DeviceError: what went wrong is none of these.
    """
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    where = f"upload to board '{board.name}'"
    log = f"The whole log is {log_path}."
    offline = unreachable("\n".join(lines), board, "uploader", "flash again", log_path)
    if offline is not None:
        raise offline
    for line in lines:
        if _COMPILER_LINE.search(line):
            raise BuildError(
                f"{where}: expected the image to be up to date or to build. Received: "
                f"{line.strip()}. {log}"
            )
    for line in lines:
        if _PORT_LINES.search(line):
            return line.strip().removeprefix("Error: ").removeprefix("A fatal error occurred: ")
    for line in lines:
        if match := _NO_PROGRAM.search(line):
            raise MissingToolError(
                f"{where}: expected the uploader's programs. Received: no "
                f"{match[1] or match[3]}. Its package in PlatformIO's own folder "
                f"(~/.platformio/packages) is damaged: remove it, and flash again. {log}"
            )
    shown = "\n".join(f"  {line}" for line in lines[-_SHOWN_LINES:])
    raise DeviceError(
        f"{where}: expected the uploader to write the image. Received:\n{shown}\n{log}"
    )
