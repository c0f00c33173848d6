"""Peripherals of Arm's Cortex-M System Design Kit, for the Unicorn device (Arm DDI 0479)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_DATA, _STATE = 0x00, 0x04
_STATE_RX_FULL = 1 << 1
# The firmware reads the state before it sends a byte, too: once at the end of receiving and once
# before sending is no idleness, but the third time in a row is.
_IDLE_POLLS = 3

_LOAD, _VALUE, _CONTROL, _BACKGROUND_LOAD = 0x00, 0x04, 0x08, 0x18
_CONTROL_ENABLE = 1 << 7
_ALL_ONES = 0xFFFFFFFF


class Uart:
    """CMSDK UART: transmits at once, and receives whatever is in `received`.

    Args:
        on_empty_poll: called when the firmware does nothing but ask for a byte, and there is none.
    """

    def __init__(self, on_empty_poll: Callable[[], None]) -> None:
        self.received = bytearray()
        self.sent = bytearray()
        self._position = 0
        self._polls = 0
        self._on_empty_poll = on_empty_poll

    def clear(self) -> None:
        """Forget all bytes, both ways."""
        self.received.clear()
        self.sent.clear()
        self._position = self._polls = 0

    def read(self, _uc: Any, offset: int, _size: int, _data: Any) -> int:
        """A register of the UART."""
        if offset == _STATE:
            if self._position < len(self.received):
                return _STATE_RX_FULL
            # Nothing is left: here the buffer can start afresh, which keeps _DATA cheap.
            self.received.clear()
            self._position = 0
            self._polls += 1
            if self._polls >= _IDLE_POLLS:
                self._on_empty_poll()
            return 0
        if offset == _DATA and self._position < len(self.received):
            self._polls = 0
            self._position += 1
            return self.received[self._position - 1]
        return 0

    def write(self, _uc: Any, offset: int, _size: int, value: int, _data: Any) -> None:
        """Set a register; baud rate and enable bits mean nothing here."""
        if offset == _DATA:
            self._polls = 0
            self.sent.append(value & 0xFF)


class DualTimer:
    """CMSDK dual timer: timer 1 as a free-running 32-bit counter, without interrupts.

    Args:
        ticks_of_work: ticks that the core's instructions have taken so far.
    """

    ticks_per_second = 25_000_000
    # So far the clock jumps for one empty poll of the serial line: 5 ms, a tenth of the shortest
    # silence that means anything in the protocol.
    idle_step_ticks = ticks_per_second // 200

    def __init__(self, ticks_of_work: Callable[[], int]) -> None:
        self._ticks_of_work = ticks_of_work
        self._idle_ticks = 0
        self._load = _ALL_ONES
        self._start = 0
        self._control = 0

    def pass_idle(self, at_most: int) -> int:
        """Let the clock jump by a step, but not over `at_most` ticks; returns how far."""
        step = max(0, min(at_most, self.idle_step_ticks))
        self._idle_ticks += step
        return step

    def read(self, _uc: Any, offset: int, _size: int, _data: Any) -> int:
        """A register of the timer; it counts down from its load value."""
        if offset == _VALUE:
            if not self._control & _CONTROL_ENABLE:
                return self._load
            return (self._load - (self._now() - self._start)) & _ALL_ONES
        if offset in (_LOAD, _BACKGROUND_LOAD):
            return self._load
        return self._control if offset == _CONTROL else 0

    def write(self, _uc: Any, offset: int, _size: int, value: int, _data: Any) -> None:
        """Set a register; loading restarts the count."""
        if offset in (_LOAD, _CONTROL):
            if offset == _LOAD:
                self._load = value
            else:
                self._control = value
            self._start = self._now()

    def _now(self) -> int:
        return self._ticks_of_work() + self._idle_ticks
