"""A profile's JSON and tables: estimates are labelled, and time is given only for real boards."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.device.board import load_board
from pipeline.records import Board, DeployPlan, LayerEstimate, PlanEstimate
from pipeline.report.profile import Basis, Origin, profile_report
from pipeline.report.profile_tables import card_tables, profile_tables, zoo_tables
from pipeline.report.tables import print_tables
from pipeline.stages import layer_macs, plan_model
from tests.small_models import residual_network

ERRORS = {
    "models": {
        "held-1": {"instructions": 0.01, "cycles": -0.02, "runtime_bytes": 0.03},
        "held-3": {"instructions": -0.03, "cycles": 0.0, "runtime_bytes": 0.01},
    }
}


@pytest.fixture
def plan(tmp_path: Any) -> DeployPlan:
    path = tmp_path / "residual.tflite"
    path.write_bytes(residual_network())
    return plan_model(path)


def report_of(plan: DeployPlan, board: Board, *, holds: bool = True) -> dict[str, Any]:
    layers = tuple(
        LayerEstimate(function=f"k{op.index}", weights_bytes=8, instructions=1000, cycles=1600)
        for op in plan.graph.ops
    )
    return profile_report(
        plan,
        layer_macs(plan),
        PlanEstimate(layers=layers, runtime_bytes=5000),
        board,
        Origin(kind="tflite", name="residual"),
        Basis(core="cortex-m4f", toolchain="gcc", errors=ERRORS, holds=holds),
    )


def test_a_real_board_gets_an_estimated_latency(
    plan: DeployPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    report = report_of(plan, load_board("nano33"))
    cycles = 1600 * len(plan.graph.ops)
    assert report["estimated"]["latency_ms"] == pytest.approx(cycles / 64_000, abs=0.001)
    print_tables(profile_tables(report))
    said = capsys.readouterr().out
    assert "estimated latency at 64 MHz" in said
    assert "nothing was measured" in said


def test_an_emulated_board_has_no_time(
    plan: DeployPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    report = report_of(plan, load_board("mps2_an386"))
    assert report["estimated"]["cycles"] > 0
    assert report["estimated"]["latency_ms"] is None
    print_tables(profile_tables(report))
    assert " ms" not in capsys.readouterr().out


def test_another_core_gets_facts_and_a_reason(
    plan: DeployPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    report = report_of(plan, load_board("esp32"), holds=False)
    estimated = report["estimated"]
    assert estimated["instructions"] is estimated["cycles"] is estimated["latency_ms"] is None
    assert "xtensa-lx6" in estimated["why_unknown"]
    assert report["arena_bytes"] == plan.arena_bytes
    print_tables(profile_tables(report))
    assert "xtensa-lx6" in capsys.readouterr().out


def test_a_model_that_is_too_large_says_for_what(
    plan: DeployPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_of(plan, load_board("nano33"))["too_large_for"] == []
    small = dataclasses.replace(load_board("nano33"), ram_bytes=16, flash_bytes=5000)
    report = report_of(plan, small)
    assert report["too_large_for"] == ["RAM", "flash"]
    print_tables(profile_tables(report))
    assert "too large for the RAM and flash" in capsys.readouterr().out


def test_an_unknown_kernel_is_named(plan: DeployPlan) -> None:
    layer = LayerEstimate(function="new_s8", weights_bytes=0, instructions=None, cycles=None)
    estimate = PlanEstimate(layers=(layer,) * len(plan.graph.ops), runtime_bytes=None)
    report = profile_report(
        plan,
        layer_macs(plan),
        estimate,
        load_board("nano33"),
        Origin(kind="tflite", name="residual"),
        Basis(core="cortex-m4f", toolchain="gcc", errors=ERRORS, holds=True),
    )
    assert "new_s8" in report["estimated"]["why_unknown"]
    assert report["estimated"]["flash_bytes"] is None


def test_the_peak_is_where_most_is_live(plan: DeployPlan) -> None:
    layers = report_of(plan, load_board("nano33"))["layers"]
    fullest = max(layer["live_bytes"] for layer in layers)
    assert {layer["live_bytes"] for layer in layers if layer["is_peak"]} == {fullest}


def test_errors_are_stated(plan: DeployPlan) -> None:
    error = report_of(plan, load_board("nano33"))["error"]
    assert error["models"] == 2
    assert error["instructions"] == {"median": 0.02, "largest": 0.03}


def test_cards_say_what_was_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    card = {
        "name": "tiny",
        "what": "a tiny network",
        "builder": {"architecture": "ds_cnn", "alpha": None},
        "profile": "espalier profile ds_cnn",
        "input_shape": [49, 10, 1],
        "accuracy": None,
        **dict.fromkeys(("params", "macs", "arena_bytes", "ram_bytes", "weights_bytes"), 1),
        **dict.fromkeys(("runtime_bytes", "flash_bytes", "instructions", "estimated_cycles"), 2),
    }
    made = {"board": "mps2_an386", "emulator": "qemu", "toolchain": "gcc", "made_by": "make zoo"}
    print_tables(zoo_tables({"cards": [card], "made": made}))
    print_tables(card_tables({"card": card, "made": made}))
    assert capsys.readouterr().out.count("not measured") == 2
