"""Progress on standard error: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from pipeline.quiet import own_stderr
from pipeline.report.activity import Activity, recall, remember

# Without a terminal: the first line of what takes longer than this, and then a line at most so
# often, so that logs stay readable.
_FIRST_LINE_S = 2.0
_LINE_INTERVAL_S = 10.0
# Between two looks at what does not tell by itself how far it is.
_LOOK_S = 0.5


class Reporter:
    """Tells what is going on.

    Args:
        quiet: says nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(file=own_stderr(), quiet=quiet, highlight=False)
        self._stage = self._reached = ""
        # Labels of what broke off, from the outermost to the innermost.
        self._broken_off: list[str] = []
        # From the outermost to the innermost, which is the one that is shown.
        self._shown: list[_Shown] = []
        self._lock = threading.RLock()

    @property
    def place(self) -> str:
        """Where things are, or were when they broke off: "train: training, epoch 7 of 30"."""
        labels = self._broken_off or [shown.activity.label for shown in self._shown]
        # Inside of an activity, other headlines may have come and gone.
        stage = labels[0] if len(labels) > 1 else self._stage
        inside = ", ".join(part for part in (*labels[-1:], self._reached) if part)
        return ": ".join(part for part in (stage, inside) if part and inside != stage) or stage

    def headline(self, text: str) -> None:
        """A stage begins, or is skipped."""
        self._stage, self._reached, self._broken_off = text, "", []
        self._console.print(text, style="bold", markup=False, soft_wrap=True)

    def log(self, text: str) -> None:
        """One line of what a stage has to say."""
        self._console.print(f"  {text}", markup=False, soft_wrap=True)

    def reached(self, text: str) -> None:
        """How far something has come, for whoever breaks it off: "epoch 7 of 30"."""
        self._reached = text

    @contextmanager
    def steps(self, label: str) -> Iterator[Callable[[int, int], None]]:
        """Show something that takes a while, and how far it is.

        Gives a callback (done, total), which need not be called; a total of 0 is one that is not
        known. Then the time that it took is remembered under its label, for the next time.
        """
        activity = Activity(label, time.monotonic(), recall(label))
        self._broken_off = []
        if self._console.quiet:
            with self._noting(activity):
                yield activity.advance
            return
        shown = (
            _Bar(activity, self, self._console)
            if self._console.is_terminal
            else _Lines(activity, self)
        )
        with self._noting(activity), self._on_top(shown), _looking(self, shown):
            yield shown.advance
        took = activity.took(time.monotonic())
        if took is not None:
            remember(label, took)

    @contextmanager
    def _noting(self, activity: Activity) -> Iterator[None]:
        """Keep the labels of what is broken off, which ends from the innermost outwards."""
        try:
            yield
        except BaseException:
            self._broken_off.insert(0, activity.label)
            raise

    @contextmanager
    def _on_top(self, shown: _Shown) -> Iterator[None]:
        with self._lock:
            if self._shown:
                self._shown[-1].hide()
            self._shown.append(shown)
            shown.show()
        try:
            yield
        finally:
            with self._lock:
                shown.hide()
                self._shown.remove(shown)
                if self._shown:
                    self._shown[-1].show()

    def refresh(self, shown: _Shown) -> None:
        """Show the time that goes by, unless something else is shown."""
        with self._lock:
            if self._shown and self._shown[-1] is shown:
                shown.refresh()


class _Shown:
    """An activity as it is shown."""

    def __init__(self, activity: Activity, reporter: Reporter) -> None:
        self.activity = activity
        self._reporter = reporter

    def advance(self, done: int, total: int) -> None:
        self.activity.advance(done, total)
        self._reporter.refresh(self)

    def show(self) -> None:
        """Become, or become again, what is shown."""

    def hide(self) -> None:
        """Make room for what began inside."""

    def refresh(self) -> None:
        """Show how far it is now."""


class _Bar(_Shown):
    """A bar on a terminal, which vanishes at the end."""

    def __init__(self, activity: Activity, reporter: Reporter, console: Console) -> None:
        super().__init__(activity, reporter)
        self._console = console
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def show(self) -> None:
        columns = (
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[words]}", markup=False),
        )
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task(self.activity.label, total=None, words="")
        self._progress.start()
        self.refresh()

    def hide(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def refresh(self) -> None:
        if self._progress is None:
            return
        now = time.monotonic()
        share = self.activity.share(now)
        self._progress.update(
            self._task,
            completed=share or 0.0,
            total=None if share is None else 1.0,
            words=self.activity.text(now),
        )


class _Lines(_Shown):
    """Plain lines, not too many."""

    def __init__(self, activity: Activity, reporter: Reporter) -> None:
        super().__init__(activity, reporter)
        self._due = activity.start

    def show(self) -> None:
        # What went on inside has told of itself.
        self._due = max(self._due, time.monotonic() + _FIRST_LINE_S)

    def refresh(self) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + _LINE_INTERVAL_S
        self._reporter.log(f"{self.activity.label}: {self.activity.text(now)}")


@contextmanager
def _looking(reporter: Reporter, shown: _Shown) -> Iterator[None]:
    """Refresh what does not tell by itself that it goes on."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK_S):
            reporter.refresh(shown)

    thread = threading.Thread(target=look, daemon=True, name="progress")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
