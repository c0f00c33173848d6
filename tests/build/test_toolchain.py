"""Which compiler is taken, and what is said where there is none."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.build.toolchain import find_toolchain
from pipeline.device.board import load_board
from pipeline.errors import ConfigError, MissingToolError
from pipeline.records import Board


@pytest.fixture
def present(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the compilers that seem to be installed; empty until a test fills it."""
    names: set[str] = set()
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in names else None)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: object() if name in names else None
    )

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        # Clang knows -dumpversion only.
        known = command[0] != "cc" or command[1] == "-dumpversion"
        return subprocess.CompletedProcess(command, 0 if known else 1, "12.2.1\n" * known, "no")

    monkeypatch.setattr(subprocess, "run", run)
    return names


def test_gcc_comes_first(present: set[str], board: Board) -> None:
    present |= {"arm-none-eabi-gcc", "ziglang"}
    found = find_toolchain(board)
    assert (found.kind, str(found)) == ("gcc", "arm-none-eabi-gcc 12.2.1")


def test_zig_stands_in(present: set[str], board: Board) -> None:
    present |= {"ziglang", "cc"}
    found = find_toolchain(board)
    assert (found.kind, str(found)) == ("zig", f"zig {importlib.metadata.version('ziglang')}")


def test_choice_is_kept(present: set[str], board: Board) -> None:
    present |= {"arm-none-eabi-gcc", "ziglang"}
    assert find_toolchain(board, "zig").kind == "zig"
    assert find_toolchain(board, "gcc").kind == "gcc"


def test_host_takes_the_system_compiler(present: set[str]) -> None:
    present |= {"arm-none-eabi-gcc", "ziglang", "cc"}
    assert str(find_toolchain(load_board("host"))) == "cc 12.2.1"


@pytest.mark.parametrize(
    ("choice", "installed", "expected"),
    [
        (
            "auto",
            (),
            r"Expected arm-none-eabi-gcc on PATH .*or Zig .*Received: neither.*make setup",
        ),
        ("gcc", ("ziglang",), r"gcc is not installed.*Debian package 'gcc-arm-none-eabi'.*auto"),
        ("zig", ("arm-none-eabi-gcc",), r"zig is not installed.*pip install ziglang.*auto"),
    ],
)
def test_missing(
    present: set[str], board: Board, choice: str, installed: tuple[str, ...], expected: str
) -> None:
    present |= set(installed)
    with pytest.raises(MissingToolError, match=f"(?s){expected}"):
        find_toolchain(board, choice)


def test_unknown_choice(board: Board) -> None:
    with pytest.raises(ConfigError, match=r"expected one of auto, gcc, zig\. Received: 'clang'"):
        find_toolchain(board, "clang")


def test_unknown_core(board: Board) -> None:
    with pytest.raises(ConfigError, match="expected a core of cortex-m4f, host. Received: 'z80'"):
        find_toolchain(dataclasses.replace(board, core="z80"))


def test_compiler_that_does_not_run(
    monkeypatch: pytest.MonkeyPatch, board: Board, tmp_path: Path
) -> None:
    program = tmp_path / "arm-none-eabi-gcc"
    program.write_text("#!/bin/sh\necho broken >&2\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(MissingToolError, match="exit status 9: broken"):
        find_toolchain(board, "gcc")
