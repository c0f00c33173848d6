"""A reporter that keeps what it is told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from pipeline.report.progress import Reporter


class Notes(Reporter):
    """Keeps what is reported."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def headline(self, text: str) -> None:
        self.lines.append(text)

    def log(self, text: str) -> None:
        self.lines.append(text)

    @contextlib.contextmanager
    def steps(self, label: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: self.lines.append(f"{label}: {done} of {total}")

    def has(self, text: str) -> bool:
        return any(text in line for line in self.lines)
