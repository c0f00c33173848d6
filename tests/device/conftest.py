"""The firmware with the echo engine on every device, and the official fake beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pipeline.device.base import Device
from pipeline.device.board import load_board
from pipeline.device.fake import FakeDevice
from pipeline.device.fake_firmware import Crash
from pipeline.device.protocol import Client, Timeouts
from pipeline.device.select import make_device
from pipeline.records import Firmware, SourceTree
from tests.conftest import DEVICES
from tests.desk import plugged

__all__ = ["plugged"]

ECHO_BYTES = 16
FAILING = bytes([0x7E]) * ECHO_BYTES
FAULTING = bytes([0x7D]) * ECHO_BYTES

BOARDS = {
    "fake": ("none",),
    "host": ("host",),
    "qemu": ("mps2_an386",),
    "unicorn": ("mps2_an386", "nrf52840"),
    "renode": ("nrf52840",),
}
MARKS = {
    "fake": (),
    "host": (),
    "qemu": (pytest.mark.emulator, pytest.mark.needs("qemu-system-arm")),
    "unicorn": (pytest.mark.emulator, pytest.mark.needs("unicorn")),
    "renode": (pytest.mark.emulator, pytest.mark.needs("renode")),
}

Build = Callable[..., Firmware]


def echo(inputs: bytes) -> bytes:
    """What firmware/lib/engine_echo computes, and how it fails."""
    if inputs == FAILING:
        raise RuntimeError("the engine failed")
    if inputs == FAULTING:
        raise Crash("0x00000000")
    return bytes(~byte & 0xFF for byte in reversed(inputs))


def fake_echo(**options: object) -> FakeDevice:
    facts = {"engine": "echo", "arena_bytes": 32, "layers": 3}
    return FakeDevice(
        echo, input_bytes=(ECHO_BYTES,), output_bytes=(ECHO_BYTES,), facts=facts, **options
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        kinds = metafunc.config.getoption("--device") or DEVICES
        metafunc.parametrize(
            ("kind", "board"),
            [
                pytest.param(kind, board, marks=MARKS[kind], id=f"{kind}-{board}")
                for kind in kinds
                for board in BOARDS[kind]
            ],
        )


@pytest.fixture(scope="session")
def build_echo(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds the echo firmware of a board with a toolchain, once."""
    from pipeline.build.platformio import build_firmware

    made: dict[tuple[str, str], Firmware] = {}

    def build(board: str, toolchain: str = "auto") -> Firmware:
        if (board, toolchain) not in made:
            empty = SourceTree(root=tmp_path_factory.mktemp("no-model"), files=(), digest="")
            out = tmp_path_factory.mktemp(f"{board}-{toolchain}")
            made[board, toolchain] = build_firmware(
                load_board(board), "echo", empty, out, toolchain=toolchain
            )
        return made[board, toolchain]

    return build


@pytest.fixture
def device(kind: str, board: str, build_echo: Build) -> Iterator[Device]:
    """An open device that runs the echo engine; closed again whatever happens."""
    if kind == "fake":
        made: Device = fake_echo()
    else:
        made = make_device(kind, load_board(board), build_echo(board))
    with made:
        yield made


@pytest.fixture
def client(device: Device) -> Client:
    """A client in step with the device."""
    client = Client(device, Timeouts(run_s=30.0, gap_s=1.0))
    client.connect()
    return client
