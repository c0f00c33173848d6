"""What `espalier init` writes loads to the very values that were asked for."""

from __future__ import annotations

import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import cli
from pipeline.config import RunConfig, load_config
from pipeline.device.board import board_names, load_board
from pipeline.prune.budget import parse_budget
from pipeline.stages.running import check_run
from tests.data.pictures import class_folders
from tests.shared import REPOSITORY


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("my pictures") / "cats & dogs", 3)


def init(path: Path, *options: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(["init", str(path), *options])
    status = caught.value.code
    assert isinstance(status, int)
    return status


def written(path: Path, *options: str) -> RunConfig:
    assert init(path, *options) == 0
    config = load_config(path)
    check_run(config)
    return config


@pytest.mark.parametrize("board", board_names())
def test_every_board_has_a_run_within_its_memory(tmp_path: Path, board: str) -> None:
    facts = load_board(board)
    config = written(tmp_path / "run.toml", "--board", board)
    if facts.ram_bytes is None:
        assert (config.prune.budget, config.prune.keep_params) == ("", 0.5)
    else:
        limits = {"ram": facts.ram_bytes, "flash": facts.flash_bytes}
        assert parse_budget(config.prune.budget).limits == limits
    text = (tmp_path / "run.toml").read_text(encoding="utf-8")
    if facts.emulators:
        assert config.deploy.board == board
    else:
        # A run measures, so that it takes a board that is emulated.
        assert config.deploy.board == "mps2_an386"
        assert f"espalier flash runs/person --board {board}" in re.sub(r"\s*\n# ", " ", text)


FLAGS: dict[str, tuple[list[str], dict[str, object]]] = {
    "one side": (["--size", "96"], {"data.size": (96,)}),
    "two sides": (["--size", "96x128"], {"data.size": (96, 128)}),
    "grey": (["--channels", "grey"], {"data.channels": 1}),
    "RGB": (["--channels", "RGB"], {"data.channels": 3}),
    "a budget": (
        ["--budget", "ram=48KiB,macs=3M"],
        {"prune.budget": "ram=48KiB,macs=3M", "prune.keep_params": 0.0},
    ),
    "no budget": (["--budget", "none"], {"prune.budget": "", "prune.keep_params": 0.5}),
    "an architecture": (
        ["--architecture", "resnet8"],
        {"model.architecture": "resnet8", "model.alpha": 0.0},
    ),
    "a name": (["--name", "kitchen"], {"run.name": "kitchen"}),
    "any key": (
        ["--set", "train.epochs=7", "--set", 'deploy.emulator="unicorn"'],
        {"train.epochs": 7, "deploy.emulator": "unicorn"},
    ),
    "keys win": (["--size", "64", "--set", "data.size=32"], {"data.size": (32,)}),
    "much at once": (
        ["--size", "48", "--channels", "1", "--budget", "flash=96kB", "--board", "nrf52840"],
        {
            "data.size": (48,),
            "data.channels": 1,
            "prune.budget": "flash=96kB",
            "deploy.board": "nrf52840",
        },
    ),
}


@pytest.mark.parametrize(("options", "expected"), FLAGS.values(), ids=FLAGS.keys())
def test_flags_are_what_is_loaded(
    tmp_path: Path, pictures: Path, options: list[str], expected: dict[str, object]
) -> None:
    config = written(tmp_path / "run.toml", "--yes", "--data", str(pictures), *options)
    assert config.data.source == str(pictures)
    tables = config.to_dict()
    for key, value in expected.items():
        section, name = key.split(".")
        assert tables[section][name] == value, key


def test_data_decides_what_no_flag_says(tmp_path: Path, pictures: Path) -> None:
    config = written(tmp_path / "run.toml", "--data", str(pictures))
    # The short side of the pictures is 40.
    assert (config.data.size, config.data.channels) == ((40,), 3)
    assert config.run.name == "cats-dogs"
    text = (tmp_path / "run.toml").read_text(encoding="utf-8")
    assert "# 6 samples: cat 3, dog 3." in text
    assert "# Warning: too few samples: cat 3, dog 3." in text


def test_tensors_take_a_network_for_sound(tmp_path: Path) -> None:
    archive = tmp_path / "words.npz"
    np.savez(archive, x=np.zeros((40, 49, 10, 1), np.int8), y=np.arange(40) % 2)
    config = written(tmp_path / "run.toml", "--data", str(archive))
    assert (config.model.architecture, config.run.name) == ("ds_cnn", "words")
    text = (tmp_path / "run.toml").read_text(encoding="utf-8")
    assert 'source = "words.npz"' in text


WRONG = {
    "board": (["--board", "nano3"], "Did you mean 'nano33'?"),
    "architecture": (["--architecture", "mobilenet-v2"], "Did you mean 'mobilenet_v2'?"),
    "budget": (["--budget", "rom=3"], "Did you mean 'ram'?"),
    "size": (["--size", "7"], "each 8 to 512. Received: '7'"),
    "channels": (["--channels", "2"], "expected 1 (grey) or 3 (rgb). Received: '2'"),
    "data": (["--data", "none"], "data 'none': expected synthetic"),
    "drawn data": (["--data", "synthetic:few"], "expected synthetic:N with N"),
    "weights": (["--init-weights", "none.keras"], "--init-weights: expected a .keras file"),
    "key": (["--set", "train.epoch=3"], "unknown key train.epoch. Did you mean 'epochs'?"),
    "emulator": (["--set", "deploy.emulator=qumu"], "Did you mean 'qemu'?"),
    "method": (["--set", "prune.method=tailor"], "Did you mean 'taylor'?"),
    "name": (["--name", "../x"], "init: run.name must be a plain folder name"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named_and_nothing_is_written(
    tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path / "run.toml", *options) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["board", "architecture", "budget", "weights", "key"])
def test_a_wrong_wish_is_told_before_the_data_is_looked_at(
    tmp_path: Path, pictures: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options, message = WRONG[name]
    assert init(tmp_path / "run.toml", "--data", str(pictures), *options) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "samples" not in told


def test_a_folder_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path / "none" / "run.toml") == 2
    assert f"Received: no {tmp_path}/none. Make it first" in capsys.readouterr().err


def test_a_file_that_is_there_stays_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.toml"
    path.write_text("mine", encoding="utf-8")
    assert init(path) == 2
    assert "--force" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "mine"
    assert init(path, "--force") == 0
    assert load_config(path).run.name == "person"
    assert list(tmp_path.iterdir()) == [path]


def converse(folder: Path, answers: str, *options: str) -> str:
    """Runs init on a terminal; returns what it printed."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "pipeline", "init", *options]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "", "TERM": "dumb"},
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with open(master, "wb", buffering=0) as keyboard, open(slave):
        keyboard.write(answers.encode())
        text = process.communicate(timeout=60)[0]
    assert process.returncode == 0, text
    return text


def test_on_a_terminal_it_asks_and_asks_again(tmp_path: Path, pictures: Path) -> None:
    answers = f"{pictures}\n1000\n32\n\nnano3\nnano33\nram=32KiB\n"
    text = converse(tmp_path, answers)
    assert "Input size in pixels [40]" in text
    assert "Received: '1000'" in text
    assert "Did you mean 'nano33'?" in text
    assert "Budget [ram=218920,flash=895000]" in text
    # The boards are listed with their memories.
    assert "262,144" in text
    config = load_config(tmp_path / "run.toml")
    assert (config.data.size, config.prune.budget) == ((32,), "ram=32KiB")


def test_yes_asks_nothing_on_a_terminal(tmp_path: Path) -> None:
    text = converse(tmp_path, "", "--yes")
    assert "[" not in text.replace("[default", "")
    assert load_config(tmp_path / "run.toml").data.source == "synthetic:4000"
