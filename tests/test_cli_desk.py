"""The verbs `ports`, `flash` and `monitor`, as a shell sees them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.device import board as board_module
from pipeline.records import Board
from tests.command_line import espalier
from tests.desk import nano33, plugged
from tests.shared import REPOSITORY
from tests.signals import heed_ctrl_c
from tests.simulated_board import PluggedIn, SimulatedBoard

__all__ = ["plugged"]


@pytest.fixture
def board(plugged: PluggedIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedBoard]:
    """A Nano that is plugged in; every name of a board stands for it."""
    facts = nano33()

    def load(name: str) -> Board:
        return facts

    monkeypatch.setattr(board_module, "load_board", load)
    monkeypatch.setattr(board_module, "board_names", lambda: ("nano33",))
    with SimulatedBoard(plugged) as made:
        yield made


def start_monitor(*arguments: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipeline", "monitor", *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        command, cwd=REPOSITORY, text=True, preexec_fn=heed_ctrl_c, **(pipes | options)
    )  # type: ignore[call-overload,no-any-return]


def test_ports(board: SimulatedBoard, capsys: pytest.CaptureFixture[str]) -> None:
    assert espalier("ports", "--json", "-") == 0
    (port,) = json.loads(capsys.readouterr().out)["ports"]
    assert port == {
        "path": board.port,
        "usb_id": "2341:805a",
        "serial_number": "0123ABCD",
        "location": "1-4",
        "description": "simulated board",
        "boards": ["mps2_an386"],
        "state": "free",
    }
    assert espalier("ports") == 0
    assert board.port in capsys.readouterr().out


def test_ports_of_this_computer() -> None:
    assert espalier("ports") == 0


def test_monitor_in_a_pipe(board: SimulatedBoard) -> None:
    monitor = start_monitor("--port", board.port)
    out, err = monitor.communicate("name\ninfo\n", timeout=60)
    assert monitor.returncode == 0, err
    lines = out.splitlines()
    assert lines[:2] == ["m-name-dut-[espalier]", "m-ready"]
    assert json.loads(lines[2].removeprefix("m-info-"))["board"] == "nano33"
    assert f"{board.port} (not USB): connected" in err


def test_monitor_ends_on_ctrl_c_without_an_error(board: SimulatedBoard) -> None:
    monitor = start_monitor("--port", board.port)
    assert monitor.stderr is not None
    assert "connected" in monitor.stderr.readline()
    board.say(b"hello\r\n")
    assert monitor.stdout is not None
    assert monitor.stdout.readline() == "hello\n"
    monitor.send_signal(signal.SIGINT)
    _, err = monitor.communicate(timeout=60)
    assert monitor.returncode == 0
    assert err == "  ended\n"


def test_monitor_for_some_seconds(board: SimulatedBoard) -> None:
    monitor = start_monitor("--port", board.port, "--seconds", "0.3", stdin=subprocess.DEVNULL)
    assert monitor.communicate(timeout=60)[0] == ""
    assert monitor.returncode == 0


def test_monitor_finds_the_board(board: SimulatedBoard, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--board", "nano33"]):
        assert espalier("monitor", *arguments, "--seconds", "0.2") == 0
        assert f"{board.port} (2341:805a" in capsys.readouterr().err


def test_monitor_without_a_board(plugged: PluggedIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert espalier("monitor") == 4
    assert "Choose one with --port" in capsys.readouterr().err
    assert espalier("monitor", "--port", "/dev/ttyNone") == 4
    assert "/dev/ttyNone: cannot open the port" in capsys.readouterr().err


FLASH_ERRORS = {
    "no board named": (["m.tflite"], 2, "Missing option '--board'"),
    "neither": (["--board", "mps2_an386"], 2, "Expected either MODEL or --echo"),
    "both": (["m", "--echo", "--board", "mps2_an386"], 2, "Expected either MODEL or --echo"),
    "emulated board": (
        ["m.tflite", "--board", "mps2_an386"],
        2,
        "board 'mps2_an386': expected one that firmware can be uploaded to",
    ),
    "no such board": (["m.tflite", "--board", "nano34"], 2, "Received: 'nano34'"),
}


@pytest.mark.parametrize(
    ("arguments", "status", "message"), FLASH_ERRORS.values(), ids=FLASH_ERRORS.keys()
)
def test_flash_refuses_before_it_does_anything(
    arguments: list[str],
    status: int,
    message: str,
    plugged: PluggedIn,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert espalier("flash", *arguments) == status
    assert message in " ".join(capsys.readouterr().err.split())


MODEL_ERRORS = {
    "no file": ("none.tflite", "none.tflite: expected a model file, or the folder of a run."),
    "no run": ("tests", "Received: a folder without tests/quantize/model.tflite. `make run`"),
}


@pytest.mark.parametrize(("model", "message"), MODEL_ERRORS.values(), ids=MODEL_ERRORS.keys())
def test_flash_needs_a_model(
    model: str,
    message: str,
    board: SimulatedBoard,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert espalier("flash", model, "--board", "nano33") == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert board.events == []


def test_flash_without_a_board_builds_nothing(
    plugged: PluggedIn,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    facts = nano33()
    monkeypatch.setattr(board_module, "load_board", lambda name: facts)
    model, work = tmp_path / "m.tflite", tmp_path / "work"
    model.touch()
    assert espalier("flash", str(model), "--board", "nano33", "--work", str(work)) == 4
    assert "expected a serial port with the USB id" in capsys.readouterr().err
    assert not work.exists()
