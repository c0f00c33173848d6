"""Checks text files for what no other tool looks at.

Every file ends with exactly one newline, no line ends in blanks, no CR, valid UTF-8.
Without arguments it checks every file that git tracks or would track.
"""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run

# Recorded or third-party bytes stay as they are.
EXEMPT = ("tests/golden/", "LICENSE")


def candidates() -> list[str]:
    """Names of tracked and of untracked, not ignored files."""
    listing = run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
    )
    return [name for name in listing.stdout.decode().split("\0") if name]


def faults(data: bytes) -> list[str]:
    """What is wrong with a file's content; binary files (with NUL bytes) are left alone."""
    if not data or b"\0" in data:
        return []
    found = []
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        found.append(f"not UTF-8 at byte {error.start}")
    if b"\r" in data:
        found.append("carriage return; lines end with LF")
    if not data.endswith(b"\n"):
        found.append("no newline at the end")
    elif data.endswith(b"\n\n"):
        found.append("blank lines at the end")
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.endswith((b" ", b"\t")):
            found.append(f"line {number} ends in blanks")
    return found


def main(names: list[str]) -> int:
    """Prints every fault; returns the exit status."""
    failed = False
    for name in names or candidates():
        path = Path(name)
        if name.startswith(EXEMPT) or not path.is_file():
            continue
        for fault in faults(path.read_bytes()):
            print(f"{name}: {fault}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
