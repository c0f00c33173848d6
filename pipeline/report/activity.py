"""How far something is, how long it will take, and how long it took the last time."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.paths import cache_path

# The share of the steps, or of the time, from which on a guess is more than noise.
_MIN_SHARE = 0.05
# What is over sooner needs no guess.
_WORTH_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTime:
    """What an activity took the last time.

    Attributes:
        seconds: in all.
        steps: that it counted; 0 where it counted none.
    """

    seconds: float
    steps: int


class Activity:
    """Something that takes a while.

    Args:
        label: for people; and the name under which its duration is remembered.
        now: seconds on a monotonic clock.
        last_time: what it took then, if known.
    """

    def __init__(self, label: str, now: float, last_time: LastTime | None = None) -> None:
        self.label = label
        self.start = now
        self.done = self.total = 0
        self._last_time = last_time
        self._before: int | None = None

    def advance(self, done: int, total: int) -> None:
        """Tell how many steps are done, of how many; a total of 0 is not known."""
        if done and self._before is None:
            # What is resumed, or part of something longer, does not begin at the first step.
            self._before = done - 1
        self.done, self.total = done, total

    def share(self, now: float) -> float | None:
        """How much of it is over, as far as one can tell."""
        if self.total:
            return self.done / self.total
        last = self._last_time
        if last is None or not last.seconds:
            return None
        by_steps = self.done / last.steps if last.steps else 0.0
        return min(0.99, max(by_steps, (now - self.start) / last.seconds))

    def text(self, now: float) -> str:
        """How far it is, and how long it will take, in words."""
        elapsed = now - self.start
        if self.total and self.done >= self.total:
            # What follows is not counted: it evaluates, converts, writes.
            return f"{self.done:,} of {self.total:,}, finishing; {duration(elapsed)} so far"
        if self.total:
            left = self._left_s(elapsed)
            guess = "" if left is None else f", about {duration(left)} left"
            return f"{self.done:,} of {self.total:,}{guess}"
        count = f"{self.done:,}, " if self.done else ""
        if self._last_time is None:
            return f"{count}{duration(elapsed)} so far"
        last = self._last_time
        count = f"{self.done:,} of about {last.steps:,}, " if self.done and last.steps else count
        return f"{count}{duration(elapsed)}; the last time it took {duration(last.seconds)}"

    def took(self, now: float) -> LastTime | None:
        """What to remember for the next time; None where that is of no use."""
        seconds = now - self.start
        # What counts to a known end needs no memory.
        if self.total or seconds < _WORTH_S:
            return None
        return LastTime(seconds=round(seconds, 1), steps=self.done)

    def _left_s(self, elapsed: float) -> float | None:
        if self._before is None:
            return None
        here = self.done - self._before
        # The first steps often take longer than all others.
        if here < _MIN_SHARE * (self.total - self._before):
            return None
        return elapsed / here * (self.total - self.done)


def duration(seconds: float) -> str:
    """A time for people: 12 s, 3 min, 1.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def recall(label: str) -> LastTime | None:
    """What an activity of this name took the last time; None where that is not known."""
    try:
        known = json.loads(_path().read_text(encoding="utf-8"))[label]
        return LastTime(seconds=float(known["seconds"]), steps=int(known["steps"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(label: str, took: LastTime) -> None:
    """Keep what an activity took. A cache that cannot be written only costs the guess."""
    with contextlib.suppress(OSError):
        path = _path()
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        known[label] = {"seconds": took.seconds, "steps": took.steps}
        # Whole or not at all, as others may read it at any moment.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(known, stream, indent=1)
        Path(name).replace(path)


def _path() -> Path:
    return cache_path() / "durations.json"
