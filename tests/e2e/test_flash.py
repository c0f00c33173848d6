"""`espalier flash` from a file to a simulated board that says its build id."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.build import platformio as build_module
from pipeline.device import board as board_module
from pipeline.records import Board
from pipeline.stages import flashed as flashed_module
from tests.e2e import models
from tests.simulated_board import (
    FakePlatformIO,
    PluggedIn,
    SimulatedBoard,
    nano33,
)

pytestmark = pytest.mark.slow

Flash = Callable[..., int]


@pytest.fixture
def flash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flash:
    """Runs `espalier flash`; what it keeps lies in a folder of the test."""
    cache = tmp_path / "cache"
    cache.mkdir()
    for module in (build_module, flashed_module):
        monkeypatch.setattr(module, "cache_path", lambda: cache)
    board = nano33()

    def load(name: str) -> Board:
        return board

    monkeypatch.setattr(board_module, "load_board", load)

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            cli.main(["flash", *arguments, "--board", "mps2_an386"])
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return run


def test_a_file_becomes_a_board_that_runs_it(
    flash: Flash, plugged: PluggedIn, platformio: FakePlatformIO, tmp_path: Path
) -> None:
    model, figures = tmp_path / "m.tflite", tmp_path / "m.json"
    model.write_bytes(models.good())
    work = tmp_path / "work"
    with SimulatedBoard(plugged) as board:
        assert flash(str(model), "--work", str(work), "--json", str(figures)) == 0
        assert board.events == ["touched", "uploaded"]
        application, loader, again = board.names
    report = json.loads(figures.read_text())
    assert report["port"] == again
    assert platformio.ports == [application]
    assert len({application, loader, again}) == 3

    flashed = flashed_module.recall(report["build_id"])
    assert flashed.tflite.read_bytes() == model.read_bytes()
    assert flashed.firmware.build_id == report["build_id"]
