"""What the documentation tells people to type is what the programs take, and it works."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from pipeline.cli import cli
from tests.docs.commands import Command, commands, pages, unlabelled_blocks
from tests.docs.desk import Desk, shortened
from tests.installed import build_packages, espalier, install
from tests.shared import REPOSITORY

ALL = [command for page in pages() for command in commands(page)]
ESPALIER = [command for command in ALL if command.espalier is not None]
MAKE = [command for command in ALL if command.words[0] == "make"]
PAGES = sorted({command.page for command in ALL if command.runs})

# Other programs that the documentation names, each with what is behind it.
OTHERS = {
    "sudo": "root",
    "git": "a network",
    "pip": "a network",
    "printf": "only a pipe",
    "renode": "Renode",
    "createdb": "a PostgreSQL server",
    "for": "real data",
    "mkdir": "real data",
    "cp": "real data",
    "done": "real data",
    "python": "real data, or a network",
    ".venv/bin/python": "scripts of tools/, and pytest, which runs this",
    "cd": "a checkout",
}
# Commands that need what a test machine lacks: how they end without it, None where they are not
# run, and what runs them in earnest.
LACKING = (
    (r"^(flash|measure|monitor)\b.*\b(nano33|esp32|esp32c3)\b", 4, "tests/e2e/test_flash.py"),
    (r"^monitor\b", 4, "tests/test_cli_desk.py"),
    (r"--emulator renode", 3, "tests/device/test_renode.py"),
    (r"postgresql\+|--worker", None, "tests/study/test_study.py"),
)
# What makes a checkout, tests, or takes what only a checkout has.
CHECKOUT_TARGETS = re.compile(
    r"^make (setup|doctor|test|test-fast|test-renode|check|format|docs|bench|fuzz|pin|costs|zoo|"
    r"hil|clean)\b"
)


def test_there_are_commands() -> None:
    assert len(ESPALIER) > 30
    assert len(MAKE) > 5


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_block_says_what_it_is(page: Path) -> None:
    assert not unlabelled_blocks(page), "write sh, bash, text, toml, c or python behind ```"


@pytest.mark.parametrize("command", ALL, ids=str)
def test_every_program_is_known(command: Command) -> None:
    word = command.words[0]
    assert command.espalier is not None or word == "make" or word in OTHERS


@pytest.mark.parametrize("command", ESPALIER, ids=str)
def test_every_verb_and_option_exists(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    # The files need not be here.
    monkeypatch.setattr(click.Path, "convert", lambda self, value, *_: Path(value))
    arguments = command.espalier
    assert arguments is not None
    parse(arguments)


def parse(arguments: list[str]) -> None:
    """Parses a command line without running it; UsageError where that is impossible."""
    with click.Context(cli, info_name="espalier") as context:
        _, verb, rest = cli.resolve_command(context, arguments)
        assert verb is not None
        verb.make_context(verb.name, rest, parent=context)


@pytest.mark.parametrize("command", MAKE, ids=str)
def test_every_target_and_variable_exists(command: Command) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for word in command.words[1:]:
        name, equals, _ = word.partition("=")
        assert not equals or re.search(rf"^{name} \?=", makefile, re.MULTILINE), word
    dry_run(command)


def dry_run(command: Command) -> list[list[str]]:
    """Arguments of the calls of `espalier` that make would make."""
    result = subprocess.run(
        ["make", "-n", *command.words[1:]],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    calls = [line for line in result.stdout.splitlines() if line.startswith(".venv/bin/espalier")]
    return [Command(page="", line=0, text=call, runs=True).words[1:] for call in calls]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wheel, _ = build_packages(tmp_path_factory.mktemp("dist"))
    return install(wheel, tmp_path_factory.mktemp("installed"))


@pytest.mark.slow
@pytest.mark.emulator
@pytest.mark.needs("build", "hatchling", "platformio", "ziglang", "unicorn")
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_work_one_after_the_other(
    page: str, installed: Path, tmp_path: Path
) -> None:
    Desk(tmp_path).lay_out()
    for command in commands(REPOSITORY / page):
        if not command.runs:
            continue
        if command.espalier is not None:
            calls = [command.espalier]
        elif command.words[0] == "make" and not CHECKOUT_TARGETS.match(command.text):
            calls = dry_run(command)
        else:
            continue
        for arguments in calls:
            run(installed, command, arguments, tmp_path)


def run(installed: Path, command: Command, arguments: list[str], folder: Path) -> None:
    expected = status_without_what_is_lacking(arguments)
    if expected is None:
        return
    home = str(folder / "home")
    words = [word.replace("~", home, 1) if word.startswith("~/") else word for word in arguments]
    result = espalier(installed, *words, folder=folder)
    assert result.returncode == expected, f"{command}: {command.text}\n{result.stderr}"
    if words[0] == "init":
        # What it writes is meant for hundreds of pictures and an hour.
        written = folder / "run.toml"
        written.write_text(shortened(written.read_text()))


def status_without_what_is_lacking(arguments: list[str]) -> int | None:
    text = " ".join(arguments)
    for pattern, status, _ in LACKING:
        if re.search(pattern, text) and not ("renode" in pattern and shutil.which("renode")):
            return status
    return 0


def test_what_is_lacking_here_is_tested_elsewhere() -> None:
    assert all((REPOSITORY / path).is_file() for _, _, path in LACKING)
