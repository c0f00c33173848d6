"""Ctrl-C and SIGTERM, heeded wherever they come."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import NoReturn, Self

INTERRUPTED_STATUS = 130
TERMINATED_STATUS = 143

# Until a signal that was lost comes again: what swallowed it is over by then.
_AGAIN_S = 0.05


class Terminated(SystemExit):
    """SIGTERM came: the exit closes devices and removes temporary folders."""


class Signals:
    """While it is entered, both signals raise in the main thread, and none is lost.

    Libraries drop what a signal raises inside a callback of Python's garbage collector, and turn it
    into errors of their own: then hours of training would go on, or end as if they had failed.

    Attributes:
        received: the first that came; None for none.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    @property
    def status(self) -> int:
        """What a process ends with that a signal has ended."""
        return TERMINATED_STATUS if self.received == signal.SIGTERM else INTERRUPTED_STATUS

    def __enter__(self) -> Self:
        self._hook, sys.unraisablehook = sys.unraisablehook, self._unraisable
        self._handlers = {signal.SIGTERM: signal.signal(signal.SIGTERM, self._raise)}
        # A background job of a shell ignores Ctrl-C, and is to go on doing so.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._handlers[signal.SIGINT] = signal.signal(signal.SIGINT, self._raise)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sys.unraisablehook = self._hook
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _raise(self, number: int, frame: FrameType | None) -> NoReturn:
        self.received = self.received or number
        if number == signal.SIGTERM:
            raise Terminated(TERMINATED_STATUS)
        raise KeyboardInterrupt

    def _unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        lost = {KeyboardInterrupt: signal.SIGINT, Terminated: signal.SIGTERM}
        if unraisable.exc_type not in lost:
            self._hook(unraisable)
            return
        again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), lost[unraisable.exc_type]))
        again.daemon = True
        again.start()
