"""Open linked firmware and object files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError


@contextmanager
def open_elf(path: Path) -> Iterator[Any]:
    """An ELF file, as pyelftools reads it.

    Raises:
        BuildError: it cannot be read, or is none.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as stream:
            yield ELFFile(stream)
    except (OSError, ELFError) as error:
        raise BuildError(
            f"{path}: expected a linked firmware in ELF format. Received: {error}. Build it again."
        ) from error
