"""Options and markers of the test suite."""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest

from pipeline.errors import PipelineError
from pipeline.quiet import keep_keras_out_of_home
from tests.bench import bench_port
from tests.compiled import HostCompiler

# TensorFlow's start-up notes say nothing about a test.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keep_keras_out_of_home()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device",
        action="append",
        default=None,
        metavar="DEVICE",
        help="run device tests on this device only (repeatable): fake, host, an emulator, or a "
        "board that is plugged in; default: each that needs no board and is installed",
    )
    parser.addoption(
        "--port",
        default=None,
        help="where the board of --device is; default: what bench.toml says (docs/hil.md)",
    )
    parser.addoption(
        "--require",
        action="append",
        default=[],
        metavar="TOOL",
        help="fail instead of skip where this program or Python package is missing (repeatable)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say at once what a board lacks, rather than in every test."""
    if not config.getoption("--device"):
        return
    from tests.targets import SERIAL, find_target

    targets = [find_target(name) for name in config.getoption("--device")]
    boards = [target for target in targets if target.kind == SERIAL]
    port = config.getoption("--port")
    if port and len(boards) != 1:
        raise pytest.UsageError(
            f"--port: expected one board (--device) that hangs there. Received: {len(boards)}. "
            "Write several boards' ports into bench.toml (docs/hil.md)."
        )
    for board in boards:
        try:
            bench_port(board.board, port)
        except PipelineError as error:
            raise pytest.UsageError(str(error)) from error


def tool_is_installed(tool: str) -> bool:
    """Whether `tool` is a program on PATH or in RENODE_HOME, or an importable Python package."""
    for path in (None, os.environ.get("RENODE_HOME", "")):
        if shutil.which(tool, path=path) is not None:
            return True
    return tool.isidentifier() and importlib.util.find_spec(tool) is not None


def pytest_runtest_setup(item: pytest.Item) -> None:
    required = item.config.getoption("--require")
    for mark in item.iter_markers("needs"):
        for tool in mark.args:
            if tool_is_installed(tool):
                continue
            if tool in required:
                pytest.fail(f"{tool} is required (--require {tool}) and not installed")
            pytest.skip(f"{tool} is not installed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show figures that have become better than their pins."""
    improved = [
        str(text)
        for report in terminalreporter.getreports("passed")
        for name, text in report.user_properties
        if name == "improved"
    ]
    if improved:
        terminalreporter.section("better than pinned: run `make pin`")
        for line in improved:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> HostCompiler:
    """Compiles generated models for this machine; the kernels once per session."""
    return HostCompiler(tmp_path_factory.mktemp("compiled"))
