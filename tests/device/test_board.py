from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.device import board as board_module
from pipeline.device.board import board_folder, board_names, load_board
from pipeline.device.select import KINDS
from pipeline.errors import ConfigError

GOOD = """
description = "A board"
mcu = "m"
core = "cortex-m4f"
clock_hz = 64_000_000
clock = "instructions"
instructions_per_tick = 40
emulators = ["unicorn"]
"""


@pytest.fixture
def boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(board_module, "boards_path", lambda: tmp_path)
    (tmp_path / "some").mkdir()
    (tmp_path / "README.md").touch()
    (tmp_path / "some" / "board.toml").write_text(GOOD)
    return tmp_path


@pytest.mark.parametrize("name", board_names())
def test_every_board_of_the_repository_loads(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    assert set(board.emulators) <= set(KINDS)


def test_the_emulated_board_has_the_limits_of_a_nano_33_ble() -> None:
    board = load_board("mps2_an386")
    assert (board.flash_bytes, board.ram_bytes) == (983_040, 262_144)
    assert (board.clock, board.instructions_per_tick) == ("instructions", 40)
    assert board.flash_wait_states == 0
    assert board.emulators == ("qemu", "unicorn")


def test_a_board_is_a_folder_with_a_board_toml(boards: Path) -> None:
    assert board_names() == ("some",)
    assert board_folder("some") == boards / "some"
    board = load_board("some")
    assert (board.name, board.clock_hz, board.flash_bytes) == ("some", 64_000_000, None)
    assert board.flash_wait_states is None
    assert (board.usb_ids, board.upload, board.arena_bytes) == ((), "", None)


def test_facts_of_a_board_that_is_plugged_in(boards: Path) -> None:
    (boards / "some" / "board.toml").write_text(
        GOOD + 'usb_ids = ["2341:005a", "2341:805a"]\nupload = "touch"\narena_bytes = 110_592\n'
    )
    board = load_board("some")
    assert board.usb_ids == ("2341:005a", "2341:805a")
    assert (board.upload, board.arena_bytes) == ("touch", 110_592)


def test_unknown_board_names_those_there_are(boards: Path) -> None:
    with pytest.raises(ConfigError, match=r"one of some. Received: 'somee'. Did you mean 'some'"):
        load_board("somee")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('mcu = "m"', "", "the key 'mcu' is missing"),
        ('mcu = "m"', 'mcuu = "m"', "unknown key 'mcuu'. Did you mean 'mcu'"),
        ('mcu = "m"', "mcu = 3", "'mcu' must be a text. Received: 3"),
        ("64_000_000", '"64"', "'clock_hz' must be a positive whole number. Received: '64'"),
        ("64_000_000", "true", "'clock_hz' must be a positive whole number. Received: True"),
        (
            "clock_hz = 64_000_000",
            "flash_wait_states = -1",
            "'flash_wait_states' must be a whole number. Received: -1",
        ),
        ('["unicorn"]', '"unicorn"', "'emulators' must be a list of texts"),
        ('clock = "instructions"', 'clock = "sun"', "'clock' must be one of .* Received: 'sun'"),
        ("instructions_per_tick = 40", "", "'instructions_per_tick' belongs to clock"),
        ('mcu = "m"', "mcu = ", "no valid TOML"),
        ("instructions_per", "usb_ids = 3\ninstructions_per", "'usb_ids' must be a list of texts"),
        (
            "instructions_per",
            'usb_ids = ["2341:005A"]\ninstructions_per',
            "'usb_ids' must be like \"2341:005a\".* Received: '2341:005A'",
        ),
        (
            "instructions_per",
            'upload = "bossac"\ninstructions_per',
            "'upload' must be one of touch, esptool. Received: 'bossac'. Leave it out",
        ),
        ("instructions_per", 'upload = ""\ninstructions_per', "'upload' must be one of .* ''"),
        (
            "instructions_per",
            "arena_bytes = 0\ninstructions_per",
            "'arena_bytes' must be a positive whole number. Received: 0",
        ),
    ],
)
def test_wrong_file_is_refused(boards: Path, old: str, new: str, message: str) -> None:
    path = boards / "some" / "board.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=message) as caught:
        load_board("some")
    assert str(path) in str(caught.value)
