"""The wording of help for someone who wrote a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that `name` is most like; None where it is one of them, or like none."""
    names = tuple(names)
    if name in names:
        return None
    # Capital letters and the wrong dash are the usual slips besides typing errors.
    by_plain = {_plain(known): known for known in sorted(names)}
    close = difflib.get_close_matches(_plain(name), by_plain, n=1)
    return by_plain[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """' Did you mean 'x'?' to end a sentence with; "" where nothing is near."""
    close = nearest(name, names)
    return "" if close is None else f" Did you mean {close!r}?"


def suggestion(name: str, names: Iterable[str]) -> str:
    """A sentence that helps in any case: the nearest name, or all there are."""
    names = sorted(names)
    return did_you_mean(name, names).strip() or f"Known: {', '.join(names)}."


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
