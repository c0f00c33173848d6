"""The commands that the documentation tells people to type.

Blocks of ``sh`` are commands that run as they stand; blocks of ``bash`` are scripts for real data
that take hours; synopses and output are ``text``.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.shared import REPOSITORY

_FENCE = re.compile(r"^\s*```(\w*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A line of a block, with what a backslash joins to it.

    Attributes:
        page: its file, relative to the repository.
        line: where it starts, from 1.
        text: without comment.
        runs: whether it stands in a block of ``sh``.
    """

    page: str
    line: int
    text: str
    runs: bool

    @property
    def words(self) -> list[str]:
        """As a shell splits it, a `~` left as it is."""
        return shlex.split(self.text)

    @property
    def espalier(self) -> list[str] | None:
        """The arguments of `espalier`, without what the shell takes; None for other programs."""
        if not re.match(r"^(?:\.venv/bin/)?espalier(?:\s|$)", self.text):
            return None
        return list(
            itertools.takewhile(lambda word: word not in ("<", ">", "|", "&"), self.words[1:])
        )

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page for people, README first."""
    others = (REPOSITORY / "boards").rglob("README.md")
    return [
        REPOSITORY / "README.md",
        *sorted((REPOSITORY / "docs").rglob("*.md")),
        *sorted(others),
        REPOSITORY / "firmware" / "PROTOCOL.md",
        REPOSITORY / "pipeline" / "ops" / "README.md",
    ]


def commands(page: Path) -> Iterator[Command]:
    """The commands of a page, in order."""
    for language, first, lines in _blocks(page):
        if language not in ("sh", "bash"):
            continue
        text, start = "", first
        for number, line in enumerate(lines, first):
            if not text:
                start = number
            text += line.strip()
            if text.endswith("\\"):
                text = text[:-1]
                continue
            bare = " ".join(shlex.split(text, comments=True)) and _without_comment(text)
            if bare:
                yield Command(
                    page=page.relative_to(REPOSITORY).as_posix(),
                    line=start,
                    text=bare,
                    runs=language == "sh",
                )
            text = ""


def unlabelled_blocks(page: Path) -> list[int]:
    """Lines at which a block without a language starts."""
    return [first - 1 for language, first, _ in _blocks(page) if not language]


def _without_comment(text: str) -> str:
    """The text up to a `#` that starts a comment."""
    quote = ""
    for place, character in enumerate(text):
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        elif character == "#" and not quote and (place == 0 or text[place - 1].isspace()):
            return text[:place].rstrip()
    return text


def _blocks(page: Path) -> Iterator[tuple[str, int, list[str]]]:
    """(language, number of the first line, lines) of each fenced block."""
    language: str | None = None
    first, lines = 0, list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if fence is None:
            lines.append(line)
        elif language is None:
            language, first, lines = fence.group(1), number + 1, []
        else:
            yield language, first, lines
            language = None
