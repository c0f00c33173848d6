"""What the examination of a computer finds."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    # Something is not there that `make run` does without.
    GAP = "gap"
    # `make run` cannot do without it.
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: what it belongs to: python, packages, compilers, ...
        name: of the thing.
        state: how bad it is.
        found: a version, a path, or what is wrong.
        fix: the command, or what to do; "" where nothing is to be done.
        without: what works, and what does not, as long as it stays so.
    """

    topic: str
    name: str
    state: State
    found: str
    fix: str = ""
    without: str = ""


def fine(topic: str, name: str, found: str) -> Finding:
    """Nothing is to be done."""
    return Finding(topic=topic, name=name, state=State.OK, found=found)


def lacking(
    topic: str, name: str, found: str, *, fix: str, without: str, needed: bool = False
) -> Finding:
    """Something is to be done; `needed` where `make run` cannot do without it."""
    return Finding(
        topic=topic,
        name=name,
        state=State.MISSING if needed else State.GAP,
        found=found,
        fix=fix,
        without=without,
    )
