from __future__ import annotations

import pytest

from pipeline.device.board import load_board
from pipeline.report.deployment import deployment_report
from pipeline.report.memory import live_bytes, plan_report
from pipeline.report.run import run_report
from pipeline.report.run_tables import run_tables
from pipeline.report.tables import (
    deployed_table,
    deployment_tables,
    fine_tuning_text,
    plan_tables,
    print_tables,
    prune_tables,
)
from tests.report import fakes


def deployment(**options: object) -> dict[str, object]:
    measurement = fakes.measurement(**options)  # type: ignore[arg-type]
    firmware = fakes.firmware(None if options.get("clock") == "host" else fakes.SIZE)
    return deployment_report(
        fakes.plan(), firmware, measurement, fakes.inputs([0, 1, 1, 0]), (8, 0)
    )


def test_a_deployment(capsys: pytest.CaptureFixture[str]) -> None:
    print_tables(deployment_tables(deployment()))
    text = capsys.readouterr().out
    for part in (
        "tiny on mps2_an386",
        "0 of 4 outputs differ from the reference",
        "75.00%, 3 of 4 right",
        "1,200 (smallest 1,000, largest 1,400)",
        "1,264 B = arena 64 B + static 700 B + stack 500 B",
        "5,100 B = weights 100 B + runtime 2,000 B + harness 3,000 B",
        "1 of 8 channels removed, MACs 1,012 -> 1,008, weights 1,048 B -> 1,040 B",
        "they are no cycles and no time",
        "about 1,600 (smallest 1,500, largest 1,700), flash with no wait states",
        "Estimated cycles: by the published timings of the core, not measured.",
    ):
        assert part in text
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_names_are_no_markup_and_fused_ones_are_short(capsys: pytest.CaptureFixture[str]) -> None:
    print_tables(deployment_tables(deployment()))
    text = capsys.readouterr().out
    assert "[bold]out" in text
    assert "dense;bias" not in text


def test_the_words_follow_the_clock(capsys: pytest.CaptureFixture[str]) -> None:
    print_tables(deployment_tables(deployment(clock="host", stack=None)))
    text = capsys.readouterr().out
    assert "host ticks per inference" in text
    assert "nstructions" not in text
    assert "stimated" not in text
    assert "unknown = arena 64 B + static unknown + stack unknown" in text


def test_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    plan = fakes.plan()
    assert [live_bytes(plan, step) for step in (-1, 0, 1)] == [16, 32, 24]
    report = plan_report(plan, (8, 0), load_board("mps2_an386"))
    assert report["folded_padding"] == [
        {"name": "pad_1;x", "layers": ("whole",), "before": (0, 1), "after": (1, 0)}
    ]
    print_tables(plan_tables(report))
    text = capsys.readouterr().out
    for part in (
        "40 B (largest live set, the lower bound: 32 B)",
        "scratch of layer 1",
        "RAM 262,144 B",
        "padding done by its readers  pad_1",
    ):
        assert part in text


def test_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"samples": 4, "plain": 0.75, "balanced": 0.5}
    facts = {
        "quantize": {"accuracy": {"float": {**row, "plain": 0.8}, "int8": row}},
        "deployment": {**deployment(), "accuracy": None},
    }
    report = run_report("person", {}, facts, board=load_board("mps2_an386"))
    print_tables(run_tables(report))
    text = capsys.readouterr().out
    for part in ("Run person", "float", "80.00%", "int8", "75.00%", "50.00%"):
        assert part in text
    assert "on the device" not in text
    assert "before pruning" not in text


def side(scale: int, accuracy: float) -> dict[str, object]:
    return {
        "params": 1000 * scale,
        "macs": 3000 * scale,
        "peak_activation_bytes": 200 * scale,
        "accuracy": accuracy,
        "balanced_accuracy": accuracy - 0.01,
    }


def test_a_run_that_prunes(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"samples": 4, "plain": 0.75, "balanced": 0.5}
    pruned = {
        "method": "taylor",
        "trained_epochs": 6,
        "notes": ["Channels are weighed by taylor."],
        "before": side(4, 0.91),
        "after": side(3, 0.92),
    }
    quantized = {"accuracy": {"float": {**row, "plain": 0.8}, "int8": row}}
    facts = {"prune": pruned, "quantize": quantized, "deployment": deployment()}
    report = run_report("person", {}, facts, board=load_board("mps2_an386"))
    print_tables(run_tables(report))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in (
        "float, before pruning 4 91.00% 90.00%",
        "float, pruned 4 80.00% 50.00%",
        "int8 4 75.00% 50.00%",
        "int8 on the device 4 75.00% 75.00%",
        "pruned by taylor, 6 epochs of fine-tuning before after left",
        "parameters 4,000 3,000 75.0%",
        "MACs 12,000 9,000 75.0%",
        "peak activations, bytes 800 600 75.0%",
        "Channels are weighed by taylor.",
    ):
        assert line in lines, lines


@pytest.mark.parametrize(
    ("epochs", "words"),
    [(0, "no fine-tuning"), (1, "1 epoch of fine-tuning"), (30, "30 epochs of fine-tuning")],
)
def test_how_long_a_model_was_fine_tuned(epochs: int, words: str) -> None:
    assert fine_tuning_text(epochs) == words


DEPLOYED = {
    "measured": (
        {"fits": True, "reason": "", "measured": True},
        (
            "On nano",
            "fits yes",
            "sizes built and run",
            "RAM 9 B, arena 5 B",
            "flash 8 B, weights 6 B",
        ),
    ),
    "worked out": (
        {"fits": False, "reason": "too large", "measured": False, "overhead_of": "mps2"},
        ("fits no: too large", "sizes worked out as on mps2"),
    ),
}


@pytest.mark.parametrize(("deployed", "words"), DEPLOYED.values(), ids=DEPLOYED)
def test_a_pruned_model_says_whether_it_fits(
    deployed: dict[str, object], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {"ram_bytes": 9, "arena_bytes": 5, "flash_bytes": 8, "weights_bytes": 6}
    whole = {**side(4, 0.9), "average_precision": None}
    report = {
        "model": "net",
        "method": "l1",
        "before": whole,
        "after": whole,
        "deployed": {"board": "nano", **sizes, **deployed},
        "groups": [],
        "locked": [],
        "shortfalls": [],
        "notes": [],
        "max_abs_difference": 0.0,
    }
    print_tables(prune_tables(report))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in words:
        assert line in lines, lines


def test_where_fitting_cannot_be_told_the_reason_stands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    deployed = {"board": "nano", "measured": False, "fits": None, "reason": "no compiler"}
    print_tables(deployed_table(deployed))
    assert "unknown: no compiler" in capsys.readouterr().out
