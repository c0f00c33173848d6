"""A simulated board: the fake firmware behind a pseudo-terminal, with a clock and a counter."""

from __future__ import annotations

import itertools
import os
import select
import threading
import time
import tty
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from pipeline.device.base import Deadline, Device
from pipeline.device.fake_firmware import FakeFirmware
from pipeline.device.serial import SerialDevice
from pipeline.errors import DeviceError

POLL_S = 0.005


class PtyBoard:
    """A board on a serial port, for as long as it is the context of a with statement.

    Its counter ticks as told, inference by inference, while its clock is this computer's, faster or
    slower if told so.

    Args:
        model: outputs' raw bytes from inputs' raw bytes.
        input_bytes, output_bytes: of each input and output.
        facts: further entries of `info`; "ticks_per_second" is the counter's rate.
        ticks: of one inference after the other, and of the layers in each LAYERS request; gone
            round. Each takes at least so long on this computer's clock, too.
        rate: seconds on the board's clock in a second of this computer's.
        byte_s: pause before each byte that the board sends; 0 sends all at once.
    """

    def __init__(
        self,
        model: Callable[[bytes], bytes],
        *,
        input_bytes: tuple[int, ...],
        output_bytes: tuple[int, ...],
        facts: dict[str, object] | None = None,
        ticks: Iterable[int] = (64_000,),
        rate: float = 1.0,
        byte_s: float = 0.0,
        stack_peak_bytes: int = 1234,
    ) -> None:
        self.facts: dict[str, object] = {
            "clock": "cycle-counter",
            "ticks_per_second": 64_000_000,
            **(facts or {}),
        }
        self.started = time.monotonic()
        self._ticks = itertools.cycle(ticks)
        self._rate = rate
        self._byte_s = byte_s
        self._firmware = FakeFirmware(
            model,
            input_bytes=input_bytes,
            output_bytes=output_bytes,
            facts=self.facts,
            ticks=self._next_ticks,
            microseconds=self._microseconds,
            stack_peak_bytes=stack_peak_bytes,
        )

    def __enter__(self) -> Self:
        self._board, self._terminal = os.openpty()
        tty.setraw(self._terminal)
        self.port = os.ttyname(self._terminal)
        self._stop = threading.Event()
        self._busy = threading.Lock()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unplug()

    def unplug(self) -> None:
        """Take the board away: its port hangs up. Safe to call twice."""
        self._stop.set()
        self._thread.join()

    def leave(self) -> None:
        """The same from within the model: nothing more is said."""
        self._stop.set()

    def restart(self) -> None:
        """Press the reset button: the firmware boots and says so, and its clock starts again."""
        with self._busy:
            # What it has not read yet is lost with it.
            while select.select([self._board], [], [], 0)[0]:
                os.read(self._board, 4096)
            self.started = time.monotonic()
            self._say(self._firmware.boot())

    def _serve(self) -> None:
        silent_since = time.monotonic()
        while not self._stop.is_set():
            arrived = bool(select.select([self._board], [], [], POLL_S)[0])
            with self._busy:
                if arrived:
                    self._say(self._firmware.feed(os.read(self._board, 4096)))
                else:
                    self._say(self._firmware.pass_time(time.monotonic() - silent_since))
            silent_since = time.monotonic()
        for descriptor in (self._board, self._terminal):
            os.close(descriptor)

    def _say(self, data: bytes) -> None:
        if not self._byte_s:
            while data and not self._stop.is_set():
                if select.select([], [self._board], [], POLL_S)[1]:
                    data = data[os.write(self._board, data) :]
            return
        for byte in data:
            time.sleep(self._byte_s)
            os.write(self._board, bytes([byte]))

    def _next_ticks(self) -> int:
        ticks = next(self._ticks)
        per_second = self.facts["ticks_per_second"]
        assert isinstance(per_second, int)
        time.sleep(ticks / per_second)
        return ticks

    def _microseconds(self) -> int:
        return round(self._rate * (time.monotonic() - self.started) * 1e6)


class PtyDevice(Device):
    """A simulated board and the port to it: what a real board is, as far as software can be.

    Args:
        board: not yet plugged in; it is while the device is open.
    """

    kind = "pty"

    def __init__(self, board: PtyBoard) -> None:
        self._board = board
        self._serial: SerialDevice | None = None
        self._open = ExitStack()

    def open(self) -> None:
        """Plug the board in, and let it boot."""
        self._open.enter_context(self._board)
        self._serial = self._open.enter_context(SerialDevice(self._board.port))
        self._board.restart()

    def close(self) -> None:
        """Close the port, then take the board away."""
        self._serial = None
        self._open.close()

    def reset(self) -> None:
        """Press the board's button."""
        self._board.restart()

    def unplug(self) -> None:
        """Take the board away under an open port."""
        self._board.unplug()

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._line().write(data)

    def read(self, deadline: Deadline) -> bytes:
        """What has arrived."""
        return self._line().read(deadline)

    def _line(self) -> SerialDevice:
        if self._serial is None:
            raise DeviceError("pty: the device is not open. Use it in a with statement.")
        return self._serial
