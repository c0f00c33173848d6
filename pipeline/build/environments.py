"""Environments of PlatformIO: one for each engine of a board, read as PlatformIO reads them."""

from __future__ import annotations

import configparser

from pipeline.errors import ConfigError
from pipeline.paths import boards_path, firmware_path
from pipeline.records import Board
from pipeline.suggest import did_you_mean

# One's own file comes last: what it says replaces what the others say.
_SHARED, _LOCAL = "platformio.ini", "platformio.local.ini"
# PlatformIO's way of naming a platform in a folder; ours are all it is used for.
_OWN = "symlink://"


def board_engines(board: Board) -> tuple[str, ...]:
    """Engines that a board can be built with: its environments.

    Raises:
        ConfigError: the board has no platformio.ini.
    """
    prefix = f"env:{board.name}-"
    path = boards_path() / board.name / _SHARED
    parser = configparser.ConfigParser(interpolation=None)
    if not parser.read(path, encoding="utf-8"):
        raise ConfigError(
            f"board '{board.name}': expected a file {path}. Received: none. boards/README.md says "
            "what belongs into it."
        )
    return tuple(name.removeprefix(prefix) for name in parser.sections() if name.startswith(prefix))


def find_environment(board: Board, engine: str) -> str:
    """Name of the environment of a board and an engine.

    Raises:
        ConfigError: the board has no such engine.
    """
    engines = board_engines(board)
    if engine not in engines:
        raise ConfigError(
            f"engine: expected one of {', '.join(engines)} for board '{board.name}'. "
            f"Received: '{engine}'.{did_you_mean(engine, engines)}"
        )
    return f"{board.name}-{engine}"


def environment_option(board: Board, engine: str, option: str) -> str | None:
    """An option of an environment, its own or that of a section which it extends.

    Returns:
        The text as it stands in the file; None where nothing sets it, or there is no such
        environment.
    """
    return section_option(board.name, f"env:{board.name}-{engine}", option)


def section_option(board_name: str, section: str, option: str) -> str | None:
    """As `environment_option`, of any section that the files of a board have."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(
        [
            firmware_path() / _SHARED,
            boards_path() / board_name / _SHARED,
            firmware_path() / _LOCAL,
        ],
        encoding="utf-8",
    )
    return _option(parser, section, option)


def _option(parser: configparser.ConfigParser, section: str, option: str) -> str | None:
    if section not in parser:
        return None
    own = parser[section].get(option)
    if own is not None:
        return own
    for name in parser[section].get("extends", "").split(","):
        inherited = _option(parser, name.strip(), option)
        if inherited is not None:
            return inherited
    return None


def registry_platform(board: Board, engine: str) -> str | None:
    """The platform that an environment downloads.

    Returns:
        For instance "nordicnrf52 @ 10.11.0"; None for a board that needs nothing of the registry.
    """
    platform = environment_option(board, engine, "platform")
    return None if platform is None or platform.startswith(_OWN) else platform
