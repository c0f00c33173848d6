"""`espalier flash` from a file to a simulated board that says its build id."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.build import registry
from pipeline.device import board as board_module
from pipeline.errors import DeviceError
from pipeline.records import Board
from pipeline.stages import flashed as flashed_module
from tests.command_line import espalier
from tests.desk import nano33
from tests.e2e import models
from tests.fake_platformio import FakePlatformIO
from tests.simulated_board import PluggedIn, SimulatedBoard

pytestmark = pytest.mark.slow

Flash = Callable[..., int]


@pytest.fixture
def flash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flash:
    """Runs `espalier flash`; what it keeps lies in a folder of the test."""
    cache = tmp_path / "cache"
    cache.mkdir()
    for module in (registry, flashed_module):
        monkeypatch.setattr(module, "cache_path", lambda: cache)
    board = nano33()

    def load(name: str) -> Board:
        return board

    monkeypatch.setattr(board_module, "load_board", load)

    def run(*arguments: str) -> int:
        return espalier("flash", *arguments, "--board", "mps2_an386")

    return run


def test_a_file_becomes_a_board_that_runs_it(
    flash: Flash, plugged: PluggedIn, platformio: FakePlatformIO, tmp_path: Path
) -> None:
    figures, work = tmp_path / "m.json", tmp_path / "work"
    run = tmp_path / "my run"
    model = run / "quantize" / "model.tflite"
    model.parent.mkdir(parents=True)
    model.write_bytes(models.good())
    with SimulatedBoard(plugged) as board:
        assert flash(str(run), "--work", str(work), "--json", str(figures)) == 0
        assert board.events == ["touched", "uploaded"]
        application, loader, again = board.names
    report = json.loads(figures.read_text())
    assert report["port"] == again
    assert platformio.ports == [application]
    assert len({application, loader, again}) == 3
    assert report["model"]["name"] == "my run"
    (call,) = platformio.calls
    assert call.variables["ESPALIER_MODEL_NAME"] == "my_run"
    assert call.variables["ESPALIER_BUILD_ID"] == report["build_id"]

    flashed = flashed_module.recall(report["build_id"])
    assert flashed.tflite.read_bytes() == model.read_bytes()
    assert flashed.firmware.build_id == report["build_id"]
    assert (flashed.model_name, flashed.port) == ("my run", again)


def test_firmware_without_a_model(
    flash: Flash, plugged: PluggedIn, platformio: FakePlatformIO, tmp_path: Path
) -> None:
    figures = tmp_path / "m.json"
    with SimulatedBoard(plugged) as board:
        assert flash("--echo", "--work", str(tmp_path / "work"), "--json", str(figures)) == 0
        assert board.events == ["touched", "uploaded"]
    report = json.loads(figures.read_text())
    assert (report["engine"], report["model"]["name"]) == ("echo", "echo")
    (call,) = platformio.calls
    assert "mps2_an386-echo" in call.arguments
    # There is no model that a measurement could look for.
    with pytest.raises(DeviceError, match="did not flash"):
        flashed_module.recall(report["build_id"])


def test_model_that_does_not_fit_is_not_built(
    flash: Flash,
    plugged: PluggedIn,
    platformio: FakePlatformIO,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(models.good())
    small = dataclasses.replace(nano33(), ram_bytes=100)
    monkeypatch.setattr(board_module, "load_board", lambda name: small)
    with SimulatedBoard(plugged) as board:
        assert flash(str(model), "--work", str(tmp_path / "work")) == 7
        assert board.events == []
    assert "has 100 B of RAM, of which the firmware takes at least" in capsys.readouterr().err
    assert platformio.calls == []


def test_build_that_fails_is_not_tried_again(
    flash: Flash,
    plugged: PluggedIn,
    platformio: FakePlatformIO,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(models.good())
    monkeypatch.setenv("PATH", str(tmp_path))
    with SimulatedBoard(plugged) as board:
        assert flash(str(model), "--work", str(tmp_path / "work"), "--toolchain", "gcc") == 3
        assert board.events == []
    assert "toolchain gcc is not installed" in capsys.readouterr().err
    assert platformio.calls == []
