"""Differences that tests allow: (what, how much, why). Empty means bit-exact everywhere."""

TOLERANCES: dict[str, tuple[float, str]] = {}
