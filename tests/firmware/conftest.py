"""The real firmware with the echo engine, as a process of this computer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.build.platformio import build_firmware
from pipeline.device.board import load_board
from pipeline.records import Firmware, SourceTree
from tests.firmware.line import READY, Line


@pytest.fixture(scope="session")
def host_firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    empty = SourceTree(root=tmp_path_factory.mktemp("no-model"), files=(), digest="")
    out = tmp_path_factory.mktemp("host-echo")
    return build_firmware(load_board("host"), "echo", empty, out)


@pytest.fixture(scope="session")
def host_program(host_firmware: Firmware) -> Path:
    return host_firmware.elf_path


@pytest.fixture
def line(host_program: Path) -> Iterator[Line]:
    """A line to a firmware that has said hello."""
    with Line(host_program) as opened:
        opened.until(READY)
        yield opened


@pytest.fixture(scope="session")
def arm_gcc(request: pytest.FixtureRequest) -> str:
    """The cross compiler; skips without it, as the mark `needs` does."""
    name = "arm-none-eabi-gcc"
    if shutil.which(name) is None:
        if name in request.config.getoption("--require"):
            pytest.fail(f"{name} is required (--require {name}) and not installed")
        pytest.skip(f"{name} is not installed")
    return name
