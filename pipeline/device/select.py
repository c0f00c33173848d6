"""From a kind of device, as a user names it, to the device."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from pipeline.device.base import Device
from pipeline.device.cycles import CORES
from pipeline.device.host import HostDevice
from pipeline.device.qemu import PROGRAM as QEMU_PROGRAM
from pipeline.device.qemu import QemuDevice
from pipeline.device.renode import RenodeDevice, find_renode
from pipeline.device.unicorn import UnicornDevice
from pipeline.errors import ConfigError
from pipeline.records import Board, Firmware
from pipeline.suggest import did_you_mean

AUTO = "auto"

_MAKERS: dict[str, Callable[[Board, Firmware], Device]] = {
    "host": lambda board, firmware: HostDevice(firmware.elf_path),
    "qemu": lambda board, firmware: QemuDevice(board.name, firmware.elf_path),
    "renode": lambda board, firmware: RenodeDevice(board.name, firmware.elf_path),
    "unicorn": lambda board, firmware: UnicornDevice(board.name, firmware.elf_path),
}
KINDS = tuple(_MAKERS)


def resolve_emulator(requested: str, board: Board) -> str:
    """The kind of device to run a board on.

    Args:
        requested: a kind, or "auto" for the first of the board's that is installed.
        board: that is to be run.
    Raises:
        ConfigError: the board does not have this kind.
    """
    kinds = tuple(kind for kind in board.emulators if kind in _MAKERS)
    if requested == AUTO and kinds:
        # Unicorn and the host need nothing beyond this package, and never are missing.
        return next((kind for kind in kinds if _is_installed(kind)), kinds[-1])
    if requested not in kinds:
        choices = ", ".join((AUTO, *kinds)) if kinds else "none: it is not emulated"
        hint = did_you_mean(requested, (AUTO, *kinds))
        way_out = f" `espalier flash MODEL --board {board.name}` runs a model on the board itself."
        raise ConfigError(
            f"emulator: board '{board.name}' runs on {choices}. Received: '{requested}'.{hint}"
            + (way_out if board.upload else "")
        )
    return requested


def make_device(kind: str, board: Board, firmware: Firmware) -> Device:
    """A device, not yet open, that runs `firmware`; `kind` as in `resolve_emulator`.

    Raises:
        ConfigError: the board does not have this kind, or the firmware is another board's.
    """
    if firmware.board != board.name:
        raise ConfigError(
            f"{firmware.elf_path}: expected a firmware for board '{board.name}'. Received: one "
            f"for '{firmware.board}'. Build it for this board."
        )
    return _MAKERS[resolve_emulator(kind, board)](board, firmware)


def make_cycle_device(board: Board, firmware: Firmware) -> Device | None:
    """A device whose ticks are estimated cycles instead of instructions, as many of them.

    None where there is no estimate: the board's core or flash has no model here, or no emulator
    shows this process each block that it runs.
    """
    if board.core not in CORES or board.flash_wait_states is None:
        return None
    if UnicornDevice.kind not in board.emulators:
        return None
    return UnicornDevice(board.name, firmware.elf_path, flash_wait_states=board.flash_wait_states)


def _is_installed(kind: str) -> bool:
    if kind == "renode":
        return find_renode() is not None
    return kind != "qemu" or shutil.which(QEMU_PROGRAM) is not None
