from __future__ import annotations

from typing import Any

import pytest

from pipeline.report.verdict import FAILED, OPEN, PASSED, gates, verdict
from tests.report import fake_run


def by_id(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {gate["id"]: gate for gate in gates(report)}


def test_all_gates_of_a_run_that_holds() -> None:
    found = by_id(fake_run.report())
    assert {name: gate["state"] for name, gate in found.items()} == {
        "mismatches": PASSED,
        "accuracy-drop": PASSED,
        "budget-accuracy": PASSED,
        "budget-macs": PASSED,
        "budget-arena": PASSED,
        "board-flash": PASSED,
        "board-ram": PASSED,
    }
    assert found["board-flash"]["value"] == 5100
    assert found["board-flash"]["limit"] == 983_040
    assert found["board-ram"]["value"] == 1800
    assert found["budget-macs"]["sentence"] == (
        "MACs after pruning: 8, 80.0% of the 10 of the budget."
    )
    assert verdict(list(found.values())) == PASSED


@pytest.mark.parametrize(
    ("changed", "gate"),
    [
        ({"facts": fake_run.facts(deployment=fake_run.deployment(mismatches=1))}, "mismatches"),
        ({"facts": fake_run.facts(quantize=fake_run.quantized(0.0501))}, "accuracy-drop"),
        ({"budget": {"limits": {"macs": 7}, "accuracy": None}}, "budget-macs"),
        ({"budget": {"limits": {"ram": 1263}, "accuracy": None}}, "budget-ram"),
        ({"image": {**fake_run.IMAGE, "ram_bytes": 262_145}}, "board-ram"),
    ],
)
def test_one_gate_that_fails(changed: dict[str, Any], gate: str) -> None:
    found = by_id(fake_run.report(**changed))
    assert [name for name, item in found.items() if item["state"] == FAILED] == [gate]
    assert verdict(list(found.values())) == FAILED


def test_a_budget_is_held_by_the_firmware_that_ran_not_by_what_pruning_reckoned_with() -> None:
    facts = fake_run.facts()
    facts["prune"]["deployed"] = {"ram_bytes": 900, "flash_bytes": 5000}
    budget = {"limits": {"ram": 2000, "flash": 5050}, "accuracy": None}
    found = by_id(fake_run.report(facts=facts, budget=budget))
    assert found["budget-ram"]["value"] == fake_run.deployment()["ram"]["total_bytes"]
    assert (found["budget-flash"]["state"], found["budget-flash"]["value"]) == (FAILED, 5100)
    assert found["budget-flash"]["sentence"].endswith(
        "Pruning reckoned with 5,000 B: give a budget that is smaller by 50 B."
    )
    # A run that ended before has only that.
    facts = {**fake_run.facts(deployment=None), "prune": facts["prune"]}
    early = by_id(fake_run.report(facts=facts, budget=budget, image=None))
    assert (early["budget-flash"]["state"], early["budget-flash"]["value"]) == (PASSED, 5000)


def test_without_limits_gates_are_open() -> None:
    config = {"quantize": {"max_drop": 100.0}}
    report = fake_run.report(config=config, budget=None)
    drop = by_id(report)["accuracy-drop"]
    assert (drop["state"], drop["limit"]) == (OPEN, None)
    assert drop["sentence"] == (
        "int8 loses 1.20 points of balanced accuracy; no limit is set (quantize.max_drop)."
    )


def test_what_ended_a_run_is_told_once() -> None:
    failure = {"message": "it does not fit"}
    facts = fake_run.facts(deployment=None)
    alone = by_id(fake_run.report(facts=facts, failure=failure, image=None))
    assert alone["finished"]["sentence"] == "it does not fit"
    facts["quantize"] = fake_run.quantized(0.2)
    told = by_id(fake_run.report(facts=facts, failure=failure, image=None))
    assert "finished" not in told
    assert told["accuracy-drop"]["state"] == FAILED
