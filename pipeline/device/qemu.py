"""QEMU: the firmware on an emulated board, its serial line over a local TCP connection."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from pipeline.device.base import Deadline, Device
from pipeline.device.process import DeviceProcess
from pipeline.device.serial import SerialDevice
from pipeline.errors import ConfigError, DeviceError, DeviceTimeout, MissingToolError

PROGRAM = "qemu-system-arm"
MACHINES = {"mps2_an386": "mps2-an386"}
START_S = 20.0

_POLL_S = 0.005
# A multiplexed line has a buffer of 32 bytes, so that QEMU's main loop and the core need not take
# turns for each: input is about one and a half times as fast. No byte is 0x100, so none is taken
# for the multiplexer's escape character.
_SOCKET = "host=127.0.0.1,port=0,server=on,wait=on,nodelay=on,mux=on"
_NO_ESCAPE = "0x100"
# QEMU's main loop looks whether the UART can receive only when it wakes. If it fell asleep before
# the firmware enabled the receiver, input would never arrive (one start in four with QEMU 7.2).
# An empty line for the monitor, on stdin, wakes it.
_WAKE = b"\n"
_LISTENING = re.compile(r"waiting for connection on: disconnected:tcp:([\d.]+):(\d+)")


class QemuDevice(Device):
    """A board emulated by QEMU; one instruction takes 1 ns of its virtual time.

    QEMU itself picks a free port and does not start the core before the connection stands: no
    two instances get in each other's way and the boot message is never lost.

    Args:
        board: name of the board.
        elf_path: the firmware.
    """

    kind = "qemu"
    clock = "instructions"

    def __init__(self, board: str, elf_path: Path) -> None:
        if board not in MACHINES:
            raise ConfigError(
                f"qemu: expected one of the boards {', '.join(MACHINES)}. Received: '{board}'."
            )
        self._machine = MACHINES[board]
        self._elf_path = elf_path
        self._process: DeviceProcess | None = None
        self._serial: SerialDevice | None = None

    def open(self) -> None:
        """Start QEMU and connect to its serial line."""
        if shutil.which(PROGRAM) is None:
            raise MissingToolError(
                f"qemu: expected the program {PROGRAM} on PATH. Received: none. Install the "
                "Debian package 'qemu-system-arm', or use --emulator unicorn."
            )
        if not self._elf_path.is_file():
            raise DeviceError(
                f"qemu: expected a firmware at {self._elf_path}. Received: no such file. "
                "Build it first."
            )
        # -kernel wants a literal path; -icount makes time and thus every count reproducible.
        self._process = DeviceProcess(
            [
                PROGRAM,
                *("-M", self._machine),
                *("-kernel", str(self._elf_path)),
                *("-nodefaults", "-nic", "none", "-display", "none", "-monitor", "stdio"),
                *("-icount", "shift=0"),
                *("-chardev", f"socket,id=line,{_SOCKET}", "-serial", "chardev:line"),
                *("-echr", _NO_ESCAPE),
            ],
        )
        try:
            host, port = self._listening(self._process)
            self._serial = SerialDevice(f"socket://{host}:{port}")
            self._serial.open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End QEMU."""
        if self._serial is not None:
            self._serial.close()
            self._serial = None
        if self._process is not None:
            self._process.end()
            self._process = None

    def write(self, data: bytes) -> None:
        """Send bytes."""
        line, process = self._running()
        try:
            line.write(data)
            process.send(_WAKE)
        except DeviceError as error:
            raise process.line_error(error) from error

    def read(self, deadline: Deadline) -> bytes:
        """What the firmware has sent."""
        line, process = self._running()
        try:
            return line.read(deadline)
        except DeviceError as error:
            raise process.line_error(error) from error

    @staticmethod
    def _listening(process: DeviceProcess) -> tuple[str, str]:
        deadline = Deadline(START_S)
        while not (found := _LISTENING.search(process.stderr_text())):
            if not process.is_running:
                raise process.death()
            if deadline.expired:
                raise DeviceTimeout(
                    f"qemu: expected a serial line within {START_S:g} s. Received: "
                    f"{process.stderr_text() or 'nothing'}. Try --emulator unicorn."
                )
            time.sleep(_POLL_S)
        return found[1], found[2]

    def _running(self) -> tuple[SerialDevice, DeviceProcess]:
        if self._serial is None or self._process is None:
            raise DeviceError("qemu: the device is not open. Use it in a with statement.")
        return self._serial, self._process
