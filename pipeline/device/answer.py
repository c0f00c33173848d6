"""What programs of this computer say of themselves."""

from __future__ import annotations

import subprocess

# A program that does not answer by then counts as broken.
_ANSWER_S = 2.0


def answer_of(*command: str) -> str:
    """What a program prints; "" where it is not there, fails, or says nothing for long."""
    try:
        said = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout if said.returncode == 0 else ""
