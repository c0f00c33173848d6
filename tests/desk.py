"""A computer with nothing on its desk yet: its ports, its PlatformIO, and the boards it may get."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipeline.device import ports as ports_module
from pipeline.device.board import load_board
from pipeline.records import Board
from tests.fake_platformio import FakePlatformIO
from tests.simulated_board import BRIDGE, NANO_APPLICATION, NANO_LOADER, PluggedIn


def nano33() -> Board:
    """A board that is flashed with a touch, built with what every machine has."""
    return dataclasses.replace(
        load_board("mps2_an386"), usb_ids=(NANO_LOADER, NANO_APPLICATION), upload="touch"
    )


def esp32() -> Board:
    """A board behind a USB bridge, which esptool flashes."""
    return dataclasses.replace(load_board("mps2_an386"), usb_ids=(BRIDGE,), upload="esptool")


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PluggedIn:
    """A computer with nothing plugged in, in the place of this one."""
    folder = tmp_path / "computer"
    folder.mkdir()
    computer = PluggedIn(folder / "ports.json")
    monkeypatch.setattr(ports_module, "list_ports", computer.list)
    return computer


@pytest.fixture
def platformio(plugged: PluggedIn, monkeypatch: pytest.MonkeyPatch) -> FakePlatformIO:
    """A PlatformIO that uploads to what is plugged into the simulated computer."""
    return FakePlatformIO.install(plugged.path.parent, monkeypatch)
