"""The port of boards/mps2_an386 on QEMU: timer, stack, faults, and the protocol over its UART."""

from __future__ import annotations

import json
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.build.platformio import build_firmware
from pipeline.device.base import Deadline, Device
from pipeline.device.board import load_board
from pipeline.device.qemu import QemuDevice
from pipeline.paths import boards_path, firmware_path
from pipeline.records import Firmware, SourceTree
from tests.firmware.line import ECHO_BYTES, READY, echo_output, error_frame, frame

PROGRAMS = Path(__file__).parent / "programs"
BOARD = "mps2_an386"
MACHINE = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
INPUT = bytes(range(ECHO_BYTES))

pytestmark = [pytest.mark.emulator, pytest.mark.needs("qemu-system-arm")]


def read_until(device: Device, done: bytes | int, seconds: float = 30.0) -> bytes:
    """All that arrives, until it ends with `done` or is `done` bytes long."""
    received = b""
    deadline = Deadline(seconds)
    while not (received.endswith(done) if isinstance(done, bytes) else len(received) >= done):
        data = device.read(deadline)
        assert data, f"expected {done!r}, received {received!r}"
        received += data
    return received


@pytest.fixture(scope="module", params=["gcc", "zig"])
def firmware(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    if request.param == "gcc":
        request.getfixturevalue("arm_gcc")
    folder = tmp_path_factory.mktemp(request.param)
    empty = SourceTree(root=folder, files=(), digest="")
    return build_firmware(
        load_board(BOARD), "echo", empty, folder / "build", toolchain=request.param
    )


@pytest.fixture
def device(firmware: Firmware) -> Iterator[Device]:
    """A board that has said hello."""
    with QemuDevice(BOARD, firmware.elf_path) as opened:
        read_until(opened, READY)
        yield opened


@pytest.fixture
def program(request: pytest.FixtureRequest, arm_gcc: str, tmp_path: Path) -> Iterator[Device]:
    """A board that runs a program of tests/firmware/programs instead of the firmware."""
    elf = tmp_path / "program.elf"
    harness = tmp_path / "espalier_harness"
    harness.mkdir()
    flags = (*MACHINE, "-Os", "-ffreestanding", f"-I{firmware_path() / 'lib' / 'core'}")
    flags += ("-fno-exceptions", "-fno-rtti", "-fno-optimize-sibling-calls")
    objects = []
    for source in (boards_path() / BOARD / "port.cc", PROGRAMS / request.param):
        objects.append(str(harness / f"{source.stem}.o"))
        subprocess.run([arm_gcc, *flags, "-c", str(source), "-o", objects[-1]], check=True)
    script = boards_path() / BOARD / f"{BOARD}.ld"
    subprocess.run(
        [arm_gcc, *MACHINE, "-nostdlib", f"-T{script}", *objects, "-lgcc", "-o", str(elf)],
        check=True,
    )
    with QemuDevice(BOARD, elf) as opened:
        yield opened


@pytest.mark.parametrize("program", ["count_ticks.cc"], indirect=True)
def test_one_tick_is_forty_instructions(program: Device) -> None:
    ticks = struct.unpack("<3Q", read_until(program, 24))
    for turns, measured in zip((100_000, 200_000, 400_000), ticks, strict=True):
        # Two instructions a turn, and a few around the loop: at most one tick.
        assert measured - 2 * turns // 40 in (0, 1)


@pytest.mark.parametrize("program", ["wrap_timer.cc"], indirect=True)
def test_ticks_go_on_when_the_timer_wraps(program: Device) -> None:
    before, after, later = struct.unpack("<3Q", read_until(program, 24))
    # Sending eight bytes takes a few ticks as well.
    assert 10_000 <= after - before <= 10_100
    assert 10_000 <= later - after <= 10_100


@pytest.mark.parametrize("program", ["overflow_stack.cc"], indirect=True)
def test_full_stack_is_reported_and_restarts(program: Device) -> None:
    read_until(program, b"hello\n")
    report = read_until(program, b"hello\n")
    assert report.startswith(b"\r\ne-[stack overflow status 0x")
    assert report.endswith(b"]\r\nhello\n")


def test_inference(device: Device) -> None:
    device.write(frame(1, 9, INPUT))
    reply = read_until(device, 40)
    ticks, stack = struct.unpack_from("<QI", reply, 8)
    assert reply == frame(0x81, 9, struct.pack("<QI", ticks, stack) + echo_output(INPUT))
    assert 1 <= ticks <= 100
    assert 100 <= stack <= 1000


def test_ticks_are_the_same_every_time(device: Device, firmware: Firmware) -> None:
    def ticks(device: Device) -> list[int]:
        device.write(frame(2, 0, INPUT))
        return [*struct.unpack_from("<3Q", read_until(device, 40), 12)]

    first = ticks(device)
    with QemuDevice(BOARD, firmware.elf_path) as another:
        read_until(another, READY)
        assert ticks(another) == first
    assert all(ticks(device) == first for _ in range(20))


def test_text_command(device: Device) -> None:
    device.write(b"name%")
    assert read_until(device, READY) == b"m-name-dut-[espalier]\r\n" + READY


def test_bad_crc(device: Device) -> None:
    device.write(frame(1, 9, INPUT)[:-1] + b"\x00")
    expected = error_frame(1, 9, b"CRC wrong")
    assert read_until(device, len(expected)) == expected


def test_half_a_frame(device: Device) -> None:
    device.write(frame(1, 9, INPUT)[:15])
    expected = error_frame(2, 9, b"frame incomplete")
    assert read_until(device, len(expected)) == expected


def reset_reason(device: Device) -> str:
    device.write(b"info%")
    info = read_until(device, READY).removesuffix(READY).decode().removeprefix("m-info-")
    return str(json.loads(info)["reset_reason"])


def test_reason_of_the_last_reset(device: Device) -> None:
    assert reset_reason(device) == "power-on"
    device.write(frame(1, 9, b"\x7d" * ECHO_BYTES))
    read_until(device, READY)
    assert reset_reason(device) == "crash"
    device.reset()
    read_until(device, READY)
    assert reset_reason(device) == "power-on"


def test_fault_is_reported_and_restarts(device: Device) -> None:
    device.write(frame(1, 9, b"\x7d" * ECHO_BYTES))
    report = read_until(device, READY)
    assert report.startswith(b"\r\ne-[hard fault at 0x")
    assert b" address 0xdeadbee0]\r\nm-timestamp-mode-performance\r\n" in report
    device.write(frame(1, 9, INPUT))
    assert read_until(device, 40)[20:-4] == echo_output(INPUT)


def test_reset_in_the_middle_of_a_frame(device: Device) -> None:
    device.write(frame(1, 9, INPUT)[:15])
    time.sleep(0.1)
    device.reset()
    read_until(device, READY)
    device.write(frame(1, 10, INPUT))
    assert read_until(device, 40)[20:-4] == echo_output(INPUT)
