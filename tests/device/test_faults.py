"""Whatever happens on the line or to the board: an error in time, and afterwards all is well."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from pipeline.device.base import Deadline, Device
from pipeline.device.fake import FakeDevice
from pipeline.device.frames import HEADER, Frame, FrameType, encode_frame
from pipeline.device.protocol import Client, Timeouts
from pipeline.errors import DeviceError, DeviceTimeout, ProtocolError
from tests.device.conftest import FAULTING, Subject
from tests.device.faulty_line import FaultyLine, flip
from tests.pty_board import PtyDevice
from tests.targets import SERIAL

pytestmark = pytest.mark.usefixtures("in_time")
# Until a port that vanished is back.
REAPPEAR_S = 15.0
# Where the deadline itself is what is tested.
QUICK = Timeouts(banner_s=0.1, reply_s=0.5, run_s=0.5, gap_s=0.2, quiet_s=0.05, probes_s=(0.2, 0.3))


@pytest.fixture(scope="session")
def timeouts(kind: str) -> Timeouts:
    """Short, so that a lost reply does not cost a minute; a board may have a slow model."""
    return Timeouts(banner_s=0.5, run_s=20.0 if kind == SERIAL else 1.5, gap_s=0.5)


@pytest.fixture
def line(device: Device) -> FaultyLine:
    """The open device behind a line that can do anything."""
    return FaultyLine(device)


@pytest.fixture
def client(line: FaultyLine, timeouts: Timeouts) -> Client:
    """A client in step with the device behind the line."""
    client = Client(line, timeouts)
    client.connect()
    return client


def all_is_well(client: Client, subject: Subject) -> bool:
    """Whether a correct inference follows."""
    return client.run(subject.inputs).outputs == subject.outputs


def run_frame(subject: Subject, sequence: int = 9) -> bytes:
    return encode_frame(Frame(type=FrameType.RUN, sequence=sequence, payload=subject.inputs))


def open_again(device: Device) -> None:
    """Open a device anew; a board whose port is the chip's own takes seconds to come back."""
    device.close()
    deadline = Deadline(REAPPEAR_S)
    while True:
        try:
            device.open()
            return
        except DeviceError:
            if deadline.expired:
                raise
            time.sleep(0.2)


# --- on the line, once: nobody notices ---

REQUESTS: dict[str, Callable[[bytes], bytes]] = {
    "a bit of the type": flip(2),
    "a bit of the sequence number": flip(3),
    "a bit of the length": flip(4),
    "a high bit of the length": flip(7),
    "a bit of the inputs": flip(HEADER.size),
    "a bit of the checksum": flip(-1),
    "the first byte is lost": lambda data: data[1:],
    "a byte of the inputs is lost": lambda data: data[: HEADER.size] + data[HEADER.size + 1 :],
    "the last bytes are lost": lambda data: data[:-3],
    "all of it is lost": lambda data: b"",
    "it comes twice": lambda data: data + data,
    "noise before it": lambda data: bytes(range(256)) + data,
    "noise after it": lambda data: data + b"\xa5\x5a\x00%%" * 5,
}


@pytest.mark.parametrize("change", REQUESTS.values(), ids=REQUESTS.keys())
def test_a_damaged_request_is_sent_again(
    client: Client, line: FaultyLine, subject: Subject, change: Callable[[bytes], bytes]
) -> None:
    line.change_requests(change)
    assert all_is_well(client, subject)
    assert all_is_well(client, subject)


REPLIES: dict[str, Callable[[int, int], bytes]] = {
    "a bit of the magic": lambda at, byte: bytes([byte ^ (at == 0)]),
    "a bit of the type": lambda at, byte: bytes([byte ^ (at == 2)]),
    "a bit of the sequence number": lambda at, byte: bytes([byte ^ (at == 3)]),
    "a bit of the length": lambda at, byte: bytes([byte ^ 2 * (at == 4)]),
    "a high bit of the length": lambda at, byte: bytes([byte ^ 0x40 * (at == 7)]),
    "a bit of the outputs": lambda at, byte: bytes([byte ^ (at == HEADER.size + 13)]),
    "the first byte is lost": lambda at, byte: bytes([byte][at == 0 :]),
    "a byte is lost": lambda at, byte: bytes([byte][at == HEADER.size :]),
    "the end is lost": lambda at, byte: bytes([byte][20 <= at < 40 :]),
    "noise before it": lambda at, byte: (bytes(range(256)) if at == 0 else b"") + bytes([byte]),
    "a restart in it": lambda at, byte: (
        b"\r\nm-init-done\r\nm-ready\r\n" if at == 20 else bytes([byte])
    ),
}


@pytest.mark.parametrize("change", REPLIES.values(), ids=REPLIES.keys())
def test_a_damaged_reply_is_asked_for_again(
    client: Client, line: FaultyLine, subject: Subject, change: Callable[[int, int], bytes]
) -> None:
    line.change_reply(change)
    assert all_is_well(client, subject)
    assert all_is_well(client, subject)


def test_a_lost_reply_is_asked_for_again(
    client: Client, line: FaultyLine, subject: Subject
) -> None:
    length = HEADER.size + 12 + len(subject.outputs) + 4
    line.change_reply(lambda at, byte: bytes([byte][at < length :]))
    assert all_is_well(client, subject)


# --- on the line, for good: an error that names it ---


@pytest.mark.parametrize("position", [HEADER.size, -1], ids=["inputs", "checksum"])
def test_wrong_checksums_for_good_are_an_error(
    client: Client, line: FaultyLine, subject: Subject, position: int
) -> None:
    # Between two attempts the client sends `name` to get in step.
    line.change_requests(*[change for _ in range(4) for change in (flip(position), bytes)])
    with pytest.raises(ProtocolError, match="RUN request failed 4 times.*CRC wrong.*cable"):
        client.run(subject.inputs)
    assert all_is_well(client, subject)


def test_a_mute_board_is_a_timeout(client: Client, line: FaultyLine, subject: Subject) -> None:
    line.mute = True
    hasty = Client(line, QUICK)
    for use in (hasty.connect, hasty.info, lambda: hasty.run(subject.inputs)):
        with pytest.raises(DeviceTimeout, match=r"no answer to 'name' in 0.5 s.*reset it"):
            use()
    with pytest.raises(DeviceTimeout, match=r"'name' must be answered .* within 0.5 s"):
        hasty.text("name")
    line.mute = False
    client.connect()
    assert all_is_well(client, subject)


def test_a_board_that_falls_silent_in_its_reply_is_a_timeout(
    client: Client, line: FaultyLine, subject: Subject
) -> None:
    line.change_reply(lambda at, byte: bytes([byte][at >= 20 :]))
    with pytest.raises(DeviceTimeout, match="no answer to 'name'"):
        Client(line, QUICK).run(subject.inputs)
    line.change_reply(lambda at, byte: bytes([byte]))
    client.connect()
    assert all_is_well(client, subject)


@pytest.mark.parametrize(
    "babble", [b"temperature 21.5\r\n", b"U" * 64], ids=["another firmware", "a wrong baud rate"]
)
def test_a_board_that_babbles_for_ever_is_a_timeout(
    client: Client, line: FaultyLine, subject: Subject, babble: bytes
) -> None:
    line.babble = babble
    with pytest.raises(DeviceTimeout, match="the line is never silent.*baud rate"):
        Client(line, QUICK).run(subject.inputs)
    line.babble = b""
    client.connect()
    assert all_is_well(client, subject)


def test_slow_bytes_are_waited_for(client: Client, line: FaultyLine, subject: Subject) -> None:
    if len(subject.inputs) > 1000:
        pytest.skip("a small model is enough, and a large one would take minutes")
    line.pause_s = 0.002
    assert all_is_well(client, subject)
    assert client.text("name") == ("m-name-dut-[espalier]",)
    line.pause_s = 0.0
    assert all_is_well(client, subject)


# --- what a board is sent ---


@pytest.mark.parametrize("seed", range(4))
def test_garbage(client: Client, line: FaultyLine, subject: Subject, seed: int) -> None:
    rng = random.Random(seed)
    # Much of it looks like the protocol.
    pieces = (b"\xa5", b"\x5a", b"\xa5\x5a", b"%", b"db ", b"infer ", b"\x00", b"\xff", b"\r\n")
    garbage = b"".join(
        rng.choice(pieces) if rng.random() < 0.5 else rng.randbytes(rng.randrange(9))
        for _ in range(400)
    )
    line.write(garbage)
    client.connect()
    assert all_is_well(client, subject)


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 8, 9, -4, -1])
def test_half_a_frame(
    client: Client, line: FaultyLine, subject: Subject, timeouts: Timeouts, cut: int
) -> None:
    line.write(run_frame(subject)[:cut])
    second = Client(line, timeouts)
    second.connect()
    assert all_is_well(second, subject)


@pytest.mark.parametrize("size", [81, 1000, 20_000])
def test_oversized_line(client: Client, subject: Subject, size: int) -> None:
    assert client.text("x" * size) == ("e-[Command too long]",)
    assert all_is_well(client, subject)


def test_half_a_load(client: Client, subject: Subject) -> None:
    client.text(f"db load {len(subject.inputs)}")
    client.text(f"db {subject.inputs[:3].hex()}")
    assert all_is_well(client, subject)
    assert client.text("db 00") == ("e-[db load N comes first]",)


def test_a_request_while_it_infers_waits_its_turn(
    client: Client, line: FaultyLine, subject: Subject
) -> None:
    assert all_is_well(client, subject)
    line.write(b"infer 3 0%" + run_frame(subject) + b"name%")
    client.connect()
    assert all_is_well(client, subject)


# --- what happens to the board ---


@pytest.mark.usefixtures("button")
def test_a_reset_in_mid_inference_is_asked_for_again(
    client: Client, line: FaultyLine, device: Device, subject: Subject
) -> None:
    class Reset:
        """The button, pressed after the request has gone out."""

        done = False

        def __call__(self, data: bytes) -> bytes:
            device.write(data)
            device.read(Deadline(0.0))
            device.reset()
            return b""

    line.change_requests(Reset())
    assert all_is_well(client, subject)
    # Nothing of the time before is left to be taken for an answer.
    assert all_is_well(client, subject)


@pytest.mark.usefixtures("button")
def test_a_reset_in_a_long_inference(client: Client, device: Device, subject: Subject) -> None:
    assert all_is_well(client, subject)
    device.write(b"infer 100000 0%")
    device.read(Deadline(0.05))
    device.reset()
    client.connect()
    assert client.text("results") == ("e-[No inference done]",)
    assert client.text("infer 1 0") == ("e-[No input loaded]",)
    assert all_is_well(client, subject)


def test_a_board_that_is_unplugged(client: Client, device: Device, subject: Subject) -> None:
    process = getattr(device, "_process", None)
    if isinstance(device, FakeDevice | PtyDevice):
        device.unplug()
    elif process is not None:
        process.popen.kill()
    else:
        pytest.skip("nobody here can unplug it")
    with pytest.raises(DeviceError, match=r"unplugged|SIGKILL|has gone away"):
        client.run(subject.inputs)
    open_again(device)
    client.connect()
    assert all_is_well(client, subject)


@pytest.mark.usefixtures("echo_engine")
def test_a_firmware_that_crashes(
    client: Client, device: Device, subject: Subject, kind: str
) -> None:
    with pytest.raises(DeviceError):
        client.run(FAULTING)
    open_again(device)
    client.connect()
    assert all_is_well(client, subject)
