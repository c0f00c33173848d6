"""Boards: boards/<name>/board.toml, loaded strictly into a record."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.paths import boards_path
from pipeline.records import Board
from pipeline.suggest import did_you_mean

CLOCKS = ("instructions", "cycles", "microseconds", "host")
UPLOADS = ("touch", "esptool")

_TEXT_KEYS = ("description", "mcu", "core", "clock")
# TOML has no null: a number that means nothing for a board is left out of its file.
_NUMBER_KEYS = (
    "clock_hz",
    "flash_bytes",
    "ram_bytes",
    "instructions_per_tick",
    "flash_wait_states",
    "arena_bytes",
)
# Numbers that may be 0.
_ZERO_KEYS = ("flash_wait_states",)
_LIST_KEYS = ("emulators",)
# False where they are left out.
_FLAG_KEYS = ("dsp",)
# Of boards that are plugged in; () and "" where they are left out.
_USB_KEYS = ("usb_ids", "upload")
_REQUIRED_KEYS = _TEXT_KEYS + _LIST_KEYS

_USB_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")


def board_names() -> tuple[str, ...]:
    """Names of all boards, sorted: the folders of boards/ with a board.toml."""
    return tuple(sorted(path.parent.name for path in boards_path().glob("*/board.toml")))


def board_folder(name: str) -> Path:
    """The folder of a board. Raises ConfigError if there is no such board."""
    names = board_names()
    if name not in names:
        raise ConfigError(
            f"Board: expected one of {', '.join(names)}. Received: '{name}'."
            f"{did_you_mean(name, names)} A new board is a new folder in boards/ with a board.toml."
        )
    return boards_path() / name


def load_board(name: str) -> Board:
    """Read a board's facts.

    Raises:
        ConfigError: there is no such board, or its board.toml has a missing, unknown or
            ill-typed key.
    """
    path = board_folder(name) / "board.toml"
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: this is no valid TOML: {error}") from error
    return _parse_board(name, facts, path)


def _parse_board(name: str, facts: Mapping[str, object], path: Path) -> Board:
    known = _TEXT_KEYS + _NUMBER_KEYS + _LIST_KEYS + _FLAG_KEYS + _USB_KEYS
    for key in facts:
        if key not in known:
            raise ConfigError(
                f"{path}: unknown key '{key}'.{did_you_mean(key, known)} Known: {', '.join(known)}."
            )
    for key in _REQUIRED_KEYS:
        if key not in facts:
            raise ConfigError(f"{path}: the key '{key}' is missing.")
    clock = _text(facts, "clock", path)
    if clock not in CLOCKS:
        raise ConfigError(
            f"{path}: 'clock' must be one of {', '.join(CLOCKS)}. Received: '{clock}'."
        )
    instructions_per_tick = _number(facts, "instructions_per_tick", path)
    if (clock == "instructions") != (instructions_per_tick is not None):
        raise ConfigError(
            f"{path}: 'instructions_per_tick' belongs to clock = \"instructions\", and only there. "
            f"Received: clock '{clock}', instructions_per_tick {instructions_per_tick}."
        )
    return Board(
        name=name,
        description=_text(facts, "description", path),
        mcu=_text(facts, "mcu", path),
        core=_text(facts, "core", path),
        dsp=_flag(facts, "dsp", path),
        clock_hz=_number(facts, "clock_hz", path),
        flash_bytes=_number(facts, "flash_bytes", path),
        ram_bytes=_number(facts, "ram_bytes", path),
        clock=clock,
        instructions_per_tick=instructions_per_tick,
        flash_wait_states=_number(facts, "flash_wait_states", path),
        emulators=_texts(facts, "emulators", path),
        usb_ids=_usb_ids(facts, path),
        upload=_upload(facts, path),
        arena_bytes=_number(facts, "arena_bytes", path),
    )


def _text(facts: Mapping[str, object], key: str, path: Path) -> str:
    value = facts[key]
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{path}: '{key}' must be a text. Received: {value!r}.")
    return value


def _number(facts: Mapping[str, object], key: str, path: Path) -> int | None:
    value = facts.get(key)
    if value is None:
        return None
    minimum, wanted = (0, "whole number") if key in _ZERO_KEYS else (1, "positive whole number")
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise ConfigError(f"{path}: '{key}' must be a {wanted}. Received: {value!r}.")
    return value


def _flag(facts: Mapping[str, object], key: str, path: Path) -> bool:
    value = facts.get(key, False)
    if not isinstance(value, bool):
        raise ConfigError(f"{path}: '{key}' must be true or false. Received: {value!r}.")
    return value


def _usb_ids(facts: Mapping[str, object], path: Path) -> tuple[str, ...]:
    if "usb_ids" not in facts:
        return ()
    ids = _texts(facts, "usb_ids", path)
    for usb_id in ids:
        if not _USB_ID.fullmatch(usb_id):
            raise ConfigError(
                f"{path}: 'usb_ids' must be like \"2341:005a\", vendor and product in four "
                f"lower-case hex digits each. Received: '{usb_id}'."
            )
    return ids


def _upload(facts: Mapping[str, object], path: Path) -> str:
    value = facts.get("upload", "")
    if "upload" in facts and value not in UPLOADS:
        raise ConfigError(
            f"{path}: 'upload' must be one of {', '.join(UPLOADS)}. Received: {value!r}. Leave it "
            "out for a board that nothing is uploaded to."
        )
    assert isinstance(value, str)
    return value


def _texts(facts: Mapping[str, object], key: str, path: Path) -> tuple[str, ...]:
    value = facts[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{path}: '{key}' must be a list of texts. Received: {value!r}.")
    return tuple(value)
