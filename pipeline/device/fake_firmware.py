"""The device's end of firmware/PROTOCOL.md in Python, for FakeDevice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from pipeline.device.frames import (
    CRC,
    HEADER,
    MAGIC,
    REPLY_BIT,
    RUN_HEAD,
    UNKNOWN_STACK,
    ErrorCode,
    Frame,
    FrameType,
    decode_frame,
    encode_frame,
)
from pipeline.errors import ProtocolError

FRAME_SILENCE_S = 0.5
DROP_SILENCE_S = 0.05
LINE_BYTES = 80
MAX_ITERATIONS = 100_000

_HEX_DIGITS = set("0123456789abcdefABCDEF")
_VERBS = ("name", "profile", "timestamp", "help", "info", "db", "infer", "results")


class Crash(Exception):
    """Raised by a fake's model to make the device crash: it says where, and restarts."""


class _TextError(Exception):
    """A text command that is answered with `e-[<message>]`."""


class FakeFirmware:
    """A protocol server without a clock: `feed` it bytes, let it `pass_time`.

    In text its outputs are int8 probabilities: scale 1/256, zero point -128.

    Args:
        model: outputs' raw bytes from inputs' raw bytes.
        input_bytes, output_bytes: of each input and output.
        facts: further entries of `info`.
        ticks: of every inference and each of its layers, or what gives the next one's.
        microseconds: since the start of the device, for `timestamp`.
        stack_peak_bytes: of every inference.
    """

    def __init__(
        self,
        model: Callable[[bytes], bytes],
        *,
        input_bytes: tuple[int, ...],
        output_bytes: tuple[int, ...],
        facts: Mapping[str, object],
        ticks: int | Callable[[], int],
        microseconds: Callable[[], int] = lambda: 0,
        stack_peak_bytes: int = UNKNOWN_STACK,
    ) -> None:
        self._model = model
        self._input_bytes = sum(input_bytes)
        self._ticks = ticks if callable(ticks) else lambda: ticks
        self._microseconds = microseconds
        self._stack_peak_bytes = stack_peak_bytes
        self._info: dict[str, object] = {
            "protocol": 1,
            "build_id": "0" * 16,
            "model_sha256": "0" * 64,
            "engine": "fake",
            "board": "fake",
            "arena_bytes": 1024,
            "inputs": list(input_bytes),
            "outputs": list(output_bytes),
            "layers": 2,
            "clock": "host",
            "ticks_per_second": 1_000_000,
            "free_heap_bytes": None,
            "reset_reason": "power-on",
            "status": "ok",
            **facts,
        }
        self.boot()

    def boot(self) -> bytes:
        """Forget everything; the boot message."""
        self._line = bytearray()
        self._frame = bytearray()
        self._too_long = False
        self._dropping = False
        self._silence_s = 0.0
        self._expected_bytes = 0
        self._loaded = b""
        self._input: bytes | None = None
        self._output = b""
        status = self._info["status"]
        failure = [] if status == "ok" else [f"e-[{status}]"]
        return _lines(
            "m-timestamp-mode-performance",
            f"m-lap-us-{self._microseconds()}",
            *failure,
            "m-init-done",
            "m-ready",
        )

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the line; what is said in reply."""
        self._silence_s = 0.0
        try:
            return b"".join(
                self._take(data[position : position + 1]) for position in range(len(data))
            )
        except Crash as crash:
            return _lines("", f"e-[hard fault at {crash}]") + self.boot()

    def pass_time(self, seconds: float) -> bytes:
        """Let the line be silent; what is said in the meantime."""
        self._silence_s += seconds
        if self._dropping and self._silence_s >= DROP_SILENCE_S:
            self._dropping = False
        if not self._frame or self._silence_s < FRAME_SILENCE_S:
            return b""
        sequence = self._frame[3] if len(self._frame) > 3 else 0
        had_magic = self._frame.startswith(MAGIC)
        self._frame.clear()
        if had_magic:
            return _error(sequence, ErrorCode.INCOMPLETE, "frame incomplete")
        return _lines("e-[Unknown command: ]", "m-ready")

    def _take(self, byte: bytes) -> bytes:
        if self._dropping:
            return b""
        if self._frame:
            return self._take_frame_byte(byte)
        if byte == MAGIC[:1]:
            # No command contains this byte: what stood before it of a line is dropped.
            self._line.clear()
            self._too_long = False
            self._frame += byte
            return b""
        if byte in b"\r\n":
            return b""
        if byte == b"%":
            return self._take_line()
        if len(self._line) < LINE_BYTES:
            self._line += byte
        else:
            self._too_long = True
        return b""

    def _take_line(self) -> bytes:
        line = self._line.decode("ascii", errors="replace")
        too_long = self._too_long
        self._line.clear()
        self._too_long = False
        replies = ["e-[Command too long]"] if too_long else self._command(line)
        return _lines(*replies, "m-ready")

    # --- frames ---

    def _take_frame_byte(self, byte: bytes) -> bytes:
        frame = self._frame
        frame += byte
        if len(frame) == len(MAGIC) and frame != MAGIC:
            frame.clear()
            return _lines("e-[Unknown command: ]", "m-ready") + self._take(byte)
        if len(frame) < HEADER.size:
            return b""
        _, kind, sequence, length = HEADER.unpack_from(frame)
        if len(frame) == HEADER.size:
            expected = {
                FrameType.RUN: self._input_bytes,
                FrameType.LAYERS: self._input_bytes,
                FrameType.INFO: 0,
            }.get(kind)
            if expected is None:
                return self._refuse(sequence, ErrorCode.TYPE, "unknown type")
            if length != expected:
                return self._refuse(
                    sequence, ErrorCode.LENGTH, "length is not what this type takes"
                )
            if kind != FrameType.INFO:
                # There is memory for one input only; a frame that fails leaves none.
                self._input, self._expected_bytes = None, 0
        if len(frame) < HEADER.size + length + CRC.size:
            return b""
        data = bytes(frame)
        frame.clear()
        try:
            return self._serve(decode_frame(data))
        except ProtocolError:
            return _error(sequence, ErrorCode.CRC, "CRC wrong")

    def _refuse(self, sequence: int, code: ErrorCode, message: str) -> bytes:
        self._frame.clear()
        self._dropping = True
        return _error(sequence, code, message)

    def _serve(self, request: Frame) -> bytes:
        if request.type == FrameType.INFO:
            payload = self._info_json().encode()
        else:
            try:
                self._infer(request.payload)
            except RuntimeError as error:
                return _error(request.sequence, ErrorCode.ENGINE, str(error))
            if request.type == FrameType.RUN:
                head = RUN_HEAD.pack(self._ticks(), self._stack_peak_bytes)
                payload = head + self._output
            else:
                layers = self._info["layers"]
                assert isinstance(layers, int)
                payload = layers.to_bytes(4, "little") + layers * self._ticks().to_bytes(
                    8, "little"
                )
        return encode_frame(
            Frame(type=request.type | REPLY_BIT, sequence=request.sequence, payload=payload)
        )

    def _infer(self, inputs: bytes) -> None:
        if self._info["status"] != "ok":
            raise RuntimeError(self._info["status"])
        self._input, self._output = inputs, b""
        self._output = self._model(inputs)

    def _info_json(self) -> str:
        return json.dumps(self._info, separators=(",", ":"))

    # --- text ---

    def _command(self, line: str) -> list[str]:
        verb, *words = line.split() or [""]
        try:
            match verb:
                case "":
                    return []
                case "name":
                    return ["m-name-dut-[espalier]"]
                case "profile":
                    return ["m-profile-[ULPMark for tinyML Firmware V0.0.1]", "m-model-[fake]"]
                case "timestamp":
                    return [f"m-lap-us-{self._microseconds()}"]
                case "help":
                    return [f"m-{name}" for name in _VERBS]
                case "info":
                    return [f"m-info-{self._info_json()}"]
                case "results":
                    return [self._results()]
                case "db":
                    return self._db(words)
                case "infer":
                    return self._infer_text(words)
        except _TextError as error:
            return [f"e-[{error}]"]
        return [f"e-[Unknown command: {_quoted(verb)}]"]

    def _db(self, words: list[str]) -> list[str]:
        match words:
            case ["load", *rest]:
                size = rest[0] if rest else ""
                if not size.isdecimal() or int(size) != self._input_bytes:
                    raise _TextError(
                        f"db load takes {self._input_bytes} bytes, the whole input. "
                        f"Received: {_quoted(size)}"
                    )
                self._input, self._loaded, self._expected_bytes = None, b"", int(size)
                return [f"m-[Expecting {size} bytes]"]
            case ["print", *_]:
                data = self._loaded if self._input is None else self._input
                if not data:
                    raise _TextError("No input loaded")
                rows = [data[start : start + 8] for start in range(0, len(data), 8)]
                return [f"m-buffer-{row.hex('-')}" for row in rows]
        return self._db_bytes(words[0] if words else "")

    def _db_bytes(self, digits: str) -> list[str]:
        if not self._expected_bytes:
            raise _TextError("db load N comes first")
        if len(digits) % 2 or not digits:
            raise _TextError("Insufficent number of hex digits")
        if len(self._loaded) + len(digits) // 2 > self._expected_bytes:
            raise _TextError("More bytes than db load announced")
        for start in range(0, len(digits), 2):
            pair = digits[start : start + 2]
            if not set(pair) <= _HEX_DIGITS:
                raise _TextError(f"Invalid hex digit '{_quoted(pair)}'")
        self._loaded += bytes.fromhex(digits)
        if len(self._loaded) < self._expected_bytes:
            return []
        self._input, self._loaded, self._expected_bytes = self._loaded, b"", 0
        return ["m-load-done"]

    def _infer_text(self, words: list[str]) -> list[str]:
        count, warmup = [*words, "1", "10"][:2] if not words else [*words, "10"][:2]
        if not count.isdecimal() or int(count) == 0:
            raise _TextError("Inference iterations must be >0")
        if not warmup.isdecimal():
            raise _TextError("Inference warmup must be >=0")
        if max(int(count), int(warmup)) > MAX_ITERATIONS:
            raise _TextError(f"Inference iterations and warmup must be <={MAX_ITERATIONS}")
        if self._input is None:
            raise _TextError("No input loaded")
        try:
            self._infer(self._input)
        except RuntimeError as error:
            return [f"m-warmup-start-{int(warmup)}", f"e-[{error}]"]
        return [
            f"m-warmup-start-{int(warmup)}",
            "m-warmup-done",
            f"m-infer-start-{int(count)}",
            "m-lap-us-0",
            f"m-lap-us-{int(count) * self._ticks()}",
            "m-infer-done",
            self._results(),
        ]

    def _results(self) -> str:
        if not self._output:
            raise _TextError("No inference done")
        # As a softmax has it: scale 1/256, zero point -128.
        values = ((int.from_bytes([byte], signed=True) + 128) / 256 for byte in self._output)
        return f"m-results-[{','.join(f'{value:.3f}' for value in values)}]"


def _quoted(text: str) -> str:
    """Text from the line as a reply may repeat it."""
    return "".join(c if c.isascii() and c.isprintable() and c not in '"\\[]' else "?" for c in text)


def _lines(*texts: str) -> bytes:
    return "".join(f"{text}\r\n" for text in texts).encode()


def _error(sequence: int, code: ErrorCode, message: str) -> bytes:
    payload = bytes([code]) + message.encode()
    return encode_frame(Frame(type=FrameType.ERROR, sequence=sequence, payload=payload))
