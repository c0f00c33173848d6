"""Progress on standard error: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# Without a terminal a line at most this often, so that logs stay readable.
_LINE_INTERVAL_S = 10.0
_MIN_SHARE = 0.05


class Reporter:
    """Tells what is going on.

    Args:
        quiet: says nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)

    def headline(self, text: str) -> None:
        """A stage begins, or is skipped."""
        self._console.print(text, style="bold", markup=False, soft_wrap=True)

    def log(self, text: str) -> None:
        """One line of what a stage has to say."""
        self._console.print(f"  {text}", markup=False, soft_wrap=True)

    @contextmanager
    def steps(self, label: str) -> Iterator[Callable[[int, int], None]]:
        """Give a callback (done, total) that shows how far something is."""
        if self._console.quiet:
            yield lambda done, total: None
        elif self._console.is_terminal:
            with self._bar(label) as callback:
                yield callback
        else:
            yield self._lines(label)

    @contextmanager
    def _bar(self, label: str) -> Iterator[Callable[[int, int], None]]:
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(label, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)

    def _lines(self, label: str) -> Callable[[int, int], None]:
        start = last = time.monotonic()
        before: int | None = None

        def callback(done: int, total: int) -> None:
            nonlocal last, before
            now = time.monotonic()
            if not done:
                return
            if before is None:
                # What is resumed, or part of something longer, does not begin at the first step.
                before = done - 1
            if now - last < _LINE_INTERVAL_S:
                return
            last = now
            left = (now - start) / (done - before) * (total - done)
            # The first steps often take longer than all others.
            enough = done - before >= _MIN_SHARE * (total - before)
            guess = f", about {left:.0f} s left" if enough else ""
            self.log(f"{label}: {done} of {total}{guess}")
            sys.stderr.flush()

        return callback
