"""A computer with nothing on its desk yet: its ports, its PlatformIO, and the boards it may get."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.device import ports as ports_module
from pipeline.device.board import load_board
from pipeline.records import Board
from tests.simulated_board import BRIDGE, NANO_APPLICATION, NANO_LOADER, PluggedIn

FAKE_PLATFORMIO = Path(__file__).resolve().parent / "fake_platformio"


class FakePlatformIO:
    """The program of tests/fake_platformio, for the processes that this one starts.

    Args:
        folder: where plan and record lie, beside ports.json.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan()

    def plan(self, *outcomes: str) -> None:
        """Set the outcomes of the uploads to come; "ok" after them."""
        (self.folder / "plan.json").write_text(json.dumps(outcomes))

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Arguments and variables of each upload so far."""
        path = self.folder / "calls.json"
        return json.loads(path.read_text()) if path.is_file() else []

    @property
    def ports(self) -> list[str]:
        """The port of each upload so far."""
        return [call["arguments"][-1] for call in self.calls]


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
    folder = plugged.path.parent
    search = [str(FAKE_PLATFORMIO), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(search))
    monkeypatch.setenv("FAKE_PLATFORMIO", str(folder))
    return FakePlatformIO(folder)
