"""One interface for whatever runs the firmware: an emulator, a process, a board, a fake."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Deadline:
    """A point on the monotonic clock by which something has to happen."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the point has passed."""
        return time.monotonic() >= self._end


class Device(ABC):
    """A byte stream to a firmware, with a power switch.

    A device is a context manager: leaving it always closes it, whatever happened.
    """

    kind: str
    # What the ticks of its timer are: "instructions" on emulators, "host" of a process. None: what
    # Board.clock says, as on the board itself.
    clock: str | None = None

    @abstractmethod
    def open(self) -> None:
        """Start the device. Raises DeviceError or MissingToolError where that is impossible."""

    @abstractmethod
    def close(self) -> None:
        """Stop the device and leave nothing behind; safe to call twice."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes. Raises DeviceError if the device has gone away."""

    @abstractmethod
    def read(self, deadline: Deadline) -> bytes:
        """Return what has arrived, waiting for at least one byte; b"" at the deadline.

        Raises DeviceError if the device has gone away.
        """

    def reset(self) -> None:
        """Restart the firmware, as a reset button would."""
        self.close()
        self.open()

    def count_instructions(self, enabled: bool) -> None:  # noqa: B027
        """Turn exact instruction counting on or off, where that costs emulation speed.

        While it is off the device's ticks mean nothing. Other devices always count.
        """

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
