"""Fixtures of the data tests."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[[Path], Path]:
    """Unpacks a tar file and gives the folder that it lies in."""

    def unpack(archive: Path) -> Path:
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path / "unpacked", filter="data")
        return tmp_path / "unpacked"

    return unpack
