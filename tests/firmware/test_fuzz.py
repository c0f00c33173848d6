"""Noise on the line: the firmware never crashes, never goes mute, never answers wrongly."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.paths import firmware_path
from tests.firmware.host_compiler import compile_firmware
from tests.firmware.line import ECHO_BYTES, READY, Line, echo_output, frame

ENGINE = firmware_path() / "lib" / "engine_echo" / "engine_echo.c"
SNIPPETS = (
    b"%", b"name%", b"infer 1 0%", b"db load 16%", b"db 00%", b"db print%", b"results%", b"info%",
    b"\xa5", b"\xa5\x5a", b"\xa5\x5a\x01", b"\xa5\x5a\x01\x00\x10\x00\x00\x00", b"\r\n", b"\x00",
)  # fmt: skip


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_firmware(tmp_path_factory.mktemp("sanitized"), ENGINE, sanitize=True)


@pytest.fixture
def sanitized(program: Path) -> Iterator[Line]:
    line = Line(program)
    line.until(READY)
    yield line
    status, errors = line.close()
    assert (status, errors) == (0, b"")


def noise(source: random.Random) -> bytes:
    """Some hundred bytes: random ones, pieces of commands, whole and damaged frames."""
    pieces = []
    for _ in range(source.randrange(1, 12)):
        choice = source.randrange(4)
        if choice == 0:
            pieces.append(source.randbytes(source.randrange(1, 60)))
        elif choice == 1:
            pieces.append(source.choice(SNIPPETS))
        else:
            whole = frame(source.randrange(5), source.randrange(256), source.randbytes(16))
            damaged = bytearray(whole[: source.randrange(1, len(whole) + 1)])
            if choice == 2:
                damaged[source.randrange(len(damaged))] ^= 1 << source.randrange(8)
            pieces.append(bytes(damaged))
    return b"".join(pieces)


def recover(line: Line, sequence: int) -> None:
    """Get in step as a sender does, and check one inference."""
    payload = bytes((sequence + i) & 0xFF for i in range(ECHO_BYTES))
    end = time.monotonic() + 5
    while True:
        # Longer than both silences, so that half a frame is given up.
        time.sleep(0.55)
        line.send(b"%name%")
        try:
            line.until(b"m-name-dut-[espalier]\r\n" + READY, 1.0)
            break
        except AssertionError:
            assert time.monotonic() < end
    line.send(frame(0x01, sequence & 0xFF, payload))
    kind, answered, answer = line.frame()
    assert (kind, answered, answer[12:]) == (0x81, sequence & 0xFF, echo_output(payload))


@pytest.mark.parametrize("seed", range(4))
def test_noise(sanitized: Line, seed: int) -> None:
    source = random.Random(seed)
    for sequence in range(4):
        for _ in range(500):
            sanitized.send(noise(source))
            # Reading keeps the pipe from filling up while nobody asks for anything.
            sanitized.drain()
        recover(sanitized, sequence)


def test_every_reply_to_text_noise_ends_with_ready(sanitized: Line) -> None:
    source = random.Random(7)
    alphabet = [byte for byte in range(256) if byte not in (0xA5, 0x25)]
    for _ in range(2000):
        sanitized.send(bytes(source.choices(alphabet, k=source.randrange(120))) + b"%")
        reply = sanitized.until(READY)
        assert re.fullmatch(rb"(e-\[[ -~]*\]\r\n)?m-ready\r\n", reply), reply


def test_no_damaged_frame_is_answered_as_if_whole(sanitized: Line) -> None:
    source = random.Random(11)
    payload = bytes(range(ECHO_BYTES))
    whole = frame(0x01, 1, payload)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(source.randrange(1, 4)):
            damaged[source.randrange(8, len(damaged))] ^= source.randrange(1, 256)
        if bytes(damaged) == whole:
            continue
        sanitized.send(bytes(damaged))
        assert sanitized.frame() == (0xFF, 1, b"\x01CRC wrong")
    sanitized.send(whole)
    assert sanitized.frame()[2][12:] == echo_output(payload)
