"""The client against the fake: everything that a line and a device can do to it."""

from __future__ import annotations

import json

import pytest

from pipeline.device.fake import FakeDevice, Fault
from pipeline.device.frames import Frame, FrameType, encode_frame
from pipeline.device.info import parse_info
from pipeline.device.protocol import ATTEMPTS, Client, Timeouts
from pipeline.errors import DeviceError, DeviceTimeout, ProtocolError
from tests.device.conftest import ECHO_BYTES, echo, fake_echo
from tests.device.faulty_line import FaultyLine, within

INPUT = bytes(range(ECHO_BYTES))


def connected(device: FakeDevice) -> Client:
    device.open()
    client = Client(device)
    client.connect()
    return client


@pytest.mark.parametrize(
    "fault",
    [
        Fault.CORRUPT_REQUEST,
        Fault.TRUNCATE_REQUEST,
        Fault.LOSE_REQUEST,
        Fault.CORRUPT_REPLY,
        Fault.TRUNCATE_REPLY,
        Fault.LOSE_REPLY,
        Fault.GARBAGE,
        Fault.STALE_REPLY,
        Fault.RESTART,
    ],
)
def test_one_fault_never_shows(fault: Fault) -> None:
    client = connected(fake_echo(faults={1: fault}))
    other = bytes(reversed(INPUT))
    assert client.run(other).outputs == echo(other)
    assert client.run(INPUT).outputs == echo(INPUT)
    assert client.run(other).outputs == echo(other)


@pytest.mark.parametrize("fault", [Fault.CORRUPT_REPLY, Fault.CORRUPT_REQUEST])
def test_lasting_faults_are_an_error_that_names_them(fault: Fault) -> None:
    client = connected(fake_echo(faults=dict.fromkeys(range(ATTEMPTS), fault)))
    with pytest.raises(ProtocolError, match=rf"RUN request failed {ATTEMPTS} times.*CRC.*cable"):
        client.run(INPUT)


def test_restarting_again_and_again_is_an_error() -> None:
    client = connected(fake_echo(faults={0: Fault.RESTART, 1: Fault.RESTART}))
    with pytest.raises(ProtocolError, match=r"restarted twice .* a RUN request.*power supply"):
        client.run(INPUT)


def test_mute_device_is_a_timeout() -> None:
    client = connected(fake_echo(faults={0: Fault.MUTE}))
    with pytest.raises(DeviceTimeout, match=r"no answer to 'name' in 31 s.*Received: 'm-ready'"):
        client.run(INPUT)


def test_device_that_only_answers_text_is_a_timeout() -> None:
    client = connected(fake_echo(faults={0: Fault.LOSE_REQUEST, 1: Fault.LOSE_REQUEST}))
    with pytest.raises(DeviceTimeout, match=r"must be answered within 180 s.*Reset the device"):
        client.run(INPUT)


def test_unplugged_device_is_an_error() -> None:
    client = connected(fake_echo(faults={0: Fault.GONE}))
    with pytest.raises(DeviceError, match="was unplugged"):
        client.run(INPUT)


def test_text_on_a_device_without_answer_is_a_timeout() -> None:
    device = fake_echo(faults={0: Fault.MUTE})
    client = connected(device)
    device.write(encode_frame(Frame(type=FrameType.INFO, sequence=0, payload=b"")))
    with pytest.raises(DeviceTimeout, match=r"'name' must be answered up to 'm-ready' within 10 s"):
        client.text("name")


def test_connecting_to_silence_is_a_timeout() -> None:
    device = fake_echo(faults={0: Fault.MUTE})
    device.open()
    device.write(encode_frame(Frame(type=FrameType.INFO, sequence=0, payload=b"")))
    with pytest.raises(DeviceTimeout, match=r"no answer to 'name' in 3 s.*Received: nothing"):
        Client(device, Timeouts(probes_s=(1.0, 2.0))).connect()


# What a device may say for ever: another firmware, a wrong baud rate, a loop of restarts.
BABBLE = {
    "lines": b"temperature 21.5\r\n",
    "no lines": b"U" * 64,
    "complaints": b"e-[hard fault at 0x0]\r\n",
    "halves of frames": b"\xa5\x5a",
    "other frames": encode_frame(Frame(type=0x81, sequence=0, payload=bytes(20))),
    "ready": b"m-ready\r\n",
}


@pytest.mark.parametrize("babble", BABBLE.values(), ids=BABBLE.keys())
def test_a_device_that_never_stops_talking_is_an_error_in_time(babble: bytes) -> None:
    timeouts = Timeouts(
        banner_s=0.1, reply_s=0.2, run_s=0.3, gap_s=0.1, quiet_s=0.05, probes_s=(0.1, 0.1)
    )
    line = FaultyLine(fake_echo())
    line.open()
    line.babble = babble
    with within(20.0), pytest.raises(DeviceTimeout, match="never silent"):
        Client(line, timeouts).connect()
    line.babble = b""
    client = Client(line, timeouts)
    client.connect()
    # To a text command `m-ready` is an answer.
    others = () if babble == BABBLE["ready"] else (lambda: client.text("info"),)
    for use in (client.info, lambda: client.run(INPUT), *others):
        line.babble = babble
        with within(20.0), pytest.raises(DeviceError):
            use()
        line.babble = b""
        client.connect()
        assert client.run(INPUT).outputs == echo(INPUT)


def test_a_loop_of_restarts_is_an_error_in_time() -> None:
    line = FaultyLine(fake_echo())
    line.open()
    client = Client(line)
    line.babble = b"m-init-done\r\nm-ready\r\n"
    with within(20.0):
        client.connect()
        with pytest.raises(ProtocolError, match="restarted twice"):
            client.info()


def test_connecting_to_a_device_that_is_up_already() -> None:
    device = fake_echo()
    connected(device)
    device.write(b"infer 10")
    client = Client(device)
    client.connect()
    assert client.run(INPUT).outputs == echo(INPUT)


def test_engine_that_did_not_start_is_in_info_and_fails_runs() -> None:
    device = FakeDevice(echo, input_bytes=(1,), output_bytes=(1,), facts={"status": "no arena"})
    client = connected(device)
    assert client.info().status == "no arena"
    with pytest.raises(DeviceError, match="the engine failed on the device: no arena"):
        client.run(b"1")


def test_sequence_numbers_wrap() -> None:
    client = connected(fake_echo())
    for value in range(300):
        inputs = bytes([value & 0xFF] * ECHO_BYTES)
        if value not in (0x7D, 0x7E):
            assert client.run(inputs).outputs == echo(inputs)


INFO = {
    "protocol": 1,
    "build_id": "0123456789abcdef",
    "model_sha256": "0" * 64,
    "engine": "aot",
    "board": "host",
    "arena_bytes": 5,
    "inputs": [1],
    "outputs": [2, 3],
    "layers": 4,
    "clock": "host",
    "ticks_per_second": 1000,
    "free_heap_bytes": 20480,
    "reset_reason": "pin",
    "status": "ok",
}


def test_info_is_read() -> None:
    info = parse_info(json.dumps(INFO))
    assert info.outputs == (2, 3)
    assert info.build_id == "0123456789abcdef"
    assert (info.free_heap_bytes, info.reset_reason) == (20480, "pin")
    assert parse_info(json.dumps({**INFO, "free_heap_bytes": None})).free_heap_bytes is None


def test_info_may_say_more_than_we_know() -> None:
    assert parse_info(json.dumps({**INFO, "later": 1})) == parse_info(json.dumps(INFO))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected a JSON object. Received: '{'"),
        ("[]", "expected a JSON object"),
        (json.dumps({**INFO, "protocol": 2}), "speaks version 1 .*Received: 2"),
        (json.dumps({**INFO, "layers": True}), "'layers' must be of type int. Received: True"),
        (json.dumps({**INFO, "engine": 1}), "'engine' must be of type str. Received: 1"),
        (json.dumps({**INFO, "inputs": 1}), "'inputs' must be a list of sizes"),
        (json.dumps({**INFO, "outputs": ["1"]}), "'outputs' must be a list of sizes"),
        (json.dumps({**INFO, "free_heap_bytes": "1"}), "'free_heap_bytes' must be of type int"),
        (json.dumps({**INFO, "reset_reason": "magic"}), "'reset_reason' must be one of power-on, "),
    ],
    ids=["broken", "list", "version", "bool", "number", "no list", "no numbers", "heap", "reset"],
)
def test_info_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        parse_info(text)


@pytest.mark.parametrize("facts", [{"protocol": 7}, {"inputs": None}])
def test_wrong_info_is_refused_by_the_client(facts: dict[str, object]) -> None:
    device = FakeDevice(echo, input_bytes=(1,), output_bytes=(1,), facts=facts)
    with pytest.raises(ProtocolError, match="Build and flash the firmware"):
        connected(device).info()
