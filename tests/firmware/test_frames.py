"""Binary frames of firmware/PROTOCOL.md, and everything that can go wrong with them."""

from __future__ import annotations

import json
import struct

import pytest

from tests.firmware.line import (
    ECHO_BYTES,
    READY,
    Line,
    echo_output,
    error_frame,
    frame,
)

RUN, LAYERS, INFO, ERROR = 0x01, 0x02, 0x03, 0xFF
INPUT = bytes(range(100, 100 + ECHO_BYTES))
NOISE_REPLY = b"e-[Unknown command: ]\r\n" + READY

# The firmware gives up on half a frame after 500 ms, and drops until 50 ms of silence.
FRAME_SILENCE_S = 0.5
DROP_SILENCE_S = 0.05


def assert_alive(line: Line, sequence: int = 77) -> None:
    """The next request is answered, and rightly."""
    line.send(frame(RUN, sequence, INPUT))
    kind, answered, payload = line.frame()
    assert (kind, answered) == (RUN | 0x80, sequence)
    assert payload[12:] == echo_output(INPUT)


@pytest.mark.parametrize(
    "payload", [bytes(ECHO_BYTES), INPUT, b"\xa5\x5a" * 8, b"%\r\n%name%\x00\x01\xff7890"]
)
def test_run(line: Line, payload: bytes) -> None:
    line.send(frame(RUN, 9, payload))
    kind, sequence, answer = line.frame()
    ticks, stack = struct.unpack_from("<QI", answer)
    assert (kind, sequence) == (0x81, 9)
    assert ticks < 1_000_000_000
    assert stack == 0xFFFFFFFF
    assert answer[12:] == echo_output(payload)


def test_layers(line: Line) -> None:
    line.send(frame(LAYERS, 255, INPUT))
    kind, sequence, answer = line.frame()
    assert (kind, sequence) == (0x82, 255)
    count, *ticks = struct.unpack("<I3Q", answer)
    assert count == 3
    assert all(tick < 1_000_000_000 for tick in ticks)


def test_info_is_the_text_info(line: Line) -> None:
    line.send(frame(INFO, 0, b""))
    kind, sequence, answer = line.frame()
    assert (kind, sequence) == (0x83, 0)
    assert line.command("info") == ["m-info-" + answer.decode()]
    assert json.loads(answer)["protocol"] == 1


def test_frames_and_text_alternate_without_pauses(line: Line) -> None:
    line.send(b"name%" + frame(INFO, 1, b"") + b"name%" + frame(RUN, 2, INPUT) + b"%")
    assert line.until(READY) == b"m-name-dut-[espalier]\r\n" + READY
    assert line.frame()[:2] == (0x83, 1)
    assert line.until(READY) == b"m-name-dut-[espalier]\r\n" + READY
    assert line.frame()[:2] == (0x81, 2)
    assert line.until(READY) == READY


def test_frame_byte_by_byte(line: Line) -> None:
    *all_but_last, last = frame(RUN, 3, INPUT)
    for byte in all_but_last:
        line.send(bytes([byte]))
        line.silence(0.01)
    line.send(bytes([last]))
    assert line.frame()[2][12:] == echo_output(INPUT)


@pytest.mark.parametrize("position", range(8, 8 + ECHO_BYTES + 4))
@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_bad_crc(line: Line, position: int, flip: int) -> None:
    damaged = bytearray(frame(RUN, 5, INPUT))
    damaged[position] ^= flip
    line.send(bytes(damaged))
    assert line.frame() == (ERROR, 5, b"\x01CRC wrong")
    assert_alive(line)


def test_bad_crc_leaves_no_input_loaded(line: Line) -> None:
    assert_alive(line)
    line.send(frame(RUN, 5, bytes(ECHO_BYTES))[:-1] + b"\x00")
    assert line.frame() == (ERROR, 5, b"\x01CRC wrong")
    assert line.command("infer 1 0") == ["e-[No input loaded]"]


@pytest.mark.parametrize("kind", [0x00, 0x04, 0x25, 0x81, 0xA5, 0xFF])
def test_unknown_type(line: Line, kind: int) -> None:
    line.send(frame(kind, 6, INPUT))
    assert line.frame() == (ERROR, 6, b"\x04unknown type")
    line.silence(2 * DROP_SILENCE_S)
    assert_alive(line)


@pytest.mark.parametrize(
    ("kind", "size"),
    [(RUN, 0), (RUN, 15), (RUN, 17), (RUN, 100_000), (LAYERS, 8), (INFO, 1), (INFO, 16)],
)
def test_wrong_length(line: Line, kind: int, size: int) -> None:
    assert_alive(line)
    line.send(frame(kind, 7, b"\x25" * size))
    assert line.frame() == (ERROR, 7, b"\x03length is not what this type takes")
    line.silence(2 * DROP_SILENCE_S)
    # Nothing of it was taken for a command, and the input is still there.
    assert "m-infer-done" in line.command("infer 1 0")


@pytest.mark.parametrize("length", [0x80000000, 0xFFFFFFFF])
def test_absurd_length(line: Line, length: int) -> None:
    line.send(b"\xa5\x5a" + struct.pack("<BBI", RUN, 8, length))
    assert line.frame() == (ERROR, 8, b"\x03length is not what this type takes")
    line.silence(2 * DROP_SILENCE_S)
    assert_alive(line)


@pytest.mark.parametrize("size", [3, 4, 7, 8, 9, 23, 24, 27])
def test_half_a_frame(line: Line, size: int) -> None:
    line.send(frame(RUN, 0x44, INPUT)[:size])
    line.silence(FRAME_SILENCE_S / 2)
    assert line.frame() == (ERROR, 0x44 if size > 3 else 0, b"\x02frame incomplete")
    line.silence(0.1)
    assert_alive(line)


def test_half_a_frame_leaves_no_input_loaded(line: Line) -> None:
    assert_alive(line)
    line.send(frame(RUN, 0x44, bytes(ECHO_BYTES))[:12])
    line.frame()
    assert line.command("infer 1 0") == ["e-[No input loaded]"]


def test_half_a_header_keeps_the_input(line: Line) -> None:
    assert_alive(line)
    line.send(frame(RUN, 0x44, bytes(ECHO_BYTES))[:6])
    line.frame()
    assert "m-infer-done" in line.command("infer 1 0")


def test_frame_ends_a_load_in_progress(line: Line) -> None:
    line.command("db load 16")
    line.command("db 00")
    assert_alive(line)
    assert line.command("db " + "00" * 15) == ["e-[db load N comes first]"]


def test_info_frame_leaves_a_load_in_progress(line: Line) -> None:
    line.command("db load 16")
    line.command("db 00")
    line.send(frame(INFO, 1, b""))
    line.frame()
    assert line.command("db " + "00" * 15) == ["m-load-done"]


def test_frame_behind_an_unfinished_command(line: Line) -> None:
    line.send(b"infer 1" + frame(RUN, 1, INPUT))
    assert line.frame()[2][12:] == echo_output(INPUT)
    assert line.command("name") == ["m-name-dut-[espalier]"]


def test_frame_behind_an_over_long_command(line: Line) -> None:
    line.send(b"x" * 500 + frame(RUN, 1, INPUT) + b"name%")
    assert line.frame()[2][12:] == echo_output(INPUT)
    assert line.until(READY) == b"m-name-dut-[espalier]\r\n" + READY


def test_first_byte_of_magic_alone(line: Line) -> None:
    line.send(b"\xa5name%")
    assert line.until(READY) == NOISE_REPLY
    assert line.until(READY) == b"m-name-dut-[espalier]\r\n" + READY


def test_first_byte_of_magic_and_silence(line: Line) -> None:
    line.send(b"\xa5")
    line.silence(FRAME_SILENCE_S / 2)
    assert line.until(READY) == NOISE_REPLY
    assert_alive(line)


def test_first_byte_of_magic_twice(line: Line) -> None:
    line.send(b"\xa5" + frame(RUN, 1, INPUT))
    assert line.until(READY) == NOISE_REPLY
    assert line.frame()[2][12:] == echo_output(INPUT)


def test_engine_failure(line: Line) -> None:
    for kind in (RUN, LAYERS):
        line.send(frame(kind, 2, b"\x7e" * ECHO_BYTES))
        assert line.frame() == (ERROR, 2, b"\x05the engine failed")
    assert line.command("results") == ["e-[No inference done]"]
    assert_alive(line)


def test_error_frame_by_hand() -> None:
    assert error_frame(1, 5, b"CRC wrong") == frame(ERROR, 5, b"\x01CRC wrong")
