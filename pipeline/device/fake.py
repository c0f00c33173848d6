"""The official fake: a device inside this process, with faults on demand.

It speaks the device's end of firmware/PROTOCOL.md with a Python callable as the model. Its time
is virtual: waiting for a silent fake costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from pipeline.device.base import Deadline, Device
from pipeline.device.fake_firmware import FakeFirmware
from pipeline.device.frames import MAGIC
from pipeline.errors import DeviceError


class Fault(Enum):
    """What can happen to one request, or to the reply to it."""

    CORRUPT_REQUEST = "one bit of the request flips on the line"
    TRUNCATE_REQUEST = "the request's last bytes are lost"
    LOSE_REQUEST = "the whole request is lost"
    CORRUPT_REPLY = "one bit of the reply flips on the line"
    TRUNCATE_REPLY = "the reply's last bytes are lost"
    LOSE_REPLY = "the whole reply is lost"
    GARBAGE = "noise precedes the reply"
    STALE_REPLY = "the reply to the request before comes once more, first"
    RESTART = "the device restarts in the middle of its reply"
    MUTE = "the device says nothing any more"
    GONE = "the device is unplugged"


class FakeDevice(Device):
    """A device made of Python.

    Args:
        model: outputs' raw bytes from inputs' raw bytes; raises RuntimeError as a failing engine.
        input_bytes, output_bytes: of each input and output.
        facts: further entries of `info`, e.g. build_id.
        ticks: of one inference.
        faults: by the number of the frame that the host sends, counted from 0.
    """

    kind = "fake"

    def __init__(
        self,
        model: Callable[[bytes], bytes],
        *,
        input_bytes: tuple[int, ...],
        output_bytes: tuple[int, ...],
        facts: Mapping[str, object] | None = None,
        ticks: int = 1000,
        faults: Mapping[int, Fault] | None = None,
    ) -> None:
        self.faults = dict(faults or {})
        self.counting = True
        self._firmware = FakeFirmware(
            model,
            input_bytes=input_bytes,
            output_bytes=output_bytes,
            facts=facts or {},
            ticks=ticks,
        )
        self._is_open = False
        self._gone = False
        self._mute = False
        self._frames = 0
        self._last_reply = b""
        self._out = bytearray()

    def open(self) -> None:
        """Switch the device on; it boots at once."""
        self._is_open = True
        self._gone = self._mute = False
        self._out[:] = self._firmware.boot()

    def close(self) -> None:
        """Switch the device off."""
        self._is_open = False
        self._out.clear()

    def unplug(self) -> None:
        """Take the device away; opening it again plugs it in."""
        self._gone = True

    def write(self, data: bytes) -> None:
        """Send bytes; a frame in them may meet its fault."""
        self._check()
        fault = None
        if data.startswith(MAGIC):
            fault = self.faults.get(self._frames)
            self._frames += 1
        if fault is Fault.GONE:
            self._gone = True
        elif fault is Fault.MUTE:
            self._mute = True
        elif fault is Fault.CORRUPT_REQUEST:
            self._out += self._firmware.feed(_flip_bit(data, len(data) - 5))
        elif fault is Fault.TRUNCATE_REQUEST:
            self._out += self._firmware.feed(data[:-3])
        elif fault is not Fault.LOSE_REQUEST:
            reply = self._firmware.feed(data)
            self._out += self._spoil(reply, fault)
            self._last_reply = reply

    def read(self, deadline: Deadline) -> bytes:
        """What the device has sent; without that, let the time to the deadline pass."""
        self._check()
        if not self._out:
            self._out += self._firmware.pass_time(deadline.remaining_s)
        if self._mute:
            self._out.clear()
        data = bytes(self._out)
        self._out.clear()
        return data

    def count_instructions(self, enabled: bool) -> None:
        """Only noted, in `counting`."""
        self.counting = enabled

    def _spoil(self, reply: bytes, fault: Fault | None) -> bytes:
        if fault is Fault.CORRUPT_REPLY:
            return _flip_bit(reply, len(reply) - 5)
        if fault is Fault.TRUNCATE_REPLY:
            return reply[:-3]
        if fault is Fault.LOSE_REPLY:
            return b""
        if fault is Fault.GARBAGE:
            return bytes(range(256)) + reply
        if fault is Fault.STALE_REPLY:
            return self._last_reply + reply
        if fault is Fault.RESTART:
            return reply[: len(reply) // 2] + self._firmware.boot()
        return reply

    def _check(self) -> None:
        if self._gone:
            raise DeviceError("fake: the device was unplugged. Plug it in and try again.")
        if not self._is_open:
            raise DeviceError("fake: the device is not open. Use it in a with statement.")


def _flip_bit(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :]
