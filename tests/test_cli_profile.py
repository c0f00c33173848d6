"""The verbs `profile` and `zoo`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.small_models import residual_network


def status_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


def test_a_profile_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "residual.tflite"
    path.write_bytes(residual_network())
    assert status_of("profile", str(path), "--board", "nano33", "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["board"]["name"] == "nano33"
    assert report["estimated"]["latency_ms"] > 0


def test_a_profile_as_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "residual.tflite"
    path.write_bytes(residual_network())
    assert status_of("profile", str(path)) == 0
    assert "estimated cycles" in capsys.readouterr().out


@pytest.mark.parametrize("size", ["big", "3x4x5", "0", "-3"])
def test_sizes_are_checked(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("profile", "resnet8", f"--size={size}") == 2
    assert "--size: expected N or HxW" in capsys.readouterr().err


def test_the_zoo_and_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("zoo") == 0
    assert "resnet8" in capsys.readouterr().out
    assert status_of("zoo", "resnet8", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["card"]["name"] == "resnet8"


def test_an_unknown_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("zoo", "resnet9") == 2
    assert "Did you mean 'resnet8'" in capsys.readouterr().err
