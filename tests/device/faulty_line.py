"""What can happen on the way: a line to any device, with faults on demand."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from pipeline.device.base import Deadline, Device

Change = Callable[[bytes], bytes]


class FaultyLine(Device):
    """Another device, seen through a line that does what it is told.

    Changes are of whole requests, and of replies by the position of their bytes, counted from when
    the change was asked for.

    Attributes:
        mute: nothing that the device says arrives.
        babble: what arrives for ever instead; b"" for nothing.
        pause_s: before each byte, both ways; 0 passes bytes on as they come.
    """

    def __init__(self, device: Device) -> None:
        self.kind = device.kind
        self.mute = False
        self.babble = b""
        self.pause_s = 0.0
        self._device = device
        self._requests: list[Change] = []
        self._reply: Callable[[int, int], bytes] | None = None
        self._position = 0
        self._slow = b""

    def open(self) -> None:
        self._device.open()

    def close(self) -> None:
        self._device.close()

    def reset(self) -> None:
        self._device.reset()

    def change_requests(self, *changes: Change) -> None:
        """Change the next writes, one after the other."""
        self._requests = list(changes)

    def change_reply(self, change: Callable[[int, int], bytes]) -> None:
        """Change each byte that arrives from now on: (position, byte) to what arrives instead."""
        self._reply = change
        self._position = 0

    def write(self, data: bytes) -> None:
        if self._requests:
            data = self._requests.pop(0)(data)
        if not self.pause_s:
            self._device.write(data)
            return
        for byte in data:
            time.sleep(self.pause_s)
            self._device.write(bytes([byte]))

    def read(self, deadline: Deadline) -> bytes:
        if self.babble:
            return self.babble
        if self._slow:
            time.sleep(self.pause_s)
            first, self._slow = self._slow[:1], self._slow[1:]
            return first
        data = self._arrived(deadline)
        if not self.pause_s:
            return data
        self._slow = data[1:]
        return data[:1]

    def _arrived(self, deadline: Deadline) -> bytes:
        while True:
            data = self._device.read(deadline)
            if not data:
                return b""
            if not self.mute:
                data = self._changed(data)
                # A piece that is lost as a whole is no end of the waiting.
                if data:
                    return data
            if deadline.expired:
                return b""

    def _changed(self, data: bytes) -> bytes:
        if self._reply is None:
            return data
        begin, self._position = self._position, self._position + len(data)
        return b"".join(
            self._reply(position, byte) for position, byte in enumerate(data, start=begin)
        )


def flip(position: int) -> Change:
    """One bit of a request, counted from its end where the position is negative."""

    def change(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[position] ^= 0x10
        return bytes(changed)

    return change


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail, rather than hang, where something takes longer."""

    def expire(number: int, frame: FrameType | None) -> NoReturn:
        raise AssertionError(f"expected an end within {seconds:g} s, and there is none")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
