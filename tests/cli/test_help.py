"""Every verb explains itself, at once, with commands that can be typed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pipeline.cli import SECTIONS, cli
from pipeline.cli.help import Verb
from pipeline.cli.options import Session
from pipeline.device.board import board_names
from tests.shared import REPOSITORY

HEAVY = ("numpy", "rich", "jinja2", "unicorn", "serial", "PIL", "elftools", "platformio")
HEAVY += ("tensorflow", "keras", "tf_keras", "ai_edge_litert", "tflite", "h5py")
HEAVY += ("optuna", "sqlalchemy", "matplotlib", "plotly")
VERBS = sorted(cli.commands)


def verb(name: str) -> Verb:
    command = cli.commands[name]
    assert isinstance(command, Verb)
    return command


def test_help_of_every_verb_is_instant_because_nothing_heavy_is_imported() -> None:
    script = (
        "import sys\nfrom pipeline import cli\n"
        f"for arguments in [[], ['--help'], ['--version'], *([v, '--help'] for v in {VERBS})]:\n"
        "    try: cli.main(arguments)\n    except SystemExit: pass\n"
        f"sys.exit(' '.join(name for name in {HEAVY} if name in sys.modules) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"imported: {result.stderr}"


def test_verbs_stand_in_groups_and_each_in_one() -> None:
    listed = [command.name for commands in SECTIONS.values() for command in commands]
    assert sorted(str(name) for name in listed) == VERBS
    text = cli.get_help(click.Context(cli))
    places = [text.index(f"\n{title}:\n") for title in SECTIONS]
    assert places == sorted(places)
    words = " ".join(text.split())
    for command in cli.commands.values():
        assert command.get_short_help_str(1000) in words


@pytest.mark.parametrize("name", VERBS)
def test_help_shows_examples_that_are_not_wrapped(name: str) -> None:
    command = verb(name)
    assert command.examples
    text = command.get_help(click.Context(command, info_name=name))
    for example in command.examples:
        assert f"\n  {example}\n" in text + "\n"
    assert text.index("Options:") < text.index("\nExamples:\n")
    assert "Examples:" not in (command.help or "")


@pytest.mark.parametrize("name", VERBS)
def test_examples_are_commands_of_the_verb(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in ("person", "longer"):
        (tmp_path / "runs" / run).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for example in verb(name).examples:
        command = re.sub(r'^eval "\$\((.*)\)"$', r"\1", example)
        words = shlex.split(re.split(r" >>? ", command)[0])
        assert words[:2] == ["espalier", name]
        context = verb(name).make_context(name, words[2:], obj=Session())
        board = context.params.get("board")
        assert board in (None, "", *board_names())
        for path in filter(lambda word: word.startswith("examples/"), words):
            assert (REPOSITORY / path).is_file()


WRONG = {
    "verb": (["inti"], "No such verb: 'inti'. Did you mean 'init'?"),
    "option": (["deploy", "--bord", "x"], "No such option: '--bord'. Did you mean '--board'?"),
    "no option like it": (["boards", "--xyzzy"], "'--xyzzy'. See espalier boards --help."),
    "engine": (["plan", "m", "--engine", "tfml"], "Did you mean 'tflm'?"),
    "toolchain": (["deploy", "m", "--toolchain", "gc"], "Did you mean 'gcc'?"),
    "shell": (["completion", "bsh"], "Did you mean 'bash'?"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG.keys())
def test_misspelt_words_are_told_the_nearest(arguments: list[str], message: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        cli.main(arguments, prog_name="espalier", standalone_mode=False)
    assert message in caught.value.format_message()
