"""Sizes read from ELF files, and held against a board."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipeline.build.platformio import build_firmware
from pipeline.build.size import ImageSize, check_fits, read_size
from pipeline.device.board import load_board
from pipeline.errors import BuildError, DoesNotFitError
from pipeline.records import Board, FirmwareSize, SourceTree

IMAGE = ImageSize(
    firmware=FirmwareSize(
        weights_bytes=500_000,
        runtime_bytes=20_000,
        harness_bytes=8_000,
        flash_bytes=528_000,
        arena_bytes=100_000,
        static_ram_bytes=2_000,
    ),
    stack_reserve_bytes=8_192,
    ram_bytes=110_208,
)


def test_image_that_fits_exactly(board: Board) -> None:
    check_fits(IMAGE, dataclasses.replace(board, flash_bytes=528_000, ram_bytes=110_208))


def test_too_much_flash(board: Board) -> None:
    with pytest.raises(
        DoesNotFitError,
        match=r"'mps2_an386': expected at most 527,999 B of flash\. Received: 528,000 B, that is "
        r"weights 500,000 \+ runtime 20,000 \+ harness 8,000\. Use a model with fewer parameters",
    ):
        check_fits(IMAGE, dataclasses.replace(board, flash_bytes=527_999))


def test_too_much_ram(board: Board) -> None:
    with pytest.raises(
        DoesNotFitError,
        match=r"'mps2_an386': expected at most 110,207 B of RAM\. Received: 110,208 B, that is "
        r"tensor arena 100,000 \+ static 2,000 \+ stack reserve 8,192 \+ alignment\. Use a smaller",
    ):
        check_fits(IMAGE, dataclasses.replace(board, ram_bytes=110_207))


def test_board_without_limits(board: Board) -> None:
    check_fits(IMAGE, dataclasses.replace(board, flash_bytes=None, ram_bytes=None))


def test_sizes_of_a_model(board: Board, model: SourceTree, toolchain: str, tmp_path: Path) -> None:
    firmware = build_firmware(board, "aot", model, tmp_path, toolchain=toolchain)
    size = firmware.size
    assert size is not None
    # 640 weights and ten biases of four bytes, requantization, shapes.
    assert 680 <= size.weights_bytes <= 900
    assert 300 <= size.runtime_bytes <= 10_000
    assert 5_000 <= size.harness_bytes <= 12_000
    assert size.flash_bytes == size.weights_bytes + size.runtime_bytes + size.harness_bytes
    assert 74 <= size.arena_bytes <= 96
    # The staged input, 64 bytes, and the protocol's state.
    assert 64 < size.static_ram_bytes < 1_000
    image = read_size(firmware.elf_path)
    assert image.firmware == size
    assert image.stack_reserve_bytes == 8192
    slack = image.ram_bytes - size.arena_bytes - size.static_ram_bytes - 8192
    assert 0 <= slack < 32


@pytest.mark.parametrize("content", [b"", b"no ELF", b"\x7fELF" + bytes(60)])
def test_no_elf_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "firmware.elf"
    path.write_bytes(content)
    with pytest.raises(BuildError, match="expected a linked firmware in ELF format"):
        read_size(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"Received: .*No such file"):
        read_size(tmp_path / "firmware.elf")


def test_image_of_another_linker_script(no_model: SourceTree, tmp_path: Path) -> None:
    host = build_firmware(load_board("host"), "echo", no_model, tmp_path)
    with pytest.raises(BuildError, match=r"expected the sections \.harness, \.weights, "):
        read_size(host.elf_path)
