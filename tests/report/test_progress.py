from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from rich.console import Console

from pipeline.quiet import captured_native_output
from pipeline.report import activity, progress
from pipeline.report.progress import Reporter


@pytest.fixture(autouse=True)
def durations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A memory of durations of this test's own."""
    path = tmp_path / "durations.json"
    monkeypatch.setattr(activity, "_path", lambda: path)
    return path


def break_off(reporter: Reporter, label: str, before: Callable[[], None]) -> NoReturn:
    """An activity that Ctrl-C ends."""
    with reporter.steps(label):
        before()
        raise KeyboardInterrupt


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still unless a test moves it."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    return clock


def test_without_a_terminal_there_are_plain_lines(
    now: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
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
        "  inferences: 2 of 30, about 28 s left",
        "  inferences: 12 of 30, about 18 s left",
        "  inferences: 22 of 30, about 8 s left",
    ]


def test_what_comes_after_the_last_step_is_no_time_left(
    now: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Reporter().steps("training") as step:
        for seconds, done in ((1.0, 1), (2.0, 2), (40.0, 2)):
            now[0] = seconds
            step(done, 2)
    assert capsys.readouterr().err.splitlines() == [
        "  training: 2 of 2, finishing; 2 s so far",
        "  training: 2 of 2, finishing; 40 s so far",
    ]


def test_what_is_over_at_once_has_no_line(
    now: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Reporter().steps("inferences") as step:
        now[0] = 1.9
        step(1, 1)
    assert capsys.readouterr().err == ""


def test_what_goes_on_from_the_middle_is_not_taken_for_fast(
    now: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Reporter().steps("fine-tuning") as step:
        for done in range(81, 101):
            now[0] += 1.0
            step(done, 100)
    assert capsys.readouterr().err.splitlines() == [
        "  fine-tuning: 82 of 100, about 18 s left",
        "  fine-tuning: 92 of 100, about 8 s left",
    ]


def test_what_does_not_count_shows_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = threading.Event()
    monkeypatch.setattr(progress, "_LOOK_S", 0.001)
    monkeypatch.setattr(progress, "_FIRST_LINE_S", 0.0)
    monkeypatch.setattr(Reporter, "log", lambda self, text: (lines.append(text), told.set()))
    lines: list[str] = []
    with Reporter().steps("starting TensorFlow"):
        assert told.wait(10)
    assert lines[0] == "starting TensorFlow: 0 s so far"


def test_the_next_time_it_is_known_how_long_it_takes(
    now: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = Reporter()
    with reporter.steps("compiling") as step:
        now[0] = 8.0
        step(40, 0)
    now[0] = 100.0
    with reporter.steps("compiling") as step:
        now[0] = 103.0
        step(10, 0)
    assert capsys.readouterr().err.splitlines() == [
        "  compiling: 40, 8 s so far",
        "  compiling: 10 of about 40, 3 s; the last time it took 8 s",
    ]


def test_what_breaks_off_is_not_remembered(now: list[float], durations: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        break_off(Reporter(), "compiling", lambda: now.__setitem__(0, 8.0))
    assert not durations.exists()


def test_a_memory_that_is_broken_is_none(durations: Path, now: list[float]) -> None:
    durations.write_text("[half")
    assert activity.recall("compiling") is None
    with Reporter().steps("compiling"):
        now[0] = 8.0
    assert activity.recall("compiling") == activity.LastTime(seconds=8.0, steps=0)
    assert list(durations.parent.iterdir()) == [durations]


def test_only_the_innermost_is_told(now: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter()
    with reporter.steps("pruning") as outer:
        with reporter.steps("fine-tuning") as inner:
            now[0] = 3.0
            outer(1, 2)
            inner(1, 2)
        now[0] = 4.0
        outer(1, 2)
        now[0] = 6.0
        outer(1, 2)
    assert capsys.readouterr().err.splitlines() == [
        "  fine-tuning: 1 of 2, about 3 s left",
        "  pruning: 1 of 2, about 6 s left",
    ]


def test_a_terminal_has_a_bar_that_vanishes(
    now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter, screen = Reporter(), io.StringIO()
    console = Console(
        file=screen, force_terminal=True, width=80, highlight=False, _environ={"TERM": "xterm"}
    )
    monkeypatch.setattr(reporter, "_console", console)
    with reporter.steps("pruning"), reporter.steps("inferences") as step:
        for done in range(1, 11):
            now[0] = float(done)
            step(done, 30)
        reporter.log("a line above [the bar]")
    shown = screen.getvalue()
    for words in ("pruning", "inferences", "10 of 30, about 20 s left", "a line above [the bar]"):
        assert words in shown
    # Erase line: nothing of the bars stays.
    assert shown.rstrip("\r\n").endswith("\x1b[2K")


def test_the_place_is_the_innermost_that_broke_off() -> None:
    reporter = Reporter()
    assert reporter.place == ""
    reporter.headline("train")
    assert reporter.place == "train"
    with pytest.raises(KeyboardInterrupt), reporter.steps("train"):
        break_off(reporter, "training", lambda: reporter.reached("epoch 7 of 30"))
    assert reporter.place == "train: training, epoch 7 of 30"
    reporter.headline("prune")
    assert reporter.place == "prune"
    with pytest.raises(KeyboardInterrupt):
        break_off(reporter, "prune", lambda: None)
    assert reporter.place == "prune"


def test_a_headline_inside_does_not_hide_the_place() -> None:
    reporter = Reporter()

    def deploy() -> None:
        with reporter.steps("build"):
            reporter.headline("measure")

    with pytest.raises(KeyboardInterrupt), reporter.steps("pruning by taylor"):
        break_off(reporter, "fine-tuning", deploy)
    assert reporter.place == "pruning by taylor: fine-tuning"


def test_progress_is_seen_while_native_output_is_captured(
    now: list[float], capfd: pytest.CaptureFixture[str]
) -> None:
    with Reporter().steps("converting") as step, captured_native_output() as output:
        now[0] = 3.0
        step(1, 2)
        os.write(2, b"native")
    assert output.text == "native"
    assert capfd.readouterr().err == "  converting: 1 of 2, about 3 s left\n"


def test_quiet_is_quiet_but_knows_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter(quiet=True)
    reporter.headline("build")
    reporter.log("line")
    with pytest.raises(KeyboardInterrupt):
        break_off(reporter, "inferences", lambda: None)
    assert capsys.readouterr().err == ""
    assert reporter.place == "build: inferences"
