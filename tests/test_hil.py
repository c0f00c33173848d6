"""The device tests on a board that is plugged in, with a simulated one in its place."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.device.conftest import ECHO_FACTS, ECHO_SIZES, echo
from tests.pty_board import PtyBoard
from tests.shared import REPOSITORY

pytest.importorskip("pty", reason="pseudo-terminals are a feature of POSIX")

BOARD = "mps2_an386"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The device tests in a process of their own."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "tests/device",
            *arguments,
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def counts(junit: Path) -> tuple[dict[str, int], dict[str, str]]:
    """How many tests a JUnit file has, and its properties."""
    (suite,) = ElementTree.parse(junit).getroot()
    found = {
        name: int(suite.get(name, "-1")) for name in ("tests", "failures", "errors", "skipped")
    }
    properties = {item.get("name", ""): item.get("value", "") for item in suite.iter("property")}
    return found, properties


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["echo", "aot"])
def test_a_board_is_tested_and_reported(engine: str, tmp_path: Path) -> None:
    junit = tmp_path / "hil.xml"
    facts = {**ECHO_FACTS, "board": BOARD, "engine": engine}
    with PtyBoard(echo, **ECHO_SIZES, facts=facts, ticks=(640,)) as board:
        options = (
            "-m",
            "hardware",
            "-k",
            "checksum or oversized or test_layers or conversation_on",
        )
        result = run("--device", BOARD, "--port", board.port, "--junitxml", str(junit), *options)
    assert result.returncode == 0, result.stdout
    found, properties = counts(junit)
    assert (found["failures"], found["errors"]) == (0, 0)
    assert found["tests"] >= 7
    # Of a model on a board only some answers are known.
    assert found["skipped"] == (0 if engine == "echo" else 1)
    assert (properties[f"{BOARD}.engine"], properties[f"{BOARD}.board"]) == (engine, BOARD)


@pytest.mark.slow
def test_another_board_at_the_port_fails(tmp_path: Path) -> None:
    with PtyBoard(echo, **ECHO_SIZES, facts={**ECHO_FACTS, "board": "host"}) as board:
        result = run("-m", "hardware", "-k", "test_layers", "--device", BOARD, "--port", board.port)
    assert result.returncode == 1
    assert f"expected the board '{BOARD}'. Received: 'host'" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "nano34"], "expected one of fake, pty, host, "),
        (["--device", "qemu", "--port", "x"], "expected one board (--device) that hangs there"),
    ],
    ids=["no such device", "a port without a board"],
)
def test_usage_errors_come_before_any_test(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.returncode == 4
    assert message in result.stderr + result.stdout
