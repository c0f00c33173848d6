from __future__ import annotations

import json
import math
from typing import Any

import pytest

from pipeline.plan.graph import parse_graph
from pipeline.report.bench import bench_report, bench_row, kind_name, ratio
from pipeline.report.bench_tables import bench_tables
from pipeline.report.deployment import deployment_report
from pipeline.report.tables import print_tables
from tests.report import fakes
from tests.shared import REFERENCE_MODELS, REPOSITORY
from tests.small_models import residual_network

ANCHOR = {
    "model": "tiny",
    "convolutional": True,
    "reference_instructions": 4800,
    "cmsis_instructions": 2400,
    "cmsis_estimated_cycles": 3200,
    "arena_bytes": 1128,
    "runtime_bytes": 20_000,
    "cmsis_instructions_by_kind": {"FULLY_CONNECTED": 1800, "INTERPRETER": 40},
}
FAILED = {"model": "odd", "error": "UnsupportedModelError", "message": "why"}


def row(mismatches: int = 0, **changes: object) -> dict[str, Any]:
    report = deployment_report(
        fakes.plan(), fakes.firmware(), fakes.measurement(), fakes.inputs(), (8, 0)
    )
    return bench_row(report, fakes.plan(), {**ANCHOR, **changes}, {"gcc, qemu": mismatches})


def test_a_row_holds_figures_and_ratios() -> None:
    made = row()
    assert (made["instructions"], made["estimated_cycles"]) == (1200, 1600)
    assert made["ram_bytes"] == 64 + 500
    assert made["ratios"] == {
        "instructions": 0.5,
        "reference": 0.25,
        "cycles": 0.5,
        "ram": 0.5,
        "runtime": 0.1,
        "weights": round(100 / 1234, 4),
    }
    kinds = {kind["kind"]: (kind["instructions"], kind["ratio"]) for kind in made["kinds"]}
    # What only one of the two engines has is there, too.
    assert kinds == {"FULLY_CONNECTED": (900, 0.5), "INTERPRETER": (0, 0.0), "SOFTMAX": (300, None)}


def test_kinds_name_the_filter() -> None:
    graph = parse_graph(residual_network(), "residual", "residual")
    names = [kind_name(op, graph) for op in graph.ops]
    assert names[:4] == ["PAD", "CONV_2D_3x3", "DEPTHWISE_3x3", "CONV_2D_1x1"]


def test_means_are_geometric_and_know_what_is_convolutional() -> None:
    rows = [
        row(),
        row(cmsis_instructions=9600, cmsis_estimated_cycles=None),
        row(cmsis_instructions=1200, convolutional=False),
    ]
    report = bench_report(rows, {})
    assert report["means"]["convolutional"]["instructions"] == 0.25
    assert report["means"]["all"]["instructions"] == round(math.cbrt(0.5 * 0.125 * 1.0), 4)
    assert report["means"]["convolutional"]["cycles"] == 0.5


def test_targets_are_judged() -> None:
    rows = [row(cmsis_instructions=4000), {**row(), "model": "large"}]
    verdicts = {
        (target["name"], target["over"]): target for target in bench_report(rows, {})["targets"]
    }
    speed = "instructions / TFLM + CMSIS-NN"
    assert verdicts[speed, "convolutional"]["verdict"] == "missed"
    worst = verdicts[speed, "worst"]
    assert (worst["of"], worst["value"], worst["verdict"]) == ("large", 0.5, "aim")
    assert verdicts[speed, "vww_96_int8"]["verdict"] == "unknown"
    assert verdicts["runtime in flash / TFLM + CMSIS-NN", "all"]["verdict"] == "aim"


def test_what_is_not_known_has_no_ratio() -> None:
    assert ratio(None, 5) is ratio(5, None) is ratio(5, 0) is None


def test_tables_show_everything_failures_too(capsys: pytest.CaptureFixture[str]) -> None:
    report = bench_report([row(mismatches=3), FAILED], {"qemu": "7.2"})
    assert json.loads(json.dumps(report)) == report
    print_tables(bench_tables(report))
    lines = capsys.readouterr().out.splitlines()
    for parts in (
        ("tiny", "3", "1,200", "0.250", "0.500"),
        ("odd", "UnsupportedModelError"),
        ("geometric mean, convolutional",),
        ("FULLY_CONNECTED", "900", "1,800"),
        # RAM: half of TFLM's arena, most of it stack.
        ("tiny", "##" + "+" * 18 + "." * 20),
        ("worst: tiny", "0.500", "aim"),
    ):
        assert any(all(part in line for part in parts) for line in lines), parts


def test_anchors_are_of_the_reference_models() -> None:
    anchors = json.loads((REPOSITORY / "tools" / "tflm_cortex_m4f.json").read_text())
    assert tuple(anchor["model"] for anchor in anchors["models"]) == REFERENCE_MODELS
    for anchor in anchors["models"]:
        kinds = sum(anchor["cmsis_instructions_by_kind"].values())
        assert kinds == pytest.approx(anchor["cmsis_instructions"], rel=0.02, abs=400)
