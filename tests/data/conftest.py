"""Fixtures of the data tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shared import unpack


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[[Path], Path]:
    """Unpacks a tar file and gives the folder that it lies in."""

    def unpacked_to(archive: Path) -> Path:
        unpack(archive, tmp_path / "unpacked")
        return tmp_path / "unpacked"

    return unpacked_to
