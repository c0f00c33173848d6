from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.device.frames import (
    MAX_LINE_BYTES,
    MAX_PAYLOAD_BYTES,
    Damaged,
    Frame,
    Item,
    Line,
    StreamParser,
    decode_frame,
    encode_frame,
)
from pipeline.errors import ProtocolError

BYTE = st.integers(0, 255)
FRAMES = st.builds(Frame, type=BYTE, sequence=BYTE, payload=st.binary(max_size=300))
LINES = st.builds(
    Line, text=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=90)
)
FRAME = Frame(type=0x81, sequence=7, payload=bytes(range(40)))


def encode(item: Item) -> bytes:
    if isinstance(item, Frame):
        return encode_frame(item)
    assert isinstance(item, Line)
    return item.text.encode() + b"\r\n"


def feed_all(data: bytes) -> list[Item]:
    return StreamParser().feed(data)


@given(FRAMES)
def test_decoding_undoes_encoding(frame: Frame) -> None:
    assert decode_frame(encode_frame(frame)) == frame


def test_encoding_is_what_the_protocol_page_says() -> None:
    frame = Frame(type=0x03, sequence=0x11, payload=b"")
    assert encode_frame(frame).hex() == "a55a031100000000" + "3f6dd66a"


@given(FRAMES, st.data())
def test_any_flipped_bit_is_noticed(frame: Frame, data: st.DataObject) -> None:
    encoded = bytearray(encode_frame(frame))
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProtocolError):
        decode_frame(bytes(encoded))


@given(st.lists(st.one_of(FRAMES, LINES), max_size=8), st.lists(st.integers(1, 20)))
def test_parser_finds_the_same_in_pieces_of_any_size(items: list[Item], sizes: list[int]) -> None:
    data = b"".join(map(encode, items))
    parser, found, position = StreamParser(), [], 0
    for size in sizes:
        found += parser.feed(data[position : position + size])
        position += size
    found += parser.feed(data[position:])
    assert found == items
    assert parser.pending == 0


@given(st.binary(max_size=400))
def test_parser_takes_anything_and_always_comes_to_an_end(noise: bytes) -> None:
    parser = StreamParser()
    parser.feed(noise)
    parser.abandon()
    assert parser.pending == 0
    assert parser.feed(encode_frame(FRAME)) == [FRAME]


def test_boot_message_inside_a_broken_frame_is_found() -> None:
    parser = StreamParser()
    items = parser.feed(encode_frame(FRAME)[:20] + b"\r\nm-init-done\r\nm-ready\r\n")
    assert items == []
    items = parser.abandon()
    assert items[0] == Damaged(reason="a frame broke off after 44 bytes")
    assert Line(text="m-init-done") in items
    assert items[-1] == Line(text="m-ready")


def test_frame_after_a_damaged_one_is_found() -> None:
    damaged = bytearray(encode_frame(FRAME))
    damaged[15] ^= 4
    items = feed_all(bytes(damaged) + encode_frame(FRAME))
    assert isinstance(items[0], Damaged)
    assert "CRC-32 must be" in items[0].reason
    assert items[-1] == FRAME


def test_absurd_length_is_not_waited_for() -> None:
    header = b"\xa5\x5a\x81\x01" + (MAX_PAYLOAD_BYTES + 1).to_bytes(4, "little")
    items = feed_all(header + encode_frame(FRAME))
    assert items[0] == Damaged(reason=f"a frame announces {MAX_PAYLOAD_BYTES + 1} bytes of payload")
    assert items[-1] == FRAME


def test_noise_without_the_end_of_a_line_is_dropped() -> None:
    (item,) = feed_all(b"x" * (MAX_LINE_BYTES + 1))
    assert item == Damaged(reason=f"{MAX_LINE_BYTES + 1} bytes without the end of a line")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has to start with A5 5A and to hold at least 12 bytes"),
        (b"\xa5\x5b" + bytes(10), "has to start with A5 5A"),
        (encode_frame(FRAME)[:-1], "announces 40 bytes of payload. Received: 39"),
        (encode_frame(FRAME)[:-1] + b"\x00", "CRC-32 must be [0-9A-F]{8}. Received: 00"),
    ],
    ids=["empty", "magic", "short", "crc"],
)
def test_what_is_no_frame_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        decode_frame(data)
