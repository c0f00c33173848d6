"""Everything that a user can get wrong gives one clear error with its exit status."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.command_line import espalier
from tests.e2e import models

# What is in the file: exit status, and words that the message must hold.
BAD = {
    "truncated": (models.truncated, 6, ["truncated"]),
    "corrupted": (models.corrupted, 6, ["damaged"]),
    "no .tflite": (models.no_tflite, 6, [".tflite"]),
    "empty": (bytes, 6, [".tflite"]),
    "unsupported operator": (models.unsupported_operator, 6, ["ELU"]),
    "float model": (models.float_model, 6, ["float tensors", "int8"]),
    "too much RAM": (models.larger_than_any_ram, 7, ["RAM", "262,144", "mps2_an386"]),
    "too much flash": (models.larger_than_any_flash, 7, ["flash", "983,040", "mps2_an386"]),
}


@pytest.fixture(params=BAD.values(), ids=BAD.keys())
def bad(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, list[str]]:
    """A file bad.tflite in the working directory: its exit status, and the message's words."""
    make, status, words = request.param
    (tmp_path / "bad.tflite").write_bytes(make())
    monkeypatch.chdir(tmp_path)
    return status, words


def message_of(captured: str) -> str:
    errors = [line for line in captured.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, captured
    return " ".join(captured[captured.index("error: ") :].split())


@pytest.mark.parametrize("verb", ["plan", "deploy"])
def test_bad_models(
    verb: str,
    bad: tuple[int, list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, words = bad
    assert espalier(verb, "bad.tflite") == status
    message = message_of(capsys.readouterr().err)
    assert "bad" in message
    for word in words:
        assert word in message
    assert [path.name for path in tmp_path.iterdir()] == ["bad.tflite"]


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of programs that are not found on PATH, whether they are installed or not."""
    names: set[str] = set()
    which = shutil.which
    monkeypatch.setattr(
        shutil,
        "which",
        lambda name, *rest, **options: None if name in names else which(name, *rest, **options),
    )
    return names


MISSING = {
    "compiler": (["--toolchain", "gcc"], "arm-none-eabi-gcc"),
    "emulator": (["--emulator", "qemu"], "qemu-system-arm"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("options", "tool"), MISSING.values(), ids=MISSING.keys())
def test_missing_tools_are_status_3_and_named(
    options: list[str],
    tool: str,
    hidden: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "good.tflite").write_bytes(models.good())
    monkeypatch.chdir(tmp_path)
    hidden.add(tool)
    assert espalier("deploy", "good.tflite", "--work", "work", *options) == 3
    message = message_of(capsys.readouterr().err)
    assert tool in message
    assert "nstall" in message


INPUTS = {
    "no form": ("whatever", "whatever"),
    "bad random": ("random:1", "random:SEED:N"),
    "no samples": ("random:1:0", "random:SEED:N"),
    "no npz": ("broken.npz", "broken.npz"),
}


@pytest.mark.parametrize(("spec", "word"), INPUTS.values(), ids=INPUTS.keys())
def test_bad_inputs_are_found_before_anything_is_built(
    spec: str,
    word: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "good.tflite").write_bytes(models.good())
    (tmp_path / "broken.npz").write_bytes(b"PK")
    monkeypatch.chdir(tmp_path)
    assert espalier("deploy", "good.tflite", "--work", "work", "--inputs", spec) == 2
    captured = capsys.readouterr().err
    assert word in message_of(captured)
    assert "build" not in captured


def test_a_wrong_key_in_a_run_toml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "run.toml"
    config.write_text("[train]\nepoch = 3\n")
    assert espalier("run", str(config)) == 2
    message = message_of(capsys.readouterr().err)
    assert str(config) in message
    assert "unknown key train.epoch. Did you mean 'epochs'?" in message


def test_an_unknown_emulator_names_the_boards_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "good.tflite"
    path.write_bytes(models.good())
    assert espalier("deploy", str(path), "--emulator", "renode") == 2
    assert "auto, qemu, unicorn" in message_of(capsys.readouterr().err)


def test_a_keras_model_needs_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(b"")
    assert espalier("deploy", str(path)) == 2
    assert "no --data" in message_of(capsys.readouterr().err)
