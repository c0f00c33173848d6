"""What can be wrong with the firmware on a board: refused, or explained, and never silent."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pipeline.build.environments import board_engines
from pipeline.device.base import Deadline, Device
from pipeline.device.board import load_board
from pipeline.device.fake import FakeDevice
from pipeline.device.protocol import Client, Timeouts
from pipeline.device.select import make_device
from pipeline.errors import DeviceError
from pipeline.measure.session import measure
from pipeline.records import Board, Firmware, InputSet
from tests.device.conftest import ECHO_BYTES, ECHO_SIZES, Build, Subject, echo
from tests.pty_board import PtyBoard, PtyDevice
from tests.targets import FAKE, PTY, SERIAL, Target

pytestmark = pytest.mark.usefixtures("in_time")


@pytest.fixture
def asked() -> tuple[InputSet, tuple[np.ndarray, ...]]:
    """Inputs for the echo engine, and what it answers."""
    x = np.arange(3 * ECHO_BYTES, dtype=np.int8).reshape(3, ECHO_BYTES)
    y = np.array([np.frombuffer(echo(row.tobytes()), np.int8) for row in x])
    return InputSet(spec="three", names=("0", "1", "2"), x=(x,)), (y,)


def claimed(client: Client) -> tuple[Board, Firmware]:
    """The board and the firmware that a device says it is."""
    info = client.info()
    board = dataclasses.replace(load_board("host"), name=info.board)
    return board, Firmware(
        build_id=info.build_id,
        board=info.board,
        engine=info.engine,
        toolchain="",
        elf_path=Path("firmware.elf"),
        size=None,
    )


@pytest.mark.usefixtures("echo_engine")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"build_id": "f" * 16}, "another firmware is running: expected build_id 'ffff"),
        ({"board": "other"}, "expected board 'other'"),
        ({"engine": "aot"}, "expected engine 'aot'. Received: "),
    ],
    ids=["build", "board", "engine"],
)
def test_a_wrong_build_is_refused_before_anything_is_measured(
    client: Client,
    device: Device,
    subject: Subject,
    asked: tuple[InputSet, tuple[np.ndarray, ...]],
    timeouts: Timeouts,
    change: dict[str, str],
    message: str,
) -> None:
    board, firmware = claimed(client)
    wrong = dataclasses.replace(firmware, **change)
    wrong_board = dataclasses.replace(board, name=change.get("board", board.name))
    with pytest.raises(DeviceError, match=message):
        measure(device, wrong_board, wrong, *asked, timeouts=timeouts)
    result = measure(device, board, firmware, *asked, timeouts=timeouts)
    assert result.mismatches == 0
    assert client.run(subject.inputs).outputs == subject.outputs


@pytest.fixture
def failing(target: Target, build: Build) -> Device:
    """A device whose engine does not start; not open."""
    if target.kind == SERIAL:
        pytest.skip("the board runs another firmware")
    facts: dict[str, object] = {"engine": "failing", "status": "arena too small: 32 of 48 bytes"}
    if target.kind == FAKE:
        return FakeDevice(echo, **ECHO_SIZES, facts=facts)
    if target.kind == PTY:
        return PtyDevice(PtyBoard(echo, **ECHO_SIZES, facts=facts))
    board = load_board(target.board)
    if "failing" not in board_engines(board):
        pytest.skip(f"{target.board} has no environment for the engine 'failing'")
    return make_device(target.kind, board, build(target.board, engine="failing"))


def test_an_engine_that_did_not_start_says_why(
    failing: Device, asked: tuple[InputSet, tuple[np.ndarray, ...]], timeouts: Timeouts
) -> None:
    reason = "arena too small: 32 of 48 bytes"
    with failing as device:
        device_client = Client(device, timeouts)
        device_client.connect()
        assert device_client.info().status == reason
        board, firmware = claimed(device_client)
        with pytest.raises(DeviceError, match=f"engine did not start .*Received: '{reason}'"):
            measure(device, board, firmware, *asked, timeouts=timeouts)
        for _ in range(2):
            with pytest.raises(DeviceError, match=f"the engine failed on the device: {reason}"):
                device_client.run(bytes(ECHO_BYTES))
            with pytest.raises(DeviceError, match=reason):
                device_client.layers(bytes(ECHO_BYTES))
            device_client.text(f"db load {ECHO_BYTES}")
            device_client.text(f"db {bytes(ECHO_BYTES).hex()}")
            assert device_client.text("infer 1 0")[-1] == f"e-[{reason}]"
        assert device_client.text("name") == ("m-name-dut-[espalier]",)
        device.reset()
        said = b""
        while not said.endswith(b"m-ready\r\n"):
            piece = device.read(Deadline(10.0))
            assert piece
            said += piece
        assert f"e-[{reason}]\r\nm-init-done\r\n".encode() in said
