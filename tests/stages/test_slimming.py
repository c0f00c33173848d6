"""slim_file and plan_tflm_offline: proven on both runtimes, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.device import tflm_host
from pipeline.device.board import load_board
from pipeline.errors import ConfigError, MismatchError, UnsupportedModelError
from pipeline.plan.graph import parse_file_model
from pipeline.plan.slim.slim import SlimOptions
from pipeline.plan.tflm.arena import predict_arena
from pipeline.plan.tflm.runtimes import RUNTIMES
from pipeline.stages import plan_tflm, plan_tflm_offline, proving, slim_file
from pipeline.stages.slimming import write_whole
from tests import one_op
from tests.shared import REFERENCE_MODELS, shared_path
from tests.small_models import SMALL_MODELS


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(SMALL_MODELS["residual"]())
    return path


def test_report_is_json(model: Path) -> None:
    report = slim_file(model, model.with_name("out.tflite"), SlimOptions())
    assert json.loads(json.dumps(report)) == report
    assert report["tflite_bytes"] == model.with_name("out.tflite").stat().st_size
    assert report["proof"]["reference"] == {"equal": True, "reason": None}


def test_a_file_may_take_its_own_place(model: Path) -> None:
    before = model.stat().st_size
    assert slim_file(model, model, SlimOptions())["tflite_bytes"] == model.stat().st_size < before
    assert [path.name for path in model.parent.iterdir()] == ["model.tflite"]


def test_nothing_is_written_on_a_difference(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter((np.zeros((27, 2), np.int8), np.ones((27, 2), np.int8)))
    monkeypatch.setattr(proving, "_reference", lambda data, x: (next(answers),))
    with pytest.raises(MismatchError, match="must give the same outputs"):
        slim_file(model, model.with_name("out.tflite"), SlimOptions())
    assert not model.with_name("out.tflite").exists()


def test_missing_tflm_is_said(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflm_host, "is_installed", lambda: False)
    report = slim_file(model, model.with_name("out.tflite"), SlimOptions())
    reason = "the package tflite-micro is not installed"
    assert report["proof"]["tflm"] == {"equal": None, "reason": reason}


@pytest.mark.needs("tflite_micro")
def test_what_tflm_cannot_run_is_said(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(one_op.single(one_op.tile, (1, 4, 4, 2), (0.1, 0), multiples=(1, 2, 1, 1)))
    report = slim_file(model, tmp_path / "out.tflite", SlimOptions())
    assert "'TILE'" in report["proof"]["tflm"]["reason"]


def test_folders_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none/out\.tflite: cannot be written"):
        write_whole(tmp_path / "none" / "out.tflite", b"")


def test_float_models_are_refused_with_the_way_out(tmp_path: Path) -> None:
    from tests.plan.slim.test_source import changed, to_float

    model = tmp_path / "model.tflite"
    model.write_bytes(changed(to_float))
    with pytest.raises(UnsupportedModelError, match="espalier quantize"):
        slim_file(model, tmp_path / "out.tflite", SlimOptions())


@pytest.mark.slow
@pytest.mark.needs("tflite_micro")
@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_reference_models_on_both_runtimes(name: str, tmp_path: Path) -> None:
    path = shared_path(f"models/{name}.tflite")
    small, planned = tmp_path / "small.tflite", tmp_path / "planned.tflite"
    for channels in (False, True):
        proof = slim_file(path, small, SlimOptions(constant_channels=channels))["proof"]
        assert proof["reference"]["equal"]
        assert proof["tflm"]["equal"]
    for source in (path, small):
        report = plan_tflm_offline(source, planned, load_board("mps2_an386"))
        assert report["proof"]["tflm"]["equal"]
        # What TFLM itself reports is what was worked out for it.
        (row,) = (row for row in report["runtimes"] if row["name"] == tflm_host.RUNTIME)
        for key in ("head_bytes_before", "head_bytes"):
            assert report["proof"]["tflm"][key] == row[key]


@pytest.mark.needs("tflite_micro")
def test_tflm_reports_the_planned_head(tmp_path: Path) -> None:
    path, out = shared_path("models/vww_96_int8.tflite"), tmp_path / "out.tflite"
    board = load_board("mps2_an386")
    report = plan_tflm_offline(path, out, board)
    measured = report["proof"]["tflm"]
    assert (measured["head_bytes_before"], measured["head_bytes"]) == (73_728, 55_296)
    # A deployment of the new file gets by with the smaller arena.
    before, after = (plan_tflm(file, board).arena for file in (path, out))
    assert before.arena_bytes - after.arena_bytes == 73_728 - 55_296


def test_plan_for_a_named_runtime(model: Path) -> None:
    out = model.with_name("out.tflite")
    report = plan_tflm_offline(model, out, load_board("mps2_an386"), "chirale-2.0.0")
    assert report["runtime"] == "chirale-2.0.0"
    planned = parse_file_model(out.read_bytes(), "out", "out", "tflm")
    arena = predict_arena(planned, RUNTIMES["chirale-2.0.0"])
    assert arena.arena_bytes == report["arena_bytes"]


def test_unknown_runtime_is_named(model: Path) -> None:
    with pytest.raises(ConfigError, match="Received: 'none'"):
        plan_tflm_offline(model, model, load_board("mps2_an386"), "none")


def test_a_runtime_without_a_plan_to_write_is_refused(model: Path) -> None:
    from pipeline import cli

    with pytest.raises(SystemExit) as exit_:
        cli.main(["plan", str(model), "--tflm-runtime", "chirale-2.0.0"])
    assert exit_.value.code == 2
