"""The bare-metal ports on the emulators that run them: timer, stack, faults, and the protocol."""

from __future__ import annotations

import re
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.build.platformio import build_firmware
from pipeline.device.base import Deadline, Device
from pipeline.device.board import load_board
from pipeline.device.elf import symbol_at
from pipeline.device.qemu import QemuDevice
from pipeline.device.unicorn import UnicornDevice
from pipeline.paths import boards_path, firmware_path
from pipeline.records import SourceTree
from tests.firmware.line import ECHO_BYTES, READY, echo_output, error_frame, frame

PROGRAMS = Path(__file__).parent / "programs"
FLAGS = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
FLAGS += ("-Os", "-ffreestanding", "-fno-exceptions", "-fno-rtti", "-fno-optimize-sibling-calls")
INPUT = bytes(range(ECHO_BYTES))
FAULT = re.compile(rb"e-\[hard fault at (0x\w+) lr (0x\w+) status 0x\w+( address 0x\w+)?\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A board on an emulator.

    Attributes:
        board: its name.
        make_device: of the board's name and an ELF.
        instructions_per_tick: of port_ticks().
        software_reset, pin_reset: the reasons that the port gives for them.
        wrap: register of the timer, and what to write so that it wraps 5000 ticks later.
    """

    board: str
    make_device: Callable[[str, Path], Device]
    instructions_per_tick: int
    wrap: tuple[int, int]
    software_reset: bytes = b"power-on"
    pin_reset: bytes = b"power-on"


COUNTDOWN = {"instructions_per_tick": 40, "wrap": (0x40002000, 5000)}
CYCLES = {"instructions_per_tick": 1, "wrap": (0xE0001004, 2**32 - 5000)}
CYCLES |= {"software_reset": b"software", "pin_reset": b"pin"}
PLACES = [
    pytest.param(
        Place(board="mps2_an386", make_device=QemuDevice, **COUNTDOWN),
        id="mps2_an386-qemu",
        marks=pytest.mark.needs("qemu-system-arm"),
    ),
    pytest.param(
        Place(board="mps2_an386", make_device=UnicornDevice, **COUNTDOWN),
        id="mps2_an386-unicorn",
        marks=pytest.mark.needs("unicorn"),
    ),
    pytest.param(
        Place(board="nrf52840", make_device=UnicornDevice, **CYCLES),
        id="nrf52840-unicorn",
        marks=pytest.mark.needs("unicorn"),
    ),
]
TOOLCHAINS = [
    pytest.param("gcc", marks=pytest.mark.needs("arm-none-eabi-gcc")),
    pytest.param("zig", marks=pytest.mark.needs("ziglang")),
]

pytestmark = pytest.mark.emulator


def read_until(device: Device, done: bytes | int, seconds: float = 30.0) -> bytes:
    """All that arrives, until it ends with `done` or is `done` bytes long."""
    received = b""
    deadline = Deadline(seconds)
    while not (received.endswith(done) if isinstance(done, bytes) else len(received) >= done):
        data = device.read(deadline)
        assert data, f"expected {done!r}, received {received!r}"
        received += data
    return received


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> Place:
    return request.param


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Builds the echo firmware of a board with a toolchain, once; the ELF."""
    made: dict[tuple[str, str], Path] = {}

    def build(board: str, toolchain: str) -> Path:
        if (board, toolchain) not in made:
            folder = tmp_path_factory.mktemp(f"{board}-{toolchain}")
            empty = SourceTree(root=folder, files=(), digest="")
            firmware = build_firmware(
                load_board(board), "echo", empty, folder / "build", toolchain=toolchain
            )
            made[board, toolchain] = firmware.elf_path
        return made[board, toolchain]

    return build


@pytest.fixture(scope="module", params=TOOLCHAINS)
def elf(request: pytest.FixtureRequest, place: Place, built: Callable[[str, str], Path]) -> Path:
    return built(place.board, request.param)


@pytest.fixture
def device(place: Place, elf: Path) -> Iterator[Device]:
    """A board that has said hello."""
    with place.make_device(place.board, elf) as opened:
        read_until(opened, READY)
        yield opened


@pytest.fixture
def program(
    request: pytest.FixtureRequest, place: Place, arm_gcc: str, tmp_path: Path
) -> Iterator[Device]:
    """A board that runs a program of tests/firmware/programs instead of the firmware."""
    elf = tmp_path / "program.elf"
    harness = tmp_path / "espalier_harness"
    harness.mkdir()
    libraries = [firmware_path() / "lib" / name for name in ("core", "cortex_m")]
    register, value = place.wrap
    flags = (*FLAGS, *(f"-I{folder}" for folder in libraries))
    flags += (f"-DTIMER={register}u", f"-DBEFORE_WRAP={value}u")
    port = boards_path() / place.board / "port.cc"
    objects = []
    for source in (port, *libraries[1].glob("*.cc"), PROGRAMS / request.param):
        objects.append(str(harness / f"{source.stem}.o"))
        subprocess.run([arm_gcc, *flags, "-c", str(source), "-o", objects[-1]], check=True)
    script = boards_path() / place.board / f"{place.board}.ld"
    link = [arm_gcc, *FLAGS, "-nostdlib", f"-T{script}", *objects, "-lgcc", "-o", str(elf)]
    # Linker scripts include what they share from there.
    subprocess.run(link, check=True, cwd=firmware_path())
    with place.make_device(place.board, elf) as opened:
        yield opened


@pytest.mark.parametrize("program", ["count_ticks.cc"], indirect=True)
def test_ticks_are_instructions(program: Device, place: Place) -> None:
    ticks = struct.unpack("<3Q", read_until(program, 24))
    for turns, measured in zip((100_000, 200_000, 400_000), ticks, strict=True):
        # Two instructions a turn, and a few around the loop.
        around = measured * place.instructions_per_tick - 2 * turns
        assert 0 <= around <= 40


@pytest.mark.parametrize("program", ["wrap_timer.cc"], indirect=True)
def test_ticks_go_on_when_the_timer_wraps(program: Device, place: Place) -> None:
    before, after, later = struct.unpack("<3Q", read_until(program, 24))
    waited = 400_000 // place.instructions_per_tick
    # Sending eight bytes takes some instructions as well.
    sending = 4_000 // place.instructions_per_tick
    assert waited <= after - before <= waited + sending
    assert waited <= later - after <= waited + sending


@pytest.mark.parametrize("program", ["overflow_stack.cc"], indirect=True)
def test_full_stack_is_reported_and_restarts(program: Device) -> None:
    read_until(program, b"hello\n")
    report = read_until(program, b"hello\n")
    assert report.startswith(b"\r\ne-[stack overflow status 0x")
    assert report.endswith(b"]\r\nhello\n")


@pytest.mark.parametrize("program", ["say_reset_reason.cc"], indirect=True)
def test_reset_reason(program: Device, place: Place) -> None:
    read_until(program, b"power-on")
    program.write(b"f")
    read_until(program, b"crash")
    program.write(b"r")
    read_until(program, place.software_reset)
    program.reset()
    read_until(program, place.pin_reset)


@pytest.mark.parametrize("program", ["say_reset_reason.cc"], indirect=True)
def test_places_of_faults_are_right_however_little_is_on_the_stack(
    program: Device, tmp_path: Path
) -> None:
    read_until(program, b"power-on")
    program.write(b"f")
    store = FAULT.search(read_until(program, b"crash"))
    program.write(b"j")
    jump = FAULT.search(read_until(program, b"crash"))
    assert store is not None
    assert jump is not None
    assert (int(jump[1], 16), store[3], jump[3]) == (0xDEADBEE0, b" address 0xdeadbee0", None)
    inside = [int(place, 16) & ~1 for place in (store[1], store[2], jump[2])]
    names = [symbol_at(tmp_path / "program.elf", address) for address in inside]
    assert all("firmware_main" in str(name) for name in names)


def test_inference(device: Device, place: Place) -> None:
    device.write(frame(1, 9, INPUT))
    reply = read_until(device, 40)
    ticks, stack = struct.unpack_from("<QI", reply, 8)
    assert reply == frame(0x81, 9, struct.pack("<QI", ticks, stack) + echo_output(INPUT))
    assert 40 <= ticks * place.instructions_per_tick <= 4000
    assert 100 <= stack <= 1000


def test_ticks_are_the_same_every_time(device: Device, place: Place, elf: Path) -> None:
    def ticks(device: Device) -> list[int]:
        device.write(frame(2, 0, INPUT))
        return [*struct.unpack_from("<3Q", read_until(device, 40), 12)]

    first = ticks(device)
    with place.make_device(place.board, elf) as another:
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
