from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from pipeline import __version__, cli, errors
from tests.command_line import espalier
from tests.shared import REPOSITORY


def failing(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*arguments: object) -> NoReturn:
        raise error

    return fail


def test_help_lists_the_verbs_and_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert espalier("--help") == 0
    text = capsys.readouterr().out
    for verb in ("run", "deploy", "plan", "train", "quantize", "generate", "export", "build"):
        assert f"\n  {verb} " in text
    assert "7 does not fit" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert espalier("--version") == 0
    assert __version__ in capsys.readouterr().out


USAGE = {
    "misspelt verb": (["deplyo"], "No such verb: 'deplyo'. Did you mean 'deploy'?"),
    "no such verb": (["xyzzy"], "No such verb: 'xyzzy'. See espalier --help."),
    "misspelt option": (["deploy", "m.tflite", "--bord", "x"], "--board"),
    "missing argument": (["deploy"], "Missing argument 'MODEL'"),
    "bad choice": (["deploy", "m.tflite", "--toolchain", "icc"], "'icc' is not one of"),
    "misspelt board": (["deploy", "m.tflite", "--board", "mps2_an358"], "mps2_an386"),
    "no model": (
        ["plan", "none.tflite"],
        "none.tflite: expected a .tflite file. Received: nothing",
    ),
    "no config": (["run", "none.toml"], "Start from examples/person.toml"),
    "misspelt key": (
        ["run", "examples/person.toml", "--set", "train.epoch=3"],
        "unknown key train.epoch. Did you mean 'epochs'?",
    ),
    "no folder for outputs": (
        ["deploy", "m.tflite", "--outputs", "none/y.npz"],
        "none/y.npz: its folder does not exist",
    ),
    "misspelt kind of export": (
        ["export", "m.tflite", "--as", "platformoi", "--out", "x"],
        "Received: 'platformoi'. Did you mean 'platformio'?",
    ),
    "no camera": (
        ["generate", "m.tflite", "--out", "x", "--camera", "160x120"],
        "camera: expected WIDTHxHEIGHT:FORMAT",
    ),
    "no study": (["study", "none.toml"], "Start from examples/studies/synthetic.toml"),
    "no run": (["report", "tests"], "tests: expected the folder of a finished run"),
}


@pytest.mark.parametrize(("arguments", "message"), USAGE.values(), ids=USAGE.keys())
def test_usage_errors_are_status_2_and_name_the_way_out(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert espalier(*arguments) == 2
    captured = capsys.readouterr()
    assert message in " ".join(captured.err.split())
    assert captured.out == ""


STATUSES = {
    errors.ConfigError: 2,
    errors.MissingToolError: 3,
    errors.UnsupportedModelError: 6,
    errors.DoesNotFitError: 7,
    errors.BuildError: 1,
    errors.MismatchError: 1,
    errors.DeviceError: 4,
    errors.DeviceTimeout: 5,
    errors.ProtocolError: 5,
}


@pytest.mark.parametrize(
    ("kind", "status"), STATUSES.items(), ids=lambda v: getattr(v, "__name__", v)
)
def test_every_error_has_its_exit_status(
    kind: type[errors.PipelineError],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("pipeline.device.board.board_names", failing(kind("what is wrong")))
    assert espalier("boards") == status
    captured = capsys.readouterr()
    assert captured.err == "error: what is wrong\n"
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [["--debug", "boards"], ["boards", "--debug"]])
def test_debug_shows_the_traceback(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = errors.ConfigError("what is wrong")
    monkeypatch.setattr("pipeline.device.board.board_names", failing(error))
    assert espalier(*arguments) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.device.board.board_names", failing(KeyError("a bug")))
    with pytest.raises(KeyError, match="a bug"):
        cli.main(["boards"])


def test_an_interrupt_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.device.board.board_names", failing(KeyboardInterrupt()))
    assert espalier("boards") == 130
    assert "go on with: espalier boards" in capsys.readouterr().err


def test_a_package_that_is_missing_is_named_with_its_installation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = ModuleNotFoundError("No module named 'rich'", name="rich.table")
    monkeypatch.setattr("pipeline.device.board.board_names", failing(error))
    assert espalier("boards") == 3
    message = capsys.readouterr().err
    assert "expected the Python package rich" in message
    assert "-m pip install rich" in message


def test_boards(capsys: pytest.CaptureFixture[str]) -> None:
    assert espalier("boards") == 0
    assert "mps2_an386" in capsys.readouterr().out
    assert espalier("boards", "--json", "-") == 0
    listed = json.loads(capsys.readouterr().out)["boards"]
    assert {"mps2_an386", "host"} <= {board["name"] for board in listed}


def test_a_closed_pipe_is_no_error() -> None:
    result = subprocess.run(
        f"{sys.executable} -m pipeline boards | true",
        shell=True,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""


def test_a_terminated_process_cleans_up(tmp_path: Path) -> None:
    script = (
        "import time\nfrom pipeline import cli\nimport pipeline.device.board as board\n"
        "def names():\n"
        "    try:\n        print('ready', flush=True); time.sleep(60)\n"
        "    finally:\n        print('closed', flush=True)\n"
        "board.board_names = names\ncli.main(['boards'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[0] == "closed\n"
    assert process.returncode == 143
