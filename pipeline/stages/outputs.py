"""What a device was given and what it answered, in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.records import Array


def write_arrays(path: Path, x: tuple[Array, ...], y: tuple[Array, ...]) -> None:
    """Write inputs and outputs as `write_outputs` names them."""
    # An open file, because numpy adds a suffix to names that lack it.
    with path.open("wb") as stream:
        np.savez(stream, **_numbered("x", x), **_numbered("y", y))


def _numbered(letter: str, arrays: tuple[Array, ...]) -> dict[str, Any]:
    if len(arrays) == 1:
        return {letter: arrays[0]}
    return {f"{letter}{index}": array for index, array in enumerate(arrays)}
