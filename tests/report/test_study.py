from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.report.study import study_report, trial_line
from pipeline.report.study_plots import draw_study
from pipeline.report.study_tables import study_markdown, study_tables
from pipeline.report.tables import print_tables


def record(method: str, amount: float | None, seed: int, **values: Any) -> dict[str, Any]:
    accuracy = values.pop("accuracy")
    return {
        "key": f"{method}-{amount}-{seed}",
        "folder": f"trials/{method}-{amount}-{seed}",
        "point": {
            "model": values.pop("model", "net"),
            "method": method,
            "amount": None if amount is None else ["ratio", amount],
            "options": values.pop("options", {}),
            "seed": seed,
        },
        "status": "done",
        "params": 100,
        "macs": 1000,
        "arena_bytes": None,
        "flash_bytes": None,
        "max_abs_difference": 1e-7,
        "validation": {"accuracy": accuracy, "balanced_accuracy": accuracy},
        "test": {"accuracy": accuracy - 0.1, "balanced_accuracy": accuracy - 0.1},
        "int8": None,
        "seconds": 60.0,
        **values,
    }


RECORDS = [
    record("none", None, 0, accuracy=0.9, params=100, max_abs_difference=None),
    record("l1", 0.5, 0, accuracy=0.8, params=50, macs=400),
    record("l1", 0.5, 1, accuracy=0.7, params=50, macs=600),
    record("l2", 0.5, 0, accuracy=0.75, params=50, macs=500),
    record("l2", 0.5, 1, accuracy=0.75, params=50, macs=500),
    record("fpgm", 0.5, 0, accuracy=0.7, params=50, macs=500),
    record("fpgm", 0.5, 1, accuracy=0.7, params=50, macs=500),
    record("fpgm", 0.8, 0, accuracy=0.85, params=60, macs=500, options={"scope": "global"}),
]
FAILED = {
    "key": "k",
    "point": {
        "model": "net",
        "method": "budget",
        "amount": ["budget", "macs=1"],
        "options": {},
        "seed": 0,
    },
    "status": "failed",
    "error": "DoesNotFitError",
    "reason": "budget: expected what pruning can reach",
    "seconds": 1.0,
}


def report(records: list[dict[str, Any]], columns: tuple[str, ...] = ("params", "macs")) -> Any:
    made = study_report(
        name="mine",
        mode="grid",
        metric="accuracy",
        columns=columns,
        equal={"epochs": 3, "ignore": ()},
        models={"net": {"params": 100, "macs": 1000}},
        config={},
        records=records,
    )
    # As it is read back.
    return json.loads(json.dumps(made))


def test_seeds_are_put_together() -> None:
    rows = report(RECORDS)["rows"]
    assert [(row["label"], row["seeds"]) for row in rows] == [
        ("none", [0]),
        ("l1", [0, 1]),
        ("l2", [0, 1]),
        ("fpgm", [0, 1]),
        ("fpgm scope=global", [0]),
    ]
    l1 = rows[1]
    assert l1["validation"]["accuracy"] == {"mean": 0.75, "min": 0.7, "max": 0.8}
    assert l1["test"]["accuracy"]["mean"] == pytest.approx(0.65)
    assert l1["costs"]["macs"] == {"mean": 500, "min": 400, "max": 600}
    assert rows[0]["max_abs_difference"] is None


def test_fronts_are_of_means_and_ties_stand_together() -> None:
    fronts = {row["label"]: row["front"]["validation"] for row in report(RECORDS)["rows"]}
    assert fronts == {
        "none": ["params", "macs", "all"],
        "l1": ["params", "all"],
        "l2": ["params", "all"],
        "fpgm": [],
        "fpgm scope=global": ["params", "macs", "all"],
    }


def test_models_have_fronts_of_their_own(tmp_path: Path) -> None:
    other = record("l1", 0.5, 0, accuracy=0.1, model="a b", params=1000, macs=10**6)
    made = study_report(
        name="mine",
        mode="grid",
        metric="accuracy",
        columns=["params"],
        equal={},
        models={"net": {"params": 1, "macs": 1}, "a b": {"params": 1, "macs": 1}},
        config={},
        records=[*RECORDS, other],
    )
    assert made["rows"][-1]["front"]["validation"] == ["params", "all"]
    names = draw_study(made, tmp_path)
    assert names == {"net": ["net-accuracy-params.png"], "a b": ["a b-accuracy-params.png"]}
    assert "(a%20b-accuracy-params.png)" in study_markdown(made, names)


def test_a_point_that_a_search_comes_to_twice_counts_once() -> None:
    assert report([RECORDS[0], RECORDS[0]])["rows"][0]["seeds"] == [0]


def test_tables_and_page_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    made = report([*RECORDS, FAILED])
    print_tables(study_tables(made))
    table = capsys.readouterr().out
    page = study_markdown(made, {"net": ["accuracy-macs.png"]})
    for words in ("ratio 0.5", "75.00 % (70.0 to 80.0)", "DoesNotFitError: budget: expected"):
        assert words in table
        assert words in page
    assert "Equal for all trials: epochs 3.\n" in page
    assert "![accuracy-macs.png](accuracy-macs.png)" in page
    assert "| l1 | ratio 0.5 | 50 | 500 | 75.00 % (70.0 to 80.0) |" in page
    assert "`l1-0.5-0`, `l1-0.5-1`" in page
    # In the order of the first cost.
    best = page[page.index("### Best") : page.index("### All")]
    assert best.index("| l1 |") < best.index("| fpgm scope=global |") < best.index("| none |")


def test_int8_has_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    sides = {"accuracy": 0.625, "balanced_accuracy": 0.6}
    int8 = {"validation": sides, "test": sides}
    print_tables(study_tables(report([record("l1", 0.5, 0, accuracy=0.7, int8=int8)])))
    table = capsys.readouterr().out
    assert "int8 test" in table
    assert "62.50 %" in table


def test_a_study_where_everything_failed(tmp_path: Path) -> None:
    made = report([FAILED])
    assert draw_study(made, tmp_path) == {}
    assert "## Failed" in study_markdown(made, {})


def test_pictures(tmp_path: Path) -> None:
    made = report([*RECORDS, record("l1", 0.9, 0, accuracy=0.5, params=5, macs=10)])
    assert draw_study(made, tmp_path) == {"net": ["accuracy-params.png", "accuracy-macs.png"]}
    for name in ("accuracy-params.png", "accuracy-macs.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 1000
            assert len(picture.convert("RGB").getcolors(10**6)) > 20
    first = (tmp_path / "accuracy-macs.png").read_bytes()
    draw_study(made, tmp_path)
    assert (tmp_path / "accuracy-macs.png").read_bytes() == first


def test_lines_of_trials() -> None:
    line = trial_line(RECORDS[1], 2, 8, "accuracy", 600.0)
    assert line == (
        "2 of 8: net, l1, ratio 0.5, seed 0: 80.00% validation, 70.00% test; 50 params, 400 MACs; "
        "60 s; 10 min left"
    )
    assert "left" not in trial_line(RECORDS[1], 8, 8, "accuracy", 0.0)
    assert trial_line(FAILED, 1, 8, "accuracy", math.inf).endswith(
        "budget, macs=1, seed 0: failed, budget: expected what pruning can reach"
    )
