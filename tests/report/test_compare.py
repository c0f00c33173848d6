from __future__ import annotations

import json
from typing import Any

import pytest
from rich.console import Console

from pipeline.report.compare import BETTER, SAME, WORSE, Subject, compare_report
from pipeline.report.compare_tables import compare_tables
from pipeline.report.html.compare import compare_page
from pipeline.report.tables import print_tables
from tests.report import fake_run
from tests.report.html.page_reader import Page, at_pointer


def slower() -> dict[str, Any]:
    """The same run with more instructions, less flash and another board."""
    report = json.loads(json.dumps(fake_run.report()))
    deployment = report["deployment"]
    deployment["board"] = "nano33"
    deployment["instructions_per_inference"]["median"] *= 2
    deployment["flash"]["total_bytes"] -= 51
    deployment["layers"][0]["instructions"] *= 2
    report["accuracy"]["int8"]["plain"] += 0.05
    return report


@pytest.fixture
def compared() -> dict[str, Any]:
    subjects = [
        Subject(label="old", report=fake_run.report()),
        Subject(label="new", report=slower()),
    ]
    return compare_report(subjects)


def rows(compared: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in compared["rows"]}


def test_changes_have_a_direction(compared: dict[str, Any]) -> None:
    found = rows(compared)
    ticks = found["instructions per inference"]
    assert ticks["values"] == [1200, 2400]
    assert (ticks["changes"], ticks["verdicts"]) == ([None, 100.0], [None, WORSE])
    flash = found["flash: total"]
    assert flash["changes"][1] == pytest.approx(-1.0)
    assert flash["verdicts"][1] == BETTER
    accuracy = found["int8, accuracy"]
    assert accuracy["changes"][1] == pytest.approx(5.0)
    assert accuracy["verdicts"][1] == BETTER
    assert found["MACs"]["verdicts"][1] == SAME


def test_grounds_that_differ_are_warned_of(compared: dict[str, Any]) -> None:
    assert compared["warnings"] == ["Different boards: old: mps2_an386, new: nano33."]


def test_layers_and_operators(compared: dict[str, Any]) -> None:
    assert [row["changes"][1] for row in compared["layers"]] == [100.0, 0.0]
    assert {row["name"]: row["values"] for row in compared["kinds"]} == {
        "FULLY_CONNECTED": [900, 1800],
        "SOFTMAX": [300, 300],
    }


def test_other_networks_are_compared_by_operator() -> None:
    other = json.loads(json.dumps(fake_run.report()))
    other["deployment"]["layers"].pop()
    report = compare_report(
        [Subject(label="a", report=fake_run.report()), Subject(label="b", report=other)]
    )
    assert report["layers"] == []
    assert rows({"rows": report["kinds"]})["SOFTMAX"]["values"] == [300, None]


def test_from_nothing_to_something_has_a_direction() -> None:
    worse = fake_run.report(facts=fake_run.facts(deployment=fake_run.deployment(mismatches=2)))
    report = compare_report(
        [Subject(label="a", report=fake_run.report()), Subject(label="b", report=worse)]
    )
    row = rows(report)["outputs that differ"]
    assert (row["values"], row["changes"], row["verdicts"]) == ([0, 2], [None, None], [None, WORSE])
    gate = next(gate for gate in report["gates"] if gate["id"] == "mismatches")
    assert gate["states"] == ["passed", "failed"]


def test_deployments_and_unfinished_runs() -> None:
    ended = fake_run.report(facts=fake_run.facts(deployment=None), image=None)
    subjects = [
        Subject(label="deployed", report=fake_run.deployment()),
        Subject(label="ended", report=ended),
    ]
    report = compare_report(subjects)
    assert rows(report)["MACs"]["values"] == [8, None]
    assert [subject["kind"] for subject in report["subjects"]] == ["deployment", "run"]
    assert report["kinds"] == []


def test_on_a_terminal(compared: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    print_tables(compare_tables(compared))
    text = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        "Different boards: old: mps2_an386, new: nano33.",
        "instructions per inference 1,200 2,400 +100.0 % worse emulated",
        "flash: total 5,100 B 5,049 B -1.0 % better computed",
        "int8, accuracy 75.00% 80.00% +5.00 points better computed",
    ):
        assert line in lines


# Where there is no room beside each other, the first stands beside each of the others.
@pytest.mark.parametrize(("width", "times"), [(60, 8), (80, 8), (120, 6), (400, 5)])
def test_no_figure_is_cut_however_narrow_the_terminal(width: int, times: int) -> None:
    subjects = [Subject(label=f"run-{n}", report=fake_run.report()) for n in range(5)]
    for subject in subjects:
        subject.report["deployment"]["instructions_per_inference"]["median"] = 12_345_678
    console = Console(width=width, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(compare_tables(compare_report(subjects)))
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(lines)
    assert "…" not in text
    assert text.count("12,345,678") == times
    for subject in subjects:
        assert subject.label in text


def test_as_a_page(compared: dict[str, Any]) -> None:
    page = Page(compare_page(compared))
    assert page.json == json.loads(json.dumps(compared))
    assert len(page.figures) > 20
    for key, value, _ in page.figures:
        assert json.loads(value) == at_pointer(page.json, key)
    assert "Different boards" in page.words
