"""The firmware with the echo engine on every device, and the official fake beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from pipeline.device.base import Device
from pipeline.device.board import load_board
from pipeline.device.fake import FakeDevice
from pipeline.device.fake_firmware import Crash
from pipeline.device.protocol import Client, Timeouts
from pipeline.device.select import make_device
from pipeline.device.serial import SerialDevice
from pipeline.records import Firmware, SourceTree
from tests.bench import bench_port
from tests.desk import plugged
from tests.device.faulty_line import within
from tests.pty_board import PtyBoard, PtyDevice
from tests.targets import FAKE, PTY, SERIAL, Target, find_target, usual_targets

__all__ = ["plugged"]

# For everything that a test of the line waits for; far more than any deadline that it tests.
PATIENCE_S = 120.0
ECHO_BYTES = 16
FAILING = bytes([0x7E]) * ECHO_BYTES
FAULTING = bytes([0x7D]) * ECHO_BYTES

Build = Callable[..., Firmware]


def echo(inputs: bytes) -> bytes:
    """What firmware/lib/engine_echo computes, and how it fails."""
    if inputs == FAILING:
        raise RuntimeError("the engine failed")
    if inputs == FAULTING:
        raise Crash("0x00000000")
    return bytes(~byte & 0xFF for byte in reversed(inputs))


ECHO_FACTS = {"engine": "echo", "arena_bytes": 32, "layers": 3}
ECHO_SIZES = {"input_bytes": (ECHO_BYTES,), "output_bytes": (ECHO_BYTES,)}


def fake_echo(**options: object) -> FakeDevice:
    return FakeDevice(echo, **ECHO_SIZES, facts=ECHO_FACTS, **options)


def pty_echo(**options: object) -> PtyBoard:
    return PtyBoard(echo, **ECHO_SIZES, facts=ECHO_FACTS, ticks=(640,), **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a device runs, as far as tests of the line have to know.

    Attributes:
        is_echo: whether it is the echo engine, of which every output is known.
        inputs: raw bytes of one inference.
        outputs: what they have to give.
    """

    is_echo: bool
    inputs: bytes
    outputs: bytes


ECHO = Subject(
    is_echo=True, inputs=bytes(range(ECHO_BYTES)), outputs=echo(bytes(range(ECHO_BYTES)))
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        names = metafunc.config.getoption("--device")
        targets = [find_target(name) for name in names] if names else usual_targets()
        parameters = [
            pytest.param(target, marks=target.marks, id=target.name) for target in targets
        ]
        metafunc.parametrize("target", parameters, scope="session")


@pytest.fixture
def in_time() -> Iterator[None]:
    """Nothing hangs."""
    with within(PATIENCE_S):
        yield


@pytest.fixture(scope="session")
def kind(target: Target) -> str:
    """Of device."""
    return target.kind


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds a firmware without a model for a board with a toolchain, once."""
    from pipeline.build.platformio import build_firmware

    made: dict[tuple[str, str, str], Firmware] = {}

    def build(board: str, toolchain: str = "auto", engine: str = "echo") -> Firmware:
        key = (board, toolchain, engine)
        if key not in made:
            empty = SourceTree(root=tmp_path_factory.mktemp("no-model"), files=(), digest="")
            out = tmp_path_factory.mktemp("-".join(key))
            made[key] = build_firmware(load_board(board), engine, empty, out, toolchain=toolchain)
        return made[key]

    return build


@pytest.fixture(scope="session")
def build_echo(build: Build) -> Build:
    """Builds the echo firmware of a board with a toolchain, once."""
    return build


@pytest.fixture(scope="session")
def closed_device(target: Target, build: Build, request: pytest.FixtureRequest) -> Device:
    """The target's device, not open, with the echo engine or whatever is on a real board."""
    if target.kind == FAKE:
        return fake_echo()
    if target.kind == PTY:
        return PtyDevice(pty_echo())
    board = load_board(target.board)
    if target.kind == SERIAL:
        port = bench_port(target.board, request.config.getoption("--port"))
        return SerialDevice(port, rts_resets=board.upload == "esptool")
    return make_device(target.kind, board, build(target.board))


@pytest.fixture(scope="session")
def timeouts(kind: str) -> Timeouts:
    """A board that is up says nothing when its port is opened: nothing to wait for."""
    return Timeouts(banner_s=0.5 if kind == SERIAL else 2.0, run_s=30.0, gap_s=1.0)


@pytest.fixture(scope="session")
def subject(
    target: Target,
    closed_device: Device,
    timeouts: Timeouts,
    record_testsuite_property: Callable[[str, object], None],
) -> Subject:
    """What the device runs; a real board is asked, and its answer stands in the report."""
    if target.kind != SERIAL:
        return ECHO
    with closed_device as device:
        client = Client(device, timeouts)
        client.connect()
        info = client.info()
        for name, value in dataclasses.asdict(info).items():
            record_testsuite_property(f"{target.name}.{name}", value)
        if info.board != target.board:
            pytest.fail(f"expected the board '{target.board}'. Received: '{info.board}'.")
        if info.engine == "echo":
            return ECHO
        inputs = bytes(position & 0x7F for position in range(sum(info.inputs)))
        return Subject(is_echo=False, inputs=inputs, outputs=client.run(inputs).outputs)


@pytest.fixture
def echo_engine(subject: Subject, target: Target) -> None:
    """Skips where a model is on the board: of that only some inputs' outputs are known."""
    if not subject.is_echo:
        pytest.skip(f"needs the echo engine on the board: make hil BOARD={target.board} FLASH=echo")


@pytest.fixture
def button(target: Target) -> None:
    """Skips where nothing resets the device: closing a board's port leaves it as it is."""
    if target.kind == SERIAL and load_board(target.board).upload != "esptool":
        pytest.skip("nobody here can press the board's reset button")


@pytest.fixture
def device(closed_device: Device) -> Iterator[Device]:
    """The open device; closed again whatever happens."""
    with closed_device as device:
        yield device


@pytest.fixture
def client(device: Device, timeouts: Timeouts) -> Client:
    """A client in step with the device."""
    client = Client(device, timeouts)
    client.connect()
    return client
