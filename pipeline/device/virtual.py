"""What an emulated machine shares with its peripherals: its clock and its serial line."""

from __future__ import annotations

from collections.abc import Callable

# So far the clock jumps for one empty poll of the serial line: parts of a second. 5 ms are a tenth
# of the shortest silence that means anything in the protocol.
_IDLE_STEPS_PER_SECOND = 200
# The firmware looks at its line before it sends a byte, too: once at the end of receiving and once
# before sending is no idleness, but the third time in a row is.
_IDLE_POLLS = 3


class VirtualClock:
    """Time of an emulated machine: what the core's work took, and jumps while it is idle.

    Args:
        ticks_per_second: of all that this machine measures time by.
        ticks_of_work: ticks that the core's instructions have taken so far.
    """

    def __init__(self, ticks_per_second: int, ticks_of_work: Callable[[], int]) -> None:
        self.ticks_per_second = ticks_per_second
        self._ticks_of_work = ticks_of_work
        self._idle_ticks = 0

    def now(self) -> int:
        """Ticks since the machine was started."""
        return self._ticks_of_work() + self._idle_ticks

    def pass_idle(self, at_most: int) -> int:
        """Let the clock jump by a step, but not over `at_most` ticks; returns how far."""
        step = max(0, min(at_most, self.ticks_per_second // _IDLE_STEPS_PER_SECOND))
        self._idle_ticks += step
        return step


class VirtualLine:
    """The serial line between the host and an emulated UART: no byte takes time or gets lost.

    Args:
        on_idle: called when the firmware does nothing but ask for a byte, and there is none.
    """

    def __init__(self, on_idle: Callable[[], None]) -> None:
        self.sent = bytearray()
        self._on_idle = on_idle
        self._received = bytearray()
        self._position = 0
        self._polls = 0

    def clear(self) -> None:
        """Forget all bytes, both ways."""
        self._received.clear()
        self.sent.clear()
        self._position = self._polls = 0

    def feed(self, data: bytes) -> None:
        """Bytes from the host, for the firmware."""
        self._received += data

    def poll(self) -> bool:
        """Whether there is a byte for the firmware, which has just asked its UART."""
        if self._position < len(self._received):
            return True
        # Nothing is left: here the buffer can start afresh, which keeps take() cheap.
        self._received.clear()
        self._position = 0
        self._polls += 1
        if self._polls >= _IDLE_POLLS:
            self._on_idle()
        return False

    def take(self) -> int:
        """The next byte for the firmware, 0 if there is none."""
        if self._position == len(self._received):
            return 0
        self._polls = 0
        self._position += 1
        return self._received[self._position - 1]

    def send(self, data: bytes) -> None:
        """Bytes from the firmware, for the host."""
        self._polls = 0
        self.sent += data
