"""A small terminal: shows what a device sends, line by line, and sends what is typed."""

from __future__ import annotations

import contextlib
import os
import select
from collections import deque
from collections.abc import Callable

from pipeline.device.base import Deadline, Device
from pipeline.device.frames import REPLY_BIT, Damaged, Frame, FrameType, Item, Line, StreamParser
from pipeline.device.ports import Port, check_port, find_again, wait_for
from pipeline.device.serial import BAUD_RATE, SerialDevice
from pipeline.errors import DeviceError, DeviceTimeout, ProtocolError
from pipeline.records import Board

# After so much silence what has arrived of a line is shown as it is.
_SILENCE_S = 0.5
# How long a look at the line lasts before the keyboard has its turn.
_TURN_S = 0.05
# A board that restarts when its port is opened has said so by then.
_BANNER_S = 3.0
# For each command of a script; an inference of the largest model on the slowest board ends before.
_REPLY_S = 180.0
_SHOWN_BYTES = 16
_READY = "m-ready"
_BOOTED = "m-init-done"


class TypedLines:
    """Lines from a terminal, a pipe or a file, without waiting for them.

    Args:
        descriptor: open for reading; None is an input that has ended.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._buffer = b""
        self.has_ended = descriptor is None
        self.is_terminal = descriptor is not None and os.isatty(descriptor)

    def take(self) -> list[str]:
        """The lines that have come in; the last one also where its end is missing."""
        descriptor = self._descriptor
        while descriptor is not None and not self.has_ended and _is_readable(descriptor):
            try:
                data = os.read(descriptor, 4096)
            except OSError:
                # The terminal was closed.
                data = b""
            self._buffer += data
            self.has_ended = not data
        *lines, self._buffer = self._buffer.split(b"\n")
        if self.has_ended and self._buffer:
            lines.append(self._buffer)
            self._buffer = b""
        return [line.decode("ascii", errors="replace").strip() for line in lines]


class Monitor:
    """A terminal to a serial port that may go away and come back.

    A person's lines are sent as they come. Those of a script wait until the device has answered
    the line before: it has no room for more than one.

    Args:
        port: where the device is.
        board: what it is, if known.
        typed: what to send.
        show: takes a line of the device.
        note: takes a line about the connection.
        baud_rate: of the line.
    """

    def __init__(
        self,
        port: Port,
        board: Board | None,
        typed: TypedLines,
        *,
        show: Callable[[str], None],
        note: Callable[[str], None],
        baud_rate: int = BAUD_RATE,
    ) -> None:
        self._port = port
        self._board = board
        self._typed = typed
        self._show = show
        self._note = note
        self._baud_rate = baud_rate
        self._queue: deque[str] = deque()
        # Commands of a script that are not answered yet, and how many replies they will have.
        self._asked = ""
        self._open_replies = 0
        self._has_sent = False
        self._has_restarted = self._is_repeated = False
        self._lost = ""

    def run(self, seconds: float | None = None) -> None:
        """Go on until the time is up, or the script has been answered; for ever without either.

        Args:
            seconds: None is no limit.
        Raises:
            DeviceTimeout: a command of a script was not answered in time.
            ProtocolError: the device keeps restarting instead.
            DeviceError: the port cannot be opened at first, or the device went away while a
                script waited for it.
        """
        end = Deadline(float("inf") if seconds is None else seconds)
        check_port(self._port)
        device = SerialDevice(self._port.path, self._baud_rate)
        device.open()
        while True:
            self._note(f"{self._port}: connected. Ctrl-C ends.")
            try:
                with contextlib.closing(device):
                    self._talk(device, end)
                break
            except DeviceError as error:
                if type(error) is not DeviceError:
                    raise
            self._forget_what_was_asked()
            self._note(f"{self._port.path}: went away; waiting for it to come back")
            returned = self._wait_for_return(end)
            if returned is None:
                break
            device = returned
        if self._lost:
            raise DeviceError(
                f"{self._port.path}: '{self._lost}' must be answered. Received: the port went "
                "away before. Send it again."
            )

    def _talk(self, device: Device, end: Deadline) -> None:
        """Pass lines both ways until the end. Raises DeviceError if the device goes away."""
        parser = StreamParser()
        silence = Deadline(_SILENCE_S)
        settled = Deadline(_BANNER_S)
        reply = Deadline(_REPLY_S)
        while not end.expired and not self._is_done():
            self._queue.extend(self._typed.take())
            is_idle = silence.expired or settled.expired
            if self._queue and (self._typed.is_terminal or (is_idle and not self._open_replies)):
                self._send(device, self._queue.popleft())
                reply = Deadline(_REPLY_S)
            data = device.read(Deadline(min(_TURN_S, end.remaining_s)))
            if data:
                silence = Deadline(_SILENCE_S)
            items = parser.feed(data)
            if parser.pending and silence.expired:
                items += parser.abandon()
            for item in items:
                self._take(item)
            if self._open_replies and reply.expired:
                raise self._unanswered(_REPLY_S)
        if self._open_replies or (self._queue and not self._typed.is_terminal):
            raise self._unanswered(end.seconds)

    def _send(self, device: Device, line: str) -> None:
        command = line if line.endswith("%") else f"{line}%"
        device.write(command.encode("ascii", errors="replace"))
        self._has_sent = True
        if not self._typed.is_terminal:
            self._asked = line
            self._open_replies = command.count("%")

    def _take(self, item: Item) -> None:
        self._show(describe(item))
        if not isinstance(item, Line) or not self._open_replies:
            return
        if item.text == _BOOTED:
            self._has_restarted = True
        elif item.text == _READY and self._has_restarted:
            self._ask_again()
        elif item.text == _READY:
            self._open_replies -= 1
            self._is_repeated = False

    def _ask_again(self) -> None:
        """The device restarted instead of answering, as some do when their port is opened."""
        if self._is_repeated:
            raise ProtocolError(
                f"{self._port.path}: '{self._asked}' must be answered. Received: the device "
                "restarted, twice. The firmware crashes: look at what it says before, and at its "
                "power supply."
            )
        self._has_restarted, self._is_repeated = False, True
        self._open_replies = 0
        self._queue.appendleft(self._asked)

    def _is_done(self) -> bool:
        """Whether a script or a person has come to the end; nothing else ends by itself."""
        has_ended = self._typed.has_ended and (self._has_sent or self._typed.is_terminal)
        return has_ended and not self._queue and not self._open_replies

    def _forget_what_was_asked(self) -> None:
        if self._open_replies:
            self._lost = self._asked
        self._open_replies = 0

    def _wait_for_return(self, end: Deadline) -> SerialDevice | None:
        """Wait for the device under whatever name, and open it; None if the end came before."""
        refusal = ""
        while not end.expired and not (self._typed.is_terminal and self._typed.has_ended):
            self._queue.extend(self._typed.take())
            try:
                found = wait_for(
                    lambda: find_again(self._port, self._board), min(1.0, end.remaining_s)
                )
                if found is not None:
                    device = SerialDevice(found.path, self._baud_rate)
                    device.open()
                    self._port = found
                    return device
            except DeviceError as error:
                # Another program may have it for a while, like an upload.
                if str(error) != refusal:
                    refusal = str(error)
                    self._note(refusal)
        return None

    def _unanswered(self, seconds: float) -> DeviceTimeout:
        command = self._asked if self._open_replies else self._queue[0]
        return DeviceTimeout(
            f"{self._port.path}: '{command}' must be answered up to '{_READY}' within {seconds:g} "
            "s. Received: no such line. Reset the board, or flash it again."
        )


def _is_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def describe(item: Item) -> str:
    """One line for whatever a device sends; nothing in it controls a terminal."""
    if isinstance(item, Line):
        return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in item.text)
    if isinstance(item, Damaged):
        return f"[{item.reason}]"
    return f"[frame: {_describe_frame(item)}]"


def _describe_frame(frame: Frame) -> str:
    number = f"sequence {frame.sequence}"
    if frame.type == FrameType.ERROR:
        code = frame.payload[0] if frame.payload else 0
        text = frame.payload[1:].decode("ascii", errors="backslashreplace")
        return f"ERROR, {number}, code {code}: {text}"
    try:
        kind = f"{FrameType(frame.type & ~REPLY_BIT).name}"
        kind += " reply" if frame.type & REPLY_BIT else ""
    except ValueError:
        kind = f"type {frame.type:02X}"
    if frame.type == FrameType.INFO | REPLY_BIT:
        return f"{kind}, {number}, {frame.payload.decode('ascii', errors='backslashreplace')}"
    more = " ..." if len(frame.payload) > _SHOWN_BYTES else ""
    shown = frame.payload[:_SHOWN_BYTES].hex(" ")
    return f"{kind}, {number}, {len(frame.payload)} bytes: {shown}{more}"
