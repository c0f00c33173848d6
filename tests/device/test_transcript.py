"""Recorded conversations test both ends: the devices here, and the client on a played one."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.device.base import Deadline, Device
from pipeline.device.protocol import Client, Timeouts
from pipeline.device.transcript import (
    RecordingDevice,
    TranscriptDevice,
    format_piece,
    parse_transcript,
)
from pipeline.errors import ConfigError, ProtocolError
from tests.device.conftest import ECHO_BYTES, echo, fake_echo
from tests.device.conversation import hold
from tests.targets import SERIAL

MLPERF_TINY = (Path(__file__).parent / "data" / "mlperf_tiny.txt").read_text().splitlines()


def normalised(text: bytes) -> bytes:
    """A reply without what may differ between devices: times and the model's name."""
    text = re.sub(rb"m-lap-us-\d+", b"m-lap-us-<t>", text)
    return re.sub(rb"m-model-\[[^\]]*\]", b"m-model-[<name>]", text)


@pytest.mark.usefixtures("echo_engine")
def test_every_device_speaks_mlperf_tiny(device: Device, kind: str, timeouts: Timeouts) -> None:
    pieces = parse_transcript(MLPERF_TINY)
    if kind == SERIAL:
        # The boot message of a board that is up has passed.
        Client(device, timeouts).connect()
        del pieces[0]
    hold(device, pieces, normalised)


def test_what_was_recorded_can_be_played() -> None:
    file = io.StringIO()
    inputs = bytes(range(ECHO_BYTES))
    for device in (RecordingDevice(fake_echo(), file), None):
        played = device or TranscriptDevice(file.getvalue().splitlines())
        with played:
            client = Client(played)
            client.connect()
            info = client.info()
            assert info.engine == "echo"
            assert client.run(inputs).outputs == echo(inputs)
            assert client.text("name") == ("m-name-dut-[espalier]",)
    assert isinstance(played, TranscriptDevice)
    assert played.is_finished


def test_recording_passes_everything_on() -> None:
    fake = fake_echo()
    with RecordingDevice(fake, io.StringIO()) as device:
        assert device.kind == "fake"
        device.count_instructions(False)
        assert not fake.counting
        device.write(b"db load 16%")
        device.reset()
        assert b"m-init-done" in device.read(Deadline(1.0))


def test_departing_from_the_transcript_is_an_error() -> None:
    with (
        TranscriptDevice(["> name%", "< m-ready\\r\\n"]) as device,
        pytest.raises(ProtocolError, match="expected b'name%' from the host. Received: b'info%'"),
    ):
        device.write(b"info%")


@given(st.lists(st.tuples(st.sampled_from("<>"), st.binary(max_size=50))))
def test_any_bytes_survive_the_form(pieces: list[tuple[str, bytes]]) -> None:
    text = "".join(format_piece(direction, data) for direction, data in pieces)
    assert parse_transcript(text.splitlines(keepends=True)) == pieces


@pytest.mark.parametrize("line", ["name%", "= name%", "> \\x0", "< \u00e9"])
def test_what_is_no_transcript_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="Transcript, line 2: .*Received: "):
        parse_transcript(["# comment", line])
