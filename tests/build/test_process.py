"""Programs that are run to their end, and interrupts at the worst moments."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.build.process import run_logged

# A program that would leave a trace at once.
TOUCH = [sys.executable, "-c", "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()"]


def test_output_and_status_are_kept(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "print('first'); print('second'); raise SystemExit(3)"]
    lines: list[str] = []
    log = tmp_path / "log"
    assert run_logged(program, os.environ, log, timeout_s=60, on_line=lines.append) == 3
    assert lines == ["first\n", "second\n"]
    assert log.read_text() == "first\nsecond\n"


def test_an_interrupt_while_the_program_starts_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[str]] = []

    class Interrupted(subprocess.Popen[str]):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            started.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    trace = tmp_path / "trace"
    with pytest.raises(KeyboardInterrupt):
        run_logged(
            [*TOUCH, str(trace)],
            os.environ,
            tmp_path / "log",
            timeout_s=60,
            on_line=lambda _: None,
        )
    # Nobody holds the process: its pipe closes as it would when it is collected.
    (process,) = started
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 1
    time.sleep(0.1)
    assert not trace.exists()
    assert process.stdout is not None
    process.stdout.close()
