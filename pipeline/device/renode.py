"""Renode: the firmware on an emulated chip, its serial line over a local TCP connection.

Renode comes from no package registry; nothing here downloads it. boards/<board>/<board>.resc
describes the machine; a script made here only says which firmware and which port.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from pipeline.device.base import Deadline, Device
from pipeline.device.process import DeviceProcess
from pipeline.device.serial import SerialDevice
from pipeline.errors import ConfigError, DeviceError, DeviceTimeout, MissingToolError
from pipeline.paths import boards_path

PROGRAM = "renode"
HOME = "RENODE_HOME"
# The oldest that has what the scripts use; 1.16.1 is what they were written for.
OLDEST = (1, 16)
START_S = 60.0
VERSION_S = 30.0

_POLL_S = 0.05
_OPTIONS = ("--disable-xwt", "--console", "--plain")
_VERSION = re.compile(r"\bv(?:ersion )?(\d+)\.(\d+)")
# How Renode says that a line of a script went wrong; it stays at its prompt afterwards.
_COMPLAINT = re.compile(
    r"there was an error|\[error\]|\berror E\d+|no such (command|device)|could not|did not match"
    r"|exception|in use",
    re.IGNORECASE,
)
_SHOWN_LINES = 8
_GET_IT = (
    "Unpack its portable archive (renode-1.16.1.linux-portable-dotnet.tar.gz and others, from "
    "https://github.com/renode/renode/releases), and put it on PATH or its folder into "
    f"{HOME}; or use --emulator unicorn."
)


def find_renode(program: str = PROGRAM) -> str | None:
    """One of Renode's programs: in RENODE_HOME where that is set, else on PATH; None without it."""
    return shutil.which(program, path=os.environ.get(HOME) or None)


class RenodeDevice(Device):
    """A board emulated by Renode; its cycle counter counts instructions.

    Args:
        board: name of the board; its folder has a .resc.
        elf_path: the firmware.
    """

    kind = "renode"
    clock = "instructions"

    def __init__(self, board: str, elf_path: Path) -> None:
        self._resc_path = boards_path() / board / f"{board}.resc"
        if not self._resc_path.is_file():
            names = sorted(path.stem for path in boards_path().glob("*/*.resc"))
            raise ConfigError(
                f"renode: expected one of the boards {', '.join(names)}. Received: '{board}'."
            )
        self._elf_path = elf_path
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: DeviceProcess | None = None
        self._serial: SerialDevice | None = None
        self._has_spoken = False

    def open(self) -> None:
        """Start Renode and connect to the serial line of its machine.

        Raises:
            MissingToolError: there is no Renode, or it is too old.
            DeviceError: it ended, or one of the scripts failed.
            DeviceTimeout: it did neither, and offered no serial line.
        """
        program = find_renode()
        if program is None:
            home = os.environ.get(HOME)
            place = f"in {HOME} ({home})" if home else "on PATH"
            raise MissingToolError(
                f"renode: expected the program {PROGRAM} {place}. Received: none. {_GET_IT}"
            )
        _check_version(program)
        if not self._elf_path.is_file():
            raise DeviceError(
                f"renode: expected a firmware at {self._elf_path}. Received: no such file. "
                "Build it first."
            )
        self._has_spoken = False
        self._folder = tempfile.TemporaryDirectory(prefix="espalier-renode-")
        try:
            port = _free_port()
            script = Path(self._folder.name) / "start.resc"
            script.write_text(self._script(port), encoding="utf-8")
            self._process = DeviceProcess(
                [program, *_OPTIONS, str(script)], stdout_kept=True, has_children=True
            )
            self._serial = self._connect(self._process, port)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End Renode."""
        if self._serial is not None:
            self._serial.close()
            self._serial = None
        if self._process is not None:
            self._process.end()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def write(self, data: bytes) -> None:
        """Send bytes."""
        line, process = self._running()
        try:
            line.write(data)
        except DeviceError as error:
            raise process.line_error(error) from error

    def read(self, deadline: Deadline) -> bytes:
        """What the firmware has sent."""
        line, process = self._running()
        try:
            data = line.read(deadline)
        except DeviceError as error:
            raise process.line_error(error) from error
        if not data and not self._has_spoken:
            _check_words(process)
        self._has_spoken |= bool(data)
        return data

    def _script(self, port: int) -> str:
        """The script that Renode starts with."""
        lines = (
            f"$elf={_monitor_path(self._elf_path)}",
            f"$port={port}",
            f"include {_monitor_path(self._resc_path)}",
        )
        return "\n".join(lines) + "\n"

    @staticmethod
    def _connect(process: DeviceProcess, port: int) -> SerialDevice:
        """Connect as soon as Renode listens, which is when its scripts have worked."""
        deadline = Deadline(START_S)
        while True:
            line = SerialDevice(f"socket://127.0.0.1:{port}")
            try:
                line.open()
            except DeviceError:
                if not process.is_running:
                    raise process.death() from None
                _check_words(process)
                if deadline.expired:
                    raise DeviceTimeout(
                        f"renode: expected a serial line within {START_S:g} s. Received: "
                        f"{_last_lines(process.stderr_text()) or 'nothing'}. Try --emulator "
                        "unicorn."
                    ) from None
                time.sleep(_POLL_S)
            else:
                return line

    def _running(self) -> tuple[SerialDevice, DeviceProcess]:
        if self._serial is None or self._process is None:
            raise DeviceError("renode: the device is not open. Use it in a with statement.")
        return self._serial, self._process


def _check_version(program: str) -> None:
    """Raise MissingToolError unless the program is a Renode that is new enough."""
    try:
        answer = subprocess.run(
            [program, "-v"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_S,
            check=False,
        )
        said = (answer.stdout + answer.stderr).strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    found = _VERSION.search(said)
    wanted = ".".join(map(str, OLDEST))
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        raise MissingToolError(
            f"renode: expected {program} to be version {wanted} or newer. Received: "
            f"{_last_lines(said) or 'no version'}. {_GET_IT}"
        )


def _check_words(process: DeviceProcess) -> None:
    """Raise DeviceError if Renode has complained."""
    said = process.stderr_text()
    if _COMPLAINT.search(said):
        raise DeviceError(
            "renode: expected its scripts to run without an error. Received:\n"
            f"{_last_lines(said)}\nTry --emulator unicorn; if the scripts of the board are as they "
            "were, report a bug."
        )


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-_SHOWN_LINES:])


def _monitor_path(path: Path) -> str:
    """A path as Renode's monitor reads it."""
    return "@" + str(path.resolve()).replace(" ", "\\ ")


def _free_port() -> int:
    """A TCP port that nobody uses at the moment. Renode cannot pick one itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
