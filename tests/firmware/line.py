"""A serial line to a firmware that runs as a process, and frames by hand."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import time
import zlib
from pathlib import Path
from typing import Self

ECHO_BYTES = 16
READY = b"m-ready\r\n"


def frame(kind: int, sequence: int, payload: bytes) -> bytes:
    body = struct.pack("<BBI", kind, sequence, len(payload)) + payload
    return b"\xa5\x5a" + body + struct.pack("<I", zlib.crc32(body))


def error_frame(code: int, sequence: int, message: bytes) -> bytes:
    return frame(0xFF, sequence, bytes([code]) + message)


def echo_output(payload: bytes) -> bytes:
    """What firmware/lib/engine_echo makes of its input."""
    return bytes(~byte & 0xFF for byte in reversed(payload))


class Line:
    """Starts a firmware and speaks with it; every read has a deadline."""

    def __init__(self, program: Path | list[str]) -> None:
        command = program if isinstance(program, list) else [str(program)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> tuple[int, bytes]:
        """Hang up; exit status and stderr of the process."""
        process = self._process
        if not process.stdin.closed:
            process.stdin.close()
        try:
            status = process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        errors = b"" if process.stderr.closed else process.stderr.read()
        process.stdout.close()
        process.stderr.close()
        return status, errors

    def send(self, data: bytes) -> None:
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def until(self, tail: bytes, seconds: float = 5.0) -> bytes:
        """All that arrives up to and including `tail`."""
        end = time.monotonic() + seconds
        while tail not in self._unread:
            self._receive(end, f"{tail!r}")
        stop = self._unread.index(tail) + len(tail)
        taken, self._unread = self._unread[:stop], self._unread[stop:]
        return taken

    def frame(self, seconds: float = 5.0) -> tuple[int, int, bytes]:
        """The next frame, which must stand at once: type, sequence number, payload."""
        end = time.monotonic() + seconds
        while len(self._unread) < 8 or len(self._unread) < self._frame_size():
            self._receive(end, "a frame")
        size = self._frame_size()
        data, self._unread = self._unread[:size], self._unread[size:]
        assert data == frame(data[2], data[3], data[8:-4]), data
        return data[2], data[3], data[8:-4]

    def silence(self, seconds: float) -> None:
        """Assert that nothing arrives."""
        assert not self._unread, self._unread
        readable, _, _ = select.select([self._process.stdout], [], [], seconds)
        assert not readable, os.read(self._process.stdout.fileno(), 4096)

    def drain(self) -> None:
        """Drop what has arrived."""
        while select.select([self._process.stdout], [], [], 0)[0]:
            assert os.read(self._process.stdout.fileno(), 65536), self._process.wait()
        self._unread = b""

    def command(self, text: str) -> list[str]:
        """Lines of the answer to a command, without `m-ready`."""
        self.send(text.encode() + b"%")
        return self.until(READY).decode().split("\r\n")[:-2]

    def _frame_size(self) -> int:
        assert self._unread.startswith(b"\xa5\x5a"), self._unread
        return 12 + struct.unpack_from("<I", self._unread, 4)[0]

    def _receive(self, end: float, expected: str) -> None:
        readable, _, _ = select.select(
            [self._process.stdout], [], [], max(0.0, end - time.monotonic())
        )
        assert readable, f"expected {expected}, received {self._unread!r}"
        data = os.read(self._process.stdout.fileno(), 65536)
        assert data, f"the firmware has ended: {self._process.wait()}, {self._unread!r}"
        self._unread += data
