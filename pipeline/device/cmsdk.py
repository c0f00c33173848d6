"""Peripherals of Arm's Cortex-M System Design Kit, for the Unicorn device (Arm DDI 0479)."""

from __future__ import annotations

from pipeline.device.virtual import VirtualClock, VirtualLine

_DATA, _STATE = 0x00, 0x04
_STATE_RX_FULL = 1 << 1

_LOAD, _VALUE, _CONTROL, _BACKGROUND_LOAD = 0x00, 0x04, 0x08, 0x18
_CONTROL_ENABLE = 1 << 7
_ALL_ONES = 0xFFFFFFFF


class Uart:
    """CMSDK UART: transmits at once, and receives whatever is on the line."""

    def __init__(self, line: VirtualLine) -> None:
        self._line = line

    def read(self, offset: int) -> int:
        """A register of the UART."""
        if offset == _STATE:
            return _STATE_RX_FULL if self._line.poll() else 0
        return self._line.take() if offset == _DATA else 0

    def write(self, offset: int, value: int) -> None:
        """Set a register; baud rate and enable bits mean nothing here."""
        if offset == _DATA:
            self._line.send(bytes([value & 0xFF]))


class DualTimer:
    """CMSDK dual timer: timer 1 as a free-running 32-bit counter, without interrupts."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._load = _ALL_ONES
        self._start = 0
        self._control = 0

    def read(self, offset: int) -> int:
        """A register of the timer; it counts down from its load value."""
        if offset == _VALUE:
            if not self._control & _CONTROL_ENABLE:
                return self._load
            return (self._load - (self._clock.now() - self._start)) & _ALL_ONES
        if offset in (_LOAD, _BACKGROUND_LOAD):
            return self._load
        return self._control if offset == _CONTROL else 0

    def write(self, offset: int, value: int) -> None:
        """Set a register; loading restarts the count."""
        if offset in (_LOAD, _CONTROL):
            if offset == _LOAD:
                self._load = value
            else:
                self._control = value
            self._start = self._clock.now()
