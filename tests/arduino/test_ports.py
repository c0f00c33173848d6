"""The ports on the Arduino API, on a stand-in of it: the protocol, stack, heap, clock, crashes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.codegen.render import generate
from pipeline.device.board import load_board
from pipeline.device.host import HostDevice
from pipeline.device.protocol import Client
from pipeline.device.serial import SerialDevice
from pipeline.errors import DeviceError
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import read_graph
from pipeline.records import KernelTarget
from pipeline.reference import ReferenceModel
from tests.arduino.conftest import Program
from tests.arduino.simulated import BUILD_ID, build_simulated, on_serial_port
from tests.device.conftest import ECHO_BYTES, FAILING, FAULTING, echo
from tests.small_models import residual_network

INPUT = bytes(range(ECHO_BYTES))
CYCLES = {"nano33": 64_000_000, "esp32": 240_000_000}
HEAPS = {"nano33": 96_500, "esp32": 250_000}


def test_info(client: Client, board: str) -> None:
    info = client.info()
    assert (info.board, info.engine, info.build_id) == (board, "echo", BUILD_ID)
    assert (info.clock, info.ticks_per_second) == ("cycle-counter", CYCLES[board])
    assert (info.free_heap_bytes, info.reset_reason) == (HEAPS[board], "power-on")
    assert info.status == "ok"


def test_inference(client: Client) -> None:
    result = client.run(INPUT)
    assert result.outputs == echo(INPUT)
    assert result.ticks > 0
    # What lies on the stack of the main task, from its top, while the engine runs.
    assert result.stack_peak_bytes is not None
    assert 200 <= result.stack_peak_bytes <= 16_000


def test_on_a_serial_port(board: str, echo_program: Program) -> None:
    with on_serial_port(echo_program(board)) as port, SerialDevice(port) as device:
        client = Client(device)
        client.connect()
        assert client.info().board == board
        # Bytes that a terminal would take for itself.
        for value in (b"\x03", b"\x04", b"\r", b"\n", b"\x11", b"\x13"):
            inputs = value * ECHO_BYTES
            assert client.run(inputs).outputs == echo(inputs)


def test_layers(client: Client) -> None:
    assert len(client.layers(INPUT)) == 3


def test_failing_engine_is_told(client: Client) -> None:
    with pytest.raises(DeviceError, match="the engine failed"):
        client.run(FAILING)
    assert client.run(INPUT).outputs == echo(INPUT)


def test_reply_longer_than_one_write(client: Client) -> None:
    # More than the 63 bytes that go into a packet, and with any remainder.
    for _ in range(3):
        assert client.info().status == "ok"


def test_ticks_follow_the_clock(client: Client) -> None:
    begin = _lap_us(client)
    time.sleep(0.2)
    assert 200_000 <= _lap_us(client) - begin <= 10_000_000


def test_crash_restarts_and_is_told(board: str, echo_program: Program) -> None:
    with HostDevice(echo_program(board)) as device:
        client = Client(device)
        client.connect()
        with pytest.raises(DeviceError, match="restarted"):
            client.run(FAULTING)
        client.connect()
        assert client.info().reset_reason == "crash"
        assert client.run(INPUT).outputs == echo(INPUT)


def test_generated_model_is_bit_exact(board: str, tmp_path: Path) -> None:
    path = tmp_path / "residual.tflite"
    path.write_bytes(residual_network())
    # The Nano's kernels for SMLAD have twins in plain C, which run here.
    target = KernelTarget.DSP if load_board(board).dsp else KernelTarget.PORTABLE
    plan = make_plan(read_graph(path), target)
    source = generate(plan, tmp_path / "generate", command="test")
    program = build_simulated(board, tmp_path / "build", engine="aot", source=source)
    shape = plan.graph.tensors[plan.graph.inputs[0]].shape
    x = np.random.default_rng(1).integers(-128, 128, (4, *shape[1:]), dtype=np.int8)
    (expected,) = ReferenceModel(path.read_bytes()).run((x,))
    with HostDevice(program) as device:
        client = Client(device)
        client.connect()
        info = client.info()
        assert (info.engine, info.model_sha256) == ("aot", plan.graph.sha256)
        assert info.arena_bytes == plan.arena_bytes
        for image, wanted in zip(x, expected, strict=True):
            assert client.run(image.tobytes()).outputs == wanted.tobytes()


def _lap_us(client: Client) -> int:
    (line,) = client.text("timestamp")
    return int(line.removeprefix("m-lap-us-"))
