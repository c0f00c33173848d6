"""Frames of firmware/PROTOCOL.md, and a parser that tells them from lines of text."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from pipeline.errors import ProtocolError

MAGIC = b"\xa5\x5a"
HEADER = struct.Struct("<2sBBI")
CRC = struct.Struct("<I")
REPLY_BIT = 0x80
# What a RUN reply begins with: ticks, deepest stack.
RUN_HEAD = struct.Struct("<QI")
UNKNOWN_STACK = 0xFFFFFFFF

# No reply is near this long; a longer one is a damaged length.
MAX_PAYLOAD_BYTES = 1 << 20
# No line is near this long; more without an end is noise.
MAX_LINE_BYTES = 8192


class FrameType(IntEnum):
    """Types of requests; a reply has the same with REPLY_BIT, or is an ERROR."""

    RUN = 0x01
    LAYERS = 0x02
    INFO = 0x03
    ERROR = 0xFF


class ErrorCode(IntEnum):
    """First byte of an ERROR frame's payload."""

    CRC = 1
    INCOMPLETE = 2
    LENGTH = 3
    TYPE = 4
    ENGINE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame: type and sequence number are bytes."""

    type: int
    sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of text, without its end."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """Bytes that are neither a frame nor a line."""

    reason: str


Item: TypeAlias = Frame | Line | Damaged


def encode_frame(frame: Frame) -> bytes:
    """The bytes of a frame on the line."""
    head = HEADER.pack(MAGIC, frame.type, frame.sequence, len(frame.payload))
    body = head[len(MAGIC) :] + frame.payload
    return MAGIC + body + CRC.pack(zlib.crc32(body))


def decode_frame(data: bytes) -> Frame:
    """The frame that `data` holds, exactly.

    Raises:
        ProtocolError: wrong magic, length or CRC-32.
    """
    if len(data) < HEADER.size + CRC.size or data[: len(MAGIC)] != MAGIC:
        raise ProtocolError(
            f"A frame has to start with A5 5A and to hold at least {HEADER.size + CRC.size} "
            f"bytes. Received: {data[:16].hex(' ')} ({len(data)} bytes)."
        )
    _, kind, sequence, length = HEADER.unpack_from(data)
    if len(data) != HEADER.size + length + CRC.size:
        raise ProtocolError(
            f"Frame of type {kind:02X}: its header announces {length} bytes of payload. "
            f"Received: {len(data) - HEADER.size - CRC.size}."
        )
    payload = bytes(data[HEADER.size : HEADER.size + length])
    (received,) = CRC.unpack_from(data, HEADER.size + length)
    computed = zlib.crc32(data[len(MAGIC) : HEADER.size + length])
    if received != computed:
        raise ProtocolError(
            f"Frame of type {kind:02X}: CRC-32 must be {computed:08X}. Received: {received:08X}."
        )
    return Frame(type=kind, sequence=sequence, payload=payload)


class StreamParser:
    """Cuts what arrives into frames and lines, whatever the pieces it arrives in.

    After a damaged frame only its magic is dropped and the rest is looked at again, so that a
    frame or a boot message inside the wreckage (a device that restarted) is still found.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their frame or line."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Item]:
        """Take bytes; return the items that are complete now."""
        self._buffer += data
        items: list[Item] = []
        while self._take(items):
            pass
        return items

    def abandon(self) -> list[Item]:
        """Give up on what is incomplete, because the line went silent."""
        items: list[Item] = []
        while self._buffer:
            if self._buffer.startswith(MAGIC):
                items.append(Damaged(reason=f"a frame broke off after {len(self._buffer)} bytes"))
                del self._buffer[: len(MAGIC)]
            else:
                items.append(Damaged(reason=f"a line broke off: {bytes(self._buffer[:80])!r}"))
                next_magic = self._buffer.find(MAGIC)
                del self._buffer[: next_magic if next_magic >= 0 else len(self._buffer)]
            while self._take(items):
                pass
        return items

    def _take(self, items: list[Item]) -> bool:
        """Move one item from the buffer to `items`; False if none is complete."""
        if not self._buffer:
            return False
        if self._buffer.startswith(MAGIC):
            return self._take_frame(items)
        return self._take_line(items)

    def _take_frame(self, items: list[Item]) -> bool:
        if len(self._buffer) < HEADER.size:
            return False
        length = HEADER.unpack_from(self._buffer)[3]
        end = HEADER.size + length + CRC.size
        if length <= MAX_PAYLOAD_BYTES:
            if len(self._buffer) < end:
                return False
            try:
                items.append(decode_frame(bytes(self._buffer[:end])))
            except ProtocolError as error:
                items.append(Damaged(reason=str(error)))
            else:
                del self._buffer[:end]
                return True
        else:
            items.append(Damaged(reason=f"a frame announces {length} bytes of payload"))
        del self._buffer[: len(MAGIC)]
        return True

    def _take_line(self, items: list[Item]) -> bool:
        next_magic = self._buffer.find(MAGIC)
        end = self._buffer.find(b"\n", 0, next_magic if next_magic >= 0 else len(self._buffer))
        if end >= 0:
            stop = end + 1
        elif next_magic >= 0:
            stop = next_magic
        elif len(self._buffer) > MAX_LINE_BYTES:
            items.append(Damaged(reason=f"{len(self._buffer)} bytes without the end of a line"))
            self._buffer.clear()
            return True
        else:
            return False
        text = self._buffer[:stop].decode("ascii", errors="backslashreplace").rstrip("\r\n")
        del self._buffer[:stop]
        if text:
            items.append(Line(text=text))
        return True
