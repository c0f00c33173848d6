"""bench.toml: which boards hang on this machine, and where. It stays out of the repository.

[nano33]
port = "/dev/serial/by-id/usb-Arduino_Nano_33_BLE_0123456789ABCDEF-if00"
serial_number = "0123456789ABCDEF"
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.device.board import board_names
from pipeline.device.ports import Port, list_ports
from pipeline.errors import ConfigError, DeviceError
from pipeline.suggest import did_you_mean
from tests.shared import REPOSITORY

BENCH = REPOSITORY / "bench.toml"
_KEYS = ("port", "serial_number")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchBoard:
    """A board on the bench.

    Attributes:
        port: a path, a name, or a URL that pyserial knows.
        serial_number: that its USB device has to have; "" where that does not matter.
    """

    port: str
    serial_number: str = ""


def read_bench(path: Path = BENCH) -> dict[str, BenchBoard]:
    """The boards of a bench.toml, by name; none where there is no such file.

    Raises:
        ConfigError: it is no TOML, names an unknown board or key, or a value is no text.
    """
    if not path.is_file():
        return {}
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: this is no valid TOML: {error}") from error
    return {name: _parse(path, name, section) for name, section in sections.items()}


def bench_port(
    board: str,
    port: str | None,
    bench: Path = BENCH,
    look: Callable[[], tuple[Port, ...]] = list_ports,
) -> str:
    """Where a board of the bench is; never the result of a scan.

    Args:
        board: its name.
        port: --port, which wins over the bench.
        bench: the bench.toml.
        look: lists what is plugged in, to compare serial numbers with.
    Raises:
        ConfigError: neither names a port.
        DeviceError: the port has another board than the bench says.
    """
    if port:
        return port
    boards = read_bench(bench)
    if board not in boards:
        raise ConfigError(
            f"board '{board}': expected its port from --port or from a section [{board}] of "
            f"{bench.name}. Received: neither. docs/hil.md says what to write."
        )
    entry = boards[board]
    if entry.serial_number:
        there = {found.path: found.serial_number for found in look()}
        # A bench names ports by links that stay, a listing by what they lead to.
        real = str(Path(entry.port).resolve())
        received = there.get(entry.port, there.get(real))
        if received != entry.serial_number:
            raise DeviceError(
                f"{entry.port}: expected the board with serial number '{entry.serial_number}' "
                f"({bench.name}, [{board}]). Received: "
                + ("no such port." if received is None else f"one with '{received}'.")
                + " Plug the right board in, or correct the file."
            )
    return entry.port


def _parse(path: Path, name: str, section: object) -> BenchBoard:
    where = f"{path}, [{name}]"
    if name not in board_names():
        hint = did_you_mean(name, board_names())
        raise ConfigError(
            f"{where}: expected a section per board, named as one of {', '.join(board_names())}. "
            f"Received: '{name}'.{hint}"
        )
    if not isinstance(section, dict):
        raise ConfigError(f"{where}: expected a section with a port. Received: {section!r}.")
    for key, value in section.items():
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS)
            raise ConfigError(f"{where}: unknown key '{key}'.{hint} Known: {', '.join(_KEYS)}.")
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{where}: '{key}' must be a text. Received: {value!r}.")
    if "port" not in section:
        raise ConfigError(f"{where}: the key 'port' is missing.")
    return BenchBoard(**section)
