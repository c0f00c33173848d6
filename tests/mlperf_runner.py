"""MLPerf Tiny's public runner, as far as it talks to a device: what it sends, how it reads replies.

Written from the facts of mlcommons/tiny, benchmark/runner: commands end with `%`, replies are lines
up to `m-ready`, an input goes in pieces of 31 bytes, results are parsed by regular expressions, an
empty value between commas is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.device.base import Deadline, Device

CHUNK_BYTES = 31
INFER_S = 30.0

_READY = "m-ready"
_LAP = re.compile(r"m-lap-us-(\d+)")
_RESULTS = re.compile(r"m-results-\[([^\]]*)\]")
_NAME = re.compile(r"m-name-dut-\[(.*)\]")
_MODEL = re.compile(r"m-model-\[(.*)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What an `infer` command gave: elapsed microseconds, how often, results."""

    elapsed_us: int
    iterations: int
    results: tuple[float, ...]
    result_text: str


class RunnerError(Exception):
    """The device answered what the runner takes for a failure."""


class Runner:
    """The runner's side of a conversation.

    Args:
        device: open.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._received = b""

    def wait(self, seconds: float = 10.0) -> list[str]:
        """Lines up to `m-ready`. Raises RunnerError at an error line, or when it does not come."""
        lines: list[str] = []
        deadline = Deadline(seconds)
        while not lines or lines[-1] != _READY:
            line, found, rest = self._received.partition(b"\r\n")
            if found:
                self._received = rest
                lines.append(line.decode("ascii"))
                continue
            data = self._device.read(deadline)
            if not data:
                raise RunnerError(f"no {_READY} in {seconds:g} s. Received: {lines}")
            self._received += data
        errors = [line for line in lines if line.startswith("e-[")]
        if errors:
            raise RunnerError(errors[0])
        return lines

    def command(self, text: str, seconds: float = 10.0) -> list[str]:
        """Send a command; the lines of its reply."""
        self._device.write(text.encode("ascii") + b"%")
        return self.wait(seconds)

    def name(self) -> str:
        """The device's vendor."""
        return _only(_NAME, self.command("name"))

    def model(self) -> str:
        """The benchmark that it says it runs."""
        return _only(_MODEL, self.command("profile"))

    def timestamp_us(self) -> int:
        """Its clock."""
        return int(_only(_LAP, self.command("timestamp")))

    def load(self, data: bytes) -> int:
        """Send an input; how many commands that took."""
        self.command(f"db load {len(data)}")
        pieces = [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]
        for number, piece in enumerate(pieces, start=1):
            lines = self.command(f"db {piece.hex()}")
            loaded = "m-load-done" in lines
            if loaded != (number == len(pieces)):
                raise RunnerError(f"piece {number} of {len(pieces)} was answered with {lines}")
        return len(pieces)

    def infer(self, iterations: int, warmups: int) -> Inference:
        """Time inferences of the loaded input."""
        lines = self.command(f"infer {iterations} {warmups}", INFER_S)
        begin, end = (int(found[1]) for line in lines if (found := _LAP.fullmatch(line)))
        text = _only(_RESULTS, lines)
        return Inference(
            elapsed_us=end - begin,
            iterations=iterations,
            results=tuple(float(value) for value in text.split(",") if value),
            result_text=text,
        )


def _only(pattern: re.Pattern[str], lines: list[str]) -> str:
    found = [match[1] for line in lines if (match := pattern.fullmatch(line))]
    if len(found) != 1:
        raise RunnerError(f"expected one line {pattern.pattern}. Received: {lines}")
    return found[0]
