from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipeline.device import select
from pipeline.device.board import load_board
from pipeline.device.select import make_device, resolve_emulator
from pipeline.errors import ConfigError
from pipeline.records import Firmware

EMULATED = load_board("mps2_an386")


def firmware(board: str) -> Firmware:
    return Firmware(
        build_id="0" * 16, board=board, engine="echo", toolchain="", elf_path=Path("x"), size=None
    )


@pytest.mark.parametrize(("program", "resolved"), [("/usr/bin/qemu", "qemu"), (None, "unicorn")])
def test_auto_takes_qemu_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, program: str | None, resolved: str
) -> None:
    monkeypatch.setattr(select.shutil, "which", lambda _: program)
    assert resolve_emulator("auto", EMULATED) == resolved


def test_auto_on_the_host_board_is_the_host() -> None:
    assert resolve_emulator("auto", load_board("host")) == "host"


@pytest.mark.parametrize("requested", ["qemu", "unicorn"])
def test_a_named_kind_is_taken(requested: str) -> None:
    assert resolve_emulator(requested, EMULATED) == requested
    assert make_device(requested, EMULATED, firmware("mps2_an386")).kind == requested


@pytest.mark.parametrize("requested", ["auto", "unicorn"])
def test_a_real_chip_is_emulated_by_unicorn_where_nothing_else_is_said(requested: str) -> None:
    board = load_board("nrf52840")
    device = make_device(requested, board, firmware("nrf52840"))
    assert (device.kind, device.clock, board.clock) == ("unicorn", "instructions", "cycles")


def test_renode_is_taken_where_it_is_asked_for() -> None:
    device = make_device("renode", load_board("nrf52840"), firmware("nrf52840"))
    assert (device.kind, device.clock) == ("renode", "instructions")


def test_a_kind_that_the_board_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"runs on auto, qemu, unicorn. Received: 'host'"):
        resolve_emulator("host", EMULATED)


@pytest.mark.parametrize("requested", ["auto", "qemu"])
def test_a_board_without_emulator_is_refused(requested: str) -> None:
    real = dataclasses.replace(EMULATED, name="real", emulators=())
    with pytest.raises(ConfigError, match="board 'real' runs on none: it is not emulated"):
        resolve_emulator(requested, real)
    flashed = dataclasses.replace(real, upload="touch")
    with pytest.raises(ConfigError, match="`espalier flash MODEL --board real` runs a model on"):
        resolve_emulator(requested, flashed)


def test_a_firmware_for_another_board_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a firmware for board 'mps2_an386'"):
        make_device("auto", EMULATED, firmware("host"))
