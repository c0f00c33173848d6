"""The firmware as a process of this computer, on stdin and stdout."""

from __future__ import annotations

import os
import select
from pathlib import Path

from pipeline.device.base import Deadline, Device
from pipeline.device.process import DeviceProcess
from pipeline.errors import DeviceError, DeviceTimeout

WRITE_S = 10.0
_READ_BYTES = 65536


class HostDevice(Device):
    """A host build of the firmware.

    Args:
        program_path: the executable.
    """

    kind = "host"
    clock = "host"

    def __init__(self, program_path: Path) -> None:
        self._program_path = program_path
        self._process: DeviceProcess | None = None
        self._received = bytearray()

    def open(self) -> None:
        """Start the program."""
        if not self._program_path.is_file():
            raise DeviceError(
                f"host: expected a firmware at {self._program_path}. Received: no such file. "
                "Build it first."
            )
        self._received.clear()
        self._process = DeviceProcess([str(self._program_path)], stdout_piped=True)
        os.set_blocking(self._stdin(), False)

    def close(self) -> None:
        """End the program."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def write(self, data: bytes) -> None:
        """Send bytes, reading meanwhile: a firmware that waits to send must not block both."""
        deadline = Deadline(WRITE_S)
        rest = memoryview(data)
        stdin, stdout = self._stdin(), self._stdout()
        while rest:
            readable, writable, _ = select.select([stdout], [stdin], [], deadline.remaining_s)
            if writable:
                try:
                    rest = rest[os.write(stdin, rest) :]
                except BrokenPipeError:
                    raise self._running().death() from None
            elif readable:
                self._receive()
            else:
                raise DeviceTimeout(
                    f"host: the firmware must take {len(data)} bytes within {WRITE_S:g} s. "
                    f"Received: it took {len(data) - len(rest)}. Its command loop hangs."
                )

    def read(self, deadline: Deadline) -> bytes:
        """What the program wrote to stdout."""
        stdout = self._stdout()
        if not self._received and select.select([stdout], [], [], deadline.remaining_s)[0]:
            self._receive()
        data = bytes(self._received)
        self._received.clear()
        return data

    def _receive(self) -> None:
        data = os.read(self._stdout(), _READ_BYTES)
        if not data:
            raise self._running().death()
        self._received += data

    def _running(self) -> DeviceProcess:
        if self._process is None:
            raise DeviceError("host: the device is not open. Use it in a with statement.")
        return self._process

    def _stdin(self) -> int:
        stream = self._running().popen.stdin
        assert stream is not None
        return stream.fileno()

    def _stdout(self) -> int:
        stream = self._running().popen.stdout
        assert stream is not None
        return stream.fileno()
