r"""Conversations with a device as text: recorded from one, and played back as one.

One line per piece: `>` from the host or `<` from the device, a space, and the bytes as ASCII
with Python's escapes (`\r\n`, `\xa5`). Lines that start with `#` are comments.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from pipeline.device.base import Deadline, Device
from pipeline.errors import ConfigError, ProtocolError

_SENT, _RECEIVED = ">", "<"


class RecordingDevice(Device):
    """Another device, with all that is said written to a file.

    Args:
        device: not yet open.
        file: open for writing text; stays open.
    """

    def __init__(self, device: Device, file: TextIO) -> None:
        self.kind = device.kind
        self.clock = device.clock
        self._device = device
        self._file = file

    def open(self) -> None:
        """Open the other device."""
        self._device.open()

    def close(self) -> None:
        """Close the other device."""
        self._device.close()

    def write(self, data: bytes) -> None:
        """Send bytes and note them."""
        self._file.write(format_piece(_SENT, data))
        self._device.write(data)

    def read(self, deadline: Deadline) -> bytes:
        """Receive bytes and note them."""
        data = self._device.read(deadline)
        if data:
            self._file.write(format_piece(_RECEIVED, data))
        return data

    def reset(self) -> None:
        """Reset the other device."""
        self._device.reset()

    def count_instructions(self, enabled: bool) -> None:
        """As on the other device."""
        self._device.count_instructions(enabled)


class TranscriptDevice(Device):
    """A device that expects what a transcript's host said and answers what its device did.

    Args:
        lines: of the transcript.

    Raises:
        ConfigError: a line is not of a transcript's form.
    """

    kind = "transcript"

    def __init__(self, lines: Iterable[str]) -> None:
        self._pieces = parse_transcript(lines)
        self._position = 0
        self._expected = b""

    def open(self) -> None:
        """Start from the beginning."""
        self._position = 0
        self._expected = b""

    def close(self) -> None:
        """Nothing is held."""

    def write(self, data: bytes) -> None:
        """Compare bytes with the transcript's. Raises ProtocolError where they differ."""
        while len(self._expected) < len(data) and self._next_is(_SENT):
            self._expected += self._take()
        if not self._expected.startswith(data):
            raise ProtocolError(
                f"transcript: expected {self._expected!r} from the host. Received: {data!r}."
            )
        self._expected = self._expected[len(data) :]

    def read(self, deadline: Deadline) -> bytes:
        """The transcript's next answer; b"" while it is the host's turn."""
        if self._expected or not self._next_is(_RECEIVED):
            return b""
        return self._take()

    @property
    def is_finished(self) -> bool:
        """Whether all of the transcript has been said."""
        return self._position == len(self._pieces) and not self._expected

    def _next_is(self, direction: str) -> bool:
        return self._position < len(self._pieces) and self._pieces[self._position][0] == direction

    def _take(self) -> bytes:
        self._position += 1
        return self._pieces[self._position - 1][1]


def format_piece(direction: str, data: bytes) -> str:
    """One line of a transcript."""
    text = data.decode("latin-1").encode("unicode_escape").decode("ascii")
    return f"{direction} {text}\n"


def parse_transcript(lines: Iterable[str]) -> list[tuple[str, bytes]]:
    """Direction and bytes of each piece. Raises ConfigError for any other line."""
    pieces = []
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        if not text or text.startswith("#"):
            continue
        try:
            if text[:2] not in (f"{_SENT} ", f"{_RECEIVED} "):
                raise ValueError("it starts with neither '> ' nor '< '")
            data = text[2:].encode("ascii").decode("unicode_escape").encode("latin-1")
        except ValueError as error:
            raise ConfigError(f"Transcript, line {number}: {error}. Received: {text!r}.") from error
        pieces.append((text[0], data))
    return pieces
