"""One suite for every device: the fake, a process, the emulators, and real boards."""

from __future__ import annotations

import re
import time

import pytest

from pipeline.device.base import Deadline, Device
from pipeline.device.frames import (
    REPLY_BIT,
    ErrorCode,
    Frame,
    FrameType,
    Item,
    Line,
    StreamParser,
    encode_frame,
)
from pipeline.device.protocol import Client
from pipeline.errors import DeviceError
from tests.device.conftest import ECHO_BYTES, FAILING, FAULTING, echo
from tests.targets import SERIAL, Target

# Every output is foreseen, hence a board has to run this engine, too.
pytestmark = pytest.mark.usefixtures("echo_engine")

INPUT = bytes(range(ECHO_BYTES))


def run_frame(sequence: int = 9, inputs: bytes = INPUT) -> bytes:
    return encode_frame(Frame(type=FrameType.RUN, sequence=sequence, payload=inputs))


def items_until(device: Device, wanted: int, seconds: float = 20.0) -> list[Item]:
    """What the device says, until there are `wanted` items."""
    parser, items, deadline = StreamParser(), [], Deadline(seconds)
    while len(items) < wanted:
        data = device.read(deadline)
        assert data, f"expected {wanted} items, received {items}"
        items += parser.feed(data)
    assert not parser.pending
    return items


def is_in_step(client: Client) -> bool:
    return client.run(INPUT).outputs == echo(INPUT)


def test_info(client: Client, target: Target) -> None:
    info = client.info()
    assert info.engine == "echo"
    assert (info.inputs, info.outputs, info.layers) == ((ECHO_BYTES,), (ECHO_BYTES,), 3)
    assert info.arena_bytes == 32
    assert info.status == "ok"
    clocks = {"mps2_an386": "virtual-time", "nrf52840": "cycle-counter", "host": "host"}
    clocks |= {"fake": "host", "pty": "cycle-counter"}
    assert target.kind == SERIAL or info.clock == clocks[target.board or target.kind]


@pytest.mark.parametrize("byte", [0x00, 0x01, 0x25, 0xA5, 0x5A, 0xFF])
def test_run_computes_every_input_afresh(client: Client, byte: int) -> None:
    for inputs in (bytes([byte]) * ECHO_BYTES, INPUT, bytes([byte, 0xA5] * (ECHO_BYTES // 2))):
        assert client.run(inputs).outputs == echo(inputs)


def test_stack_is_known_where_it_can_be(client: Client, kind: str) -> None:
    stack = client.run(INPUT).stack_peak_bytes
    if kind in ("host", "fake", SERIAL):
        assert stack is None or kind == SERIAL
    else:
        assert stack is not None
        assert 64 < stack < 2048


def test_layers(client: Client) -> None:
    ticks = client.layers(INPUT)
    assert len(ticks) == 3
    assert sum(ticks) > 0


def test_text_commands(client: Client) -> None:
    assert client.text("name") == ("m-name-dut-[espalier]",)
    assert client.text(f"db load {ECHO_BYTES}") == (f"m-[Expecting {ECHO_BYTES} bytes]",)
    assert client.text(f"db {INPUT.hex()}") == ("m-load-done",)
    lines = client.text("infer 2 1")
    assert [re.sub(r"\d+$", "N", line) for line in lines[:-1]] == [
        "m-warmup-start-N",
        "m-warmup-done",
        "m-infer-start-N",
        "m-lap-us-N",
        "m-lap-us-N",
        "m-infer-done",
    ]
    signed = [byte - 256 if byte > 127 else byte for byte in echo(INPUT)]
    results = lines[-1].removeprefix("m-results-[").removesuffix("]").split(",")
    assert [float(value) for value in results] == pytest.approx(
        [(value + 128) / 256 for value in signed], abs=6e-4
    )
    assert client.text("results") == lines[-1:]


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("dance", "e-[Unknown command: dance]"),
        ("infer 0 1", "e-[Inference iterations must be >0]"),
        ("infer 1 -1", "e-[Inference warmup must be >=0]"),
        ("db 00", "e-[db load N comes first]"),
        ("x" * 81, "e-[Command too long]"),
    ],
    ids=lambda text: text[:20],
)
def test_a_bad_command_is_answered(client: Client, command: str, reply: str) -> None:
    assert client.text(command) == (reply,)
    assert is_in_step(client)


@pytest.mark.usefixtures("button")
@pytest.mark.parametrize(
    ("command", "reply"),
    [("infer 1 1", "e-[No input loaded]"), ("results", "e-[No inference done]")],
)
def test_a_device_that_has_just_started_has_nothing(
    client: Client, command: str, reply: str
) -> None:
    assert client.text(command) == (reply,)
    assert is_in_step(client)


def test_a_longest_command_is_taken(client: Client) -> None:
    assert client.text("y" * 80) == (f"e-[Unknown command: {'y' * 80}]",)


@pytest.mark.parametrize("digits", ["0", "0g"])
def test_bad_hex_digits_load_nothing(client: Client, digits: str) -> None:
    client.text(f"db load {ECHO_BYTES}")
    (reply,) = client.text(f"db {digits}")
    assert reply in ("e-[Insufficent number of hex digits]", "e-[Invalid hex digit '0g']")
    assert client.text(f"db {INPUT.hex()}") == ("m-load-done",)


def test_garbage_does_not_mute_the_device(client: Client, device: Device) -> None:
    device.write(bytes(range(256)) * 3)
    client._synchronise()
    assert is_in_step(client)


def test_wrong_crc_is_answered_with_code_1(client: Client, device: Device) -> None:
    data = bytearray(run_frame(sequence=77))
    data[12] ^= 1
    device.write(bytes(data))
    (reply,) = items_until(device, 1)
    assert reply == Frame(
        type=FrameType.ERROR, sequence=77, payload=bytes([ErrorCode.CRC]) + b"CRC wrong"
    )
    # The damaged input is gone, rather than inferred.
    assert client.text("infer 1 0") == ("e-[No input loaded]",)
    assert is_in_step(client)


def test_half_a_frame_then_silence_is_answered_with_code_2(client: Client, device: Device) -> None:
    device.write(run_frame(sequence=5)[:14])
    (reply,) = items_until(device, 1)
    assert isinstance(reply, Frame)
    assert (reply.type, reply.sequence, reply.payload[0]) == (0xFF, 5, ErrorCode.INCOMPLETE)
    assert is_in_step(client)


@pytest.mark.parametrize("cut", range(1, 8))
def test_half_a_header_is_recovered_from(client: Client, device: Device, cut: int) -> None:
    device.write(run_frame()[:cut])
    client._synchronise()
    assert is_in_step(client)


@pytest.mark.parametrize("kind_of_frame", [FrameType.RUN, FrameType.LAYERS, FrameType.INFO])
def test_wrong_length_is_answered_at_once_with_code_3(
    client: Client, device: Device, kind_of_frame: FrameType
) -> None:
    device.write(encode_frame(Frame(type=kind_of_frame, sequence=1, payload=bytes(5))))
    (reply,) = items_until(device, 1)
    assert isinstance(reply, Frame)
    assert (reply.type, reply.payload[0]) == (0xFF, ErrorCode.LENGTH)
    client._synchronise()
    assert is_in_step(client)


def test_unknown_type_is_answered_with_code_4(client: Client, device: Device) -> None:
    device.write(encode_frame(Frame(type=0x44, sequence=1, payload=b"")))
    (reply,) = items_until(device, 1)
    assert isinstance(reply, Frame)
    assert (reply.type, reply.payload[0]) == (0xFF, ErrorCode.TYPE)
    client._synchronise()
    assert is_in_step(client)


def test_lone_magic_byte_is_answered(client: Client, device: Device) -> None:
    device.write(b"\xa5name%")
    lines = items_until(device, 4)
    assert [item.text for item in lines if isinstance(item, Line)] == [
        "e-[Unknown command: ]",
        "m-ready",
        "m-name-dut-[espalier]",
        "m-ready",
    ]
    assert is_in_step(client)


def test_frame_cuts_an_unfinished_command_short(client: Client, device: Device) -> None:
    device.write(b"db load 1" + run_frame(sequence=3))
    (reply,) = items_until(device, 1)
    assert isinstance(reply, Frame)
    assert (reply.type, reply.sequence) == (FrameType.RUN | REPLY_BIT, 3)
    assert reply.payload[12:] == echo(INPUT)


def test_frames_and_text_alternate_in_one_write(client: Client, device: Device) -> None:
    device.write(b"name%" + run_frame(sequence=1) + b"name%" + run_frame(sequence=2))
    kinds = [type(item).__name__ for item in items_until(device, 6)]
    assert kinds == ["Line", "Line", "Frame", "Line", "Line", "Frame"]


def test_failing_engine_is_an_error_and_no_mute_device(client: Client) -> None:
    with pytest.raises(DeviceError, match="the engine failed on the device"):
        client.run(FAILING)
    assert is_in_step(client)


def test_crash_of_the_firmware_is_reported(client: Client, kind: str) -> None:
    if kind == "renode":
        pytest.skip("Renode answers where nothing is")
    expected = {
        "host": "SIGSEGV",
        "unicorn": r"restarted twice .*e-\[hard fault at 0x",
        "qemu": r"restarted twice .*e-\[hard fault at 0x",
        "fake": r"restarted twice .*e-\[hard fault at 0x",
        "pty": r"restarted twice .*e-\[hard fault at 0x",
    }
    # A board says so or vanishes, if its port is the chip's own.
    with pytest.raises(DeviceError, match=expected.get(kind)):
        client.run(FAULTING)


def test_crash_is_over_after_a_reset(client: Client, device: Device, kind: str) -> None:
    if kind == "renode":
        pytest.skip("Renode answers where nothing is")
    with pytest.raises(DeviceError):
        client.run(FAULTING)
    device.reset()
    client.connect()
    assert is_in_step(client)


@pytest.mark.usefixtures("button")
def test_reset_in_the_middle_of_a_frame(client: Client, device: Device) -> None:
    device.write(run_frame()[:20])
    device.reset()
    client.connect()
    assert client.text("infer 1 0") == ("e-[No input loaded]",)
    assert is_in_step(client)


@pytest.mark.usefixtures("button")
def test_reset_in_the_middle_of_an_inference(client: Client, device: Device) -> None:
    client.run(INPUT)
    device.write(b"infer 100000 0%")
    device.read(Deadline(0.05))
    device.reset()
    client.connect()
    assert client.text("results") == ("e-[No inference done]",)
    assert is_in_step(client)


def test_a_second_client_gets_in_step_with_a_running_device(client: Client, device: Device) -> None:
    device.write(b"nam")
    second = Client(device)
    second.connect()
    assert is_in_step(second)


def test_silence_is_awaited_no_longer_than_the_deadline(client: Client, device: Device) -> None:
    begin = time.monotonic()
    assert device.read(Deadline(0.2)) == b""
    assert time.monotonic() - begin < 5


def test_a_closed_device_says_so(client: Client, device: Device) -> None:
    device.close()
    device.close()
    for use in (lambda: device.write(b"name%"), lambda: device.read(Deadline(0.1))):
        with pytest.raises(DeviceError, match="not open. Use it in a with statement"):
            use()
