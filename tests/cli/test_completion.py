"""Tab completion, asked as a shell's script asks it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from pipeline.device.board import board_names
from tests.shared import REPOSITORY


def complete(*typed: str) -> list[str]:
    """What bash would offer for the last word."""
    result = subprocess.run(
        [sys.executable, "-m", "pipeline"],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "_ESPALIER_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("espalier", *typed)),
            "COMP_CWORD": str(len(typed)),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    return [line.partition(",")[2] for line in result.stdout.splitlines()]


CASES = {
    "verbs": (("me",), ["measure"]),
    "options": (("deploy", "--boa"), ["--board"]),
    "boards": (("flash", "--board", "esp"), ["esp32", "esp32c3"]),
    "methods": (("prune", "m.keras", "--method", "mul"), ["multistage"]),
    "criteria": (("prune", "m.keras", "--criterion", "l"), ["l1", "l2", "lamp"]),
    "emulators": (("deploy", "m.tflite", "--emulator", "q"), ["qemu"]),
    "architectures": (("init", "--architecture", "res"), ["resnet8"]),
    "keys": (("run", "r.toml", "--set", "train.e"), ["train.epochs="]),
    "choices": (("plan", "m.tflite", "--engine", ""), ["aot", "tflm"]),
    "shells": (("completion", ""), ["bash", "zsh", "fish"]),
}


@pytest.mark.parametrize(("typed", "offered"), CASES.values(), ids=CASES.keys())
def test_words_are_completed(typed: tuple[str, ...], offered: list[str]) -> None:
    assert complete(*typed) == offered


def test_every_board_is_offered() -> None:
    assert complete("plan", "m.tflite", "--board", "") == list(board_names())


def test_runs_are_offered() -> None:
    run = REPOSITORY / "runs" / "completion-test"
    (run / "train").mkdir(parents=True)
    try:
        assert complete("report", "runs/completion-t") == ["runs/completion-test"]
    finally:
        shutil.rmtree(run)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_espalier(shell: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pipeline", "completion", shell],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"_ESPALIER_COMPLETE={shell}_complete" in result.stdout
    if shutil.which(shell) is not None:
        option = "--no-execute" if shell == "fish" else "-n"
        subprocess.run([shell, option], input=result.stdout, text=True, check=True)
