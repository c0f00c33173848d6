"""`espalier plan` and `espalier generate` with engine tflm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command_line import espalier
from tests.small_models import residual_network


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "person.tflite"
    path.write_bytes(residual_network())
    return path


def test_plan_shows_both_ends_of_the_arena(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert espalier("plan", str(model), "--engine", "tflm", "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    arena = report["arena"]
    assert arena["used_bytes"] == arena["head_bytes"] + arena["tail_bytes"]
    assert report["arena_bytes"] >= arena["peak_bytes"] >= arena["used_bytes"]
    assert report["runtime"] == "tflite-micro-2026"
    assert espalier("plan", str(model), "--engine", "tflm") == 0
    text = capsys.readouterr().out
    assert f"{report['arena_bytes']:,} B (head {arena['head_bytes']:,} B" in text
    assert "AddConv2D(tflite::Register_CONV_2D_INT8())" in text


def test_plan_draws_no_picture(model: Path, tmp_path: Path) -> None:
    svg = str(tmp_path / "plan.svg")
    assert espalier("plan", str(model), "--engine", "tflm", "--svg", svg) == 2


def test_sources_for_another_project(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--engine", "tflm", "--board", "mps2_an386", "--out", str(out))
    assert espalier("generate", str(model), *options) == 0
    assert {path.name for path in out.iterdir()} == {"model.cc", "model.h", "weights.c"}
    assert "--engine tflm" in (out / "model.h").read_text()


def test_sources_need_a_board(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--engine", "tflm", "--out", str(tmp_path / "out"))
    assert espalier("generate", str(model), *options) == 2
    assert "--engine tflm: expected --board" in capsys.readouterr().err


def test_board_without_the_engine(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert espalier("plan", str(model), "--engine", "tflm", "--board", "host") == 2
    assert "for board 'host'" in capsys.readouterr().err
