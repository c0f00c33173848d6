from __future__ import annotations

import pytest

from pipeline.report import progress
from pipeline.report.progress import Reporter


def test_without_a_terminal_there_are_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    reporter = Reporter()
    reporter.headline("build [aot]")
    with reporter.steps("inferences") as step:
        for done in range(1, 31):
            now[0] = float(done)
            step(done, 30)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "build [aot]",
        "  inferences: 10 of 30, about 20 s left",
        "  inferences: 20 of 30, about 10 s left",
        "  inferences: 30 of 30, about 0 s left",
    ]


def test_what_goes_on_from_the_middle_is_not_taken_for_fast(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Reporter().steps("fine-tuning") as step:
        for done in range(81, 101):
            now[0] += 1.0
            step(done, 100)
    assert capsys.readouterr().err.splitlines() == [
        "  fine-tuning: 90 of 100, about 10 s left",
        "  fine-tuning: 100 of 100, about 0 s left",
    ]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter(quiet=True)
    reporter.headline("build")
    reporter.log("line")
    with reporter.steps("inferences") as step:
        step(1, 1)
    assert capsys.readouterr().err == ""
