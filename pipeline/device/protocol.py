"""The host's end of firmware/PROTOCOL.md: asks a device, and mends what a line can break."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from pipeline.device.base import Deadline, Device
from pipeline.device.frames import (
    REPLY_BIT,
    RUN_HEAD,
    UNKNOWN_STACK,
    Damaged,
    ErrorCode,
    Frame,
    FrameType,
    Item,
    Line,
    StreamParser,
    encode_frame,
)
from pipeline.device.info import DeviceInfo, parse_info
from pipeline.errors import DeviceError, DeviceTimeout, ProtocolError

# How often a request is sent before its last failure is the user's problem.
ATTEMPTS = 4

# Of what a device says for ever, so many bytes are shown.
_SHOWN_BYTES = 40

_READY = "m-ready"
_BOOTED = "m-init-done"
_NAME = "m-name-dut-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long the client waits, in seconds.

    Attributes:
        banner_s: for the boot message, before the device is taken to be up already.
        reply_s: for the answer to a command that computes nothing.
        run_s: for one inference, or all iterations of an `infer` command.
        gap_s: for the rest of a reply that has begun; longer than any pause of a healthy device.
        quiet_s: of silence, after which nothing more of an old reply is coming.
        probes_s: for the answer to each attempt to get back in step. The pauses grow, because
            half a frame is given up by the device only after 500 ms of its own time, which on
            an emulator may be many seconds.
    """

    banner_s: float = 2.0
    reply_s: float = 10.0
    run_s: float = 180.0
    gap_s: float = 3.0
    quiet_s: float = 0.1
    probes_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReply:
    """One inference: device ticks, deepest stack (None: unknown), all outputs' raw bytes."""

    ticks: int
    stack_peak_bytes: int | None
    outputs: bytes


class _Damage(Exception):
    """A request or its reply was damaged on the line: send it again."""


class _Restart(Exception):
    """The device booted while it should have answered; says why, if the device did."""


class Client:
    """Talks to an open device.

    Requests that the line damaged are sent again, ATTEMPTS times in all; sequence numbers keep
    the reply to an earlier attempt from being taken for the present one's. If the device restarts
    in the middle, the request is repeated once.
    """

    def __init__(self, device: Device, timeouts: Timeouts | None = None) -> None:
        self.restarts = 0
        self._device = device
        self._timeouts = timeouts or Timeouts()
        self._parser = StreamParser()
        self._items: deque[Item] = deque()
        self._sequence = 0
        # The deadline after which a last look at the line was taken.
        self._spent: Deadline | None = None
        # The newest item, for messages: what the device did say when it did not say what it should.
        self._last = "nothing"

    def connect(self) -> None:
        """Wait for the boot message, or get in step with a device that is up already.

        Raises:
            DeviceTimeout: nothing that speaks the protocol answers.
            DeviceError: the device is gone.
        """
        deadline = Deadline(self._timeouts.banner_s)
        booted = False
        while (item := self._next(deadline)) is not None:
            if isinstance(item, Line):
                booted |= item.text == _BOOTED
                if booted and item.text == _READY:
                    return
        self._synchronise()

    def info(self) -> DeviceInfo:
        """Ask the firmware who it is.

        Raises:
            ProtocolError: the answer is no `info` of this protocol's version.
            DeviceTimeout, DeviceError: no answer.
        """
        payload = self._request(FrameType.INFO, b"", self._timeouts.reply_s)
        return parse_info(payload.decode("utf-8", errors="replace"))

    def run(self, inputs: bytes) -> RunReply:
        """Infer once, from all inputs' raw bytes, one after the other.

        Raises:
            DeviceError: the engine failed, or the device is gone.
            DeviceTimeout, ProtocolError: no answer, or none that could be understood.
        """
        payload = self._request(FrameType.RUN, inputs, self._timeouts.run_s)
        if len(payload) < RUN_HEAD.size:
            raise ProtocolError(
                f"{self._device.kind}: a RUN reply has at least {RUN_HEAD.size} bytes. "
                f"Received: {len(payload)}. Build and flash the firmware of this checkout."
            )
        ticks, stack = RUN_HEAD.unpack_from(payload)
        return RunReply(
            ticks=ticks,
            stack_peak_bytes=None if stack == UNKNOWN_STACK else stack,
            outputs=payload[RUN_HEAD.size :],
        )

    def layers(self, inputs: bytes) -> tuple[int, ...]:
        """Infer once; ticks of each layer. Raises as `run` does."""
        payload = self._request(FrameType.LAYERS, inputs, self._timeouts.run_s)
        count = int.from_bytes(payload[:4], "little")
        if len(payload) != 4 + 8 * count:
            raise ProtocolError(
                f"{self._device.kind}: a LAYERS reply for {count} layers has {4 + 8 * count} "
                f"bytes. Received: {len(payload)}. Build and flash the firmware of this checkout."
            )
        return struct.unpack_from(f"<{count}Q", payload, 4)

    def text(self, command: str, timeout_s: float | None = None) -> tuple[str, ...]:
        """Send a text command, without its `%`; the lines of its reply before `m-ready`.

        Args:
            command: one of the protocol's commands, ASCII.
            timeout_s: for the whole reply; the reply_s of the client's timeouts by default.

        Raises:
            ProtocolError: the reply was damaged, or the device keeps restarting.
            DeviceTimeout, DeviceError: no reply.
        """
        seconds = self._timeouts.reply_s if timeout_s is None else timeout_s
        for _ in range(2):
            self._forget()
            self._device.write(command.encode("ascii") + b"%")
            try:
                return self._lines_until_ready(command, Deadline(seconds))
            except _Restart as restart:
                reason = str(restart)
            except _Damage as error:
                self._synchronise()
                raise ProtocolError(
                    f"{self._device.kind}: the reply to '{command}' was damaged: {error}. "
                    "Send the command again."
                ) from error
        raise self._restarts(f"'{command}'", reason)

    def _lines_until_ready(self, command: str, deadline: Deadline) -> tuple[str, ...]:
        lines: list[str] = []
        while (item := self._next(deadline)) is not None:
            if isinstance(item, Damaged):
                raise _Damage(item.reason)
            if not isinstance(item, Line):
                continue
            if item.text == _READY:
                if _BOOTED in lines:
                    self.restarts += 1
                    raise _Restart(" ".join(line for line in lines if line.startswith("e-[")))
                return tuple(lines)
            lines.append(item.text)
        raise DeviceTimeout(
            f"{self._device.kind}: '{command}' must be answered up to '{_READY}' within "
            f"{deadline.seconds:g} s. Received: {self._last}. Reset the device and try again."
        )

    def _request(self, kind: FrameType, payload: bytes, seconds: float) -> bytes:
        """Send a frame until it is answered; the payload of the reply."""
        reason = ""
        restarts = 0
        lost = False
        for _ in range(ATTEMPTS):
            self._forget()
            self._sequence = (self._sequence + 1) & 0xFF
            self._device.write(
                encode_frame(Frame(type=kind, sequence=self._sequence, payload=payload))
            )
            try:
                return self._reply(kind, Deadline(seconds))
            except _Damage as error:
                reason = str(error)
                self._synchronise()
            except _Restart as restart:
                restarts += 1
                if restarts > 1:
                    raise self._restarts(f"a {kind.name} request", str(restart)) from None
            except DeviceTimeout:
                # Either the request or its reply was lost as a whole, or the device hangs:
                # one that is alive still answers, and is asked again once.
                if lost:
                    raise
                lost = True
                self._synchronise()
        raise ProtocolError(
            f"{self._device.kind}: a {kind.name} request failed {ATTEMPTS} times. Expected a reply "
            f"of type {kind | REPLY_BIT:02X}. Received: {reason}. Check the line (cable, baud "
            "rate), and that the firmware is the one of this checkout."
        )

    def _reply(self, kind: FrameType, deadline: Deadline) -> bytes:
        """Wait for the reply to the last request; its payload."""
        booted = False
        # What went wrong so far: the reply was damaged, the device took bytes of the frame for a
        # command, or it crashed. What follows within gap_s tells which.
        trouble = ""
        request = deadline
        while (item := self._next(deadline)) is not None:
            is_complaint = isinstance(item, Line) and item.text.startswith("e-[")
            if isinstance(item, Damaged) or is_complaint:
                if is_complaint or not trouble:
                    trouble = self._last
                if deadline is request:
                    deadline = Deadline(min(request.remaining_s, self._timeouts.gap_s))
            elif isinstance(item, Line):
                booted |= item.text == _BOOTED
                if item.text == _READY and booted:
                    self.restarts += 1
                    raise _Restart(trouble)
                if item.text == _READY and trouble:
                    raise _Damage(trouble)
            elif item.type == FrameType.ERROR:
                self._raise_error(item)
            elif item.sequence == self._sequence and item.type == kind | REPLY_BIT:
                return item.payload
        if trouble:
            raise _Damage(trouble)
        raise DeviceTimeout(
            f"{self._device.kind}: a {kind.name} request must be answered within "
            f"{deadline.seconds:g} s. Received: {self._last}. Reset the device; if the model is "
            "very slow on it, allow more time."
        )

    def _raise_error(self, frame: Frame) -> None:
        """Raise what an ERROR frame means; return if it answers another request."""
        code = frame.payload[0] if frame.payload else 0
        message = frame.payload[1:].decode("ascii", errors="backslashreplace")
        if code == ErrorCode.ENGINE:
            if frame.sequence == self._sequence:
                raise DeviceError(
                    f"{self._device.kind}: the engine failed on the device: {message}. "
                    "Build and flash the firmware again."
                )
            return
        # Codes 3 and 4 may also come from a damaged header, hence another attempt. The sequence
        # number itself may be what was damaged: any of these errors means the present request.
        raise _Damage(f"error {code} from the device: {message}")

    def _synchronise(self) -> None:
        """Get in step: after this, the device waits for a command and nothing is under way."""
        waited = 0.0
        for seconds in self._timeouts.probes_s:
            self._drain()
            # The first % ends whatever text the device may hold.
            self._device.write(b"%name%")
            deadline = Deadline(seconds)
            waited += seconds
            named = False
            while (item := self._next(deadline)) is not None:
                if isinstance(item, Line):
                    named |= item.text.startswith(_NAME)
                    if named and item.text == _READY:
                        return
        raise DeviceTimeout(
            f"{self._device.kind}: no answer to 'name' in {waited:g} s. Expected '{_NAME}[...]' "
            f"and '{_READY}'. Received: {self._last}. Check that the board runs Espalier's "
            "firmware and reset it, or flash it again."
        )

    def _next(self, deadline: Deadline) -> Item | None:
        """The next item, or None at the deadline.

        A device may return b"" before the deadline has passed on this machine's clock: an
        emulator's idle time passes faster. So b"" is the deadline. After it what has arrived by
        then is read, and once only: a device may never stop talking.
        """
        while not self._items:
            if deadline is self._spent:
                return None
            if deadline.expired:
                self._spent = deadline
            gap_s = self._timeouts.gap_s
            in_gap = self._parser.pending > 0 and gap_s < deadline.remaining_s
            data = self._device.read(Deadline(gap_s) if in_gap else deadline)
            if data:
                self._items.extend(self._parser.feed(data))
            elif self._parser.pending:
                self._items.extend(self._parser.abandon())
            else:
                return None
        item = self._items.popleft()
        self._last = _describe(item)
        return item

    def _drain(self) -> None:
        """Read and drop until the line is silent. Raises DeviceTimeout if it never is."""
        deadline = Deadline(self._timeouts.reply_s)
        while data := self._device.read(Deadline(self._timeouts.quiet_s)):
            if deadline.expired:
                raise DeviceTimeout(
                    f"{self._device.kind}: the line is never silent: expected {_READY} and then a "
                    f"pause within {deadline.seconds:g} s. Received: {data[-_SHOWN_BYTES:]!r} and "
                    "more. Check that the board runs Espalier's firmware and restarts no more, "
                    "and the baud rate."
                )
        self._forget()

    def _forget(self) -> None:
        self._parser.abandon()
        self._items.clear()

    def _restarts(self, request: str, reason: str) -> ProtocolError:
        return ProtocolError(
            f"{self._device.kind}: the device restarted twice while it should have answered "
            f"{request}. Expected a reply. Received: {reason + ' and ' if reason else ''}its boot "
            "message. The firmware crashes: look at its stack and RAM sizes, and at the power "
            "supply of a real board."
        )


def _describe(item: Item) -> str:
    if isinstance(item, Line):
        return repr(item.text)
    if isinstance(item, Damaged):
        return item.reason
    return f"a frame of type {item.type:02X}, sequence number {item.sequence}"
