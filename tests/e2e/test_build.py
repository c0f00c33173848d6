"""`espalier build` of a model file: firmware for any board, and nothing run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.paths import boards_path
from tests.command_line import espalier
from tests.e2e import models


def run(*arguments: object) -> int:
    return espalier("build", *arguments)


@pytest.mark.slow
@pytest.mark.needs("ziglang")
def test_a_model_becomes_firmware(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(models.good())
    work = tmp_path / "work"
    assert run(model, "--board", "nrf52840", "--work", work) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert folder == work / "build" / "nrf52840-aot"
    assert (folder / "firmware.elf").is_file()
    assert json.loads((folder / "size.json").read_text())["size"]["firmware"]["weights_bytes"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("m.tflite", "--set", "a.b=c"), "--set goes only with a CONFIG"),
        (("run.toml", "--board", "nano33", "--work", "x"), "--board, --work goes only with a MOD"),
        (("nothing.tflite",), "nothing.tflite: expected a model file. Received: nothing of that"),
        (("m.tflite", "--board", "nano3"), "Did you mean 'nano33'?"),
        (("m.tflite", "--board", "host", "--engine", "tflm"), "one of aot"),
    ],
)
def test_what_is_wrong_is_named(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "m.tflite").write_bytes(models.good())
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_hosted_ci_builds_every_board_that_downloads() -> None:
    """The workflow is the only place where those boards' compilers are."""
    workflow = (boards_path().parent / ".github" / "workflows" / "ci.yml").read_text()
    names = [
        path.parent.name
        for path in sorted(boards_path().glob("*/platformio.ini"))
        if "framework = arduino" in path.read_text()
    ]
    (line,) = [line for line in workflow.splitlines() if line.strip().startswith("board: [")]
    assert sorted(line.partition("[")[2].rstrip("]").split(", ")) == names
