"""What a firmware says about itself: the JSON of the protocol's `info`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypeVar

from pipeline.errors import ProtocolError

PROTOCOL_VERSION = 1
RESET_REASONS = ("power-on", "pin", "software", "watchdog", "brownout", "crash", "unknown")

_Scalar = TypeVar("_Scalar", int, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInfo:
    """What a firmware says about itself, under the names of the `info` command.

    Attributes:
        protocol: version of the protocol.
        build_id, model_sha256: lower-case hex, 16 and 64 digits.
        engine, board: names.
        arena_bytes: size of the tensor arena.
        inputs, outputs: bytes of each.
        layers: how many.
        clock: "cycle-counter", "virtual-time" or "host".
        ticks_per_second: of the device's timer.
        free_heap_bytes: what the heap could still hand out; None where there is none.
        reset_reason: why the device started last; one of RESET_REASONS.
        status: "ok", or why the engine did not start.
    """

    protocol: int
    build_id: str
    model_sha256: str
    engine: str
    board: str
    arena_bytes: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    layers: int
    clock: str
    ticks_per_second: int
    free_heap_bytes: int | None
    reset_reason: str
    status: str


def parse_info(text: str) -> DeviceInfo:
    """Read the JSON of `info`, strictly.

    Raises:
        ProtocolError: no JSON object, another version, or a key missing or ill-typed.
    """
    try:
        facts = json.loads(text)
    except json.JSONDecodeError as error:
        raise ProtocolError(f"info: expected a JSON object. Received: {text[:200]!r}.") from error
    if not isinstance(facts, dict):
        raise ProtocolError(f"info: expected a JSON object. Received: {text[:200]!r}.")
    version = _field(facts, "protocol", int)
    if version != PROTOCOL_VERSION:
        raise ProtocolError(
            f"info: this pipeline speaks version {PROTOCOL_VERSION} of the protocol. Received: "
            f"{version}. Build and flash the firmware of this checkout."
        )
    return DeviceInfo(
        protocol=version,
        build_id=_field(facts, "build_id", str),
        model_sha256=_field(facts, "model_sha256", str),
        engine=_field(facts, "engine", str),
        board=_field(facts, "board", str),
        arena_bytes=_field(facts, "arena_bytes", int),
        inputs=_sizes(facts, "inputs"),
        outputs=_sizes(facts, "outputs"),
        layers=_field(facts, "layers", int),
        clock=_field(facts, "clock", str),
        ticks_per_second=_field(facts, "ticks_per_second", int),
        free_heap_bytes=_free_heap(facts),
        reset_reason=_reset_reason(facts),
        status=_field(facts, "status", str),
    )


def _field(facts: dict[str, object], key: str, kind: type[_Scalar]) -> _Scalar:
    value = facts.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ProtocolError(
            f"info: '{key}' must be of type {kind.__name__}. Received: {value!r}. "
            "Build and flash the firmware of this checkout."
        )
    return value


def _free_heap(facts: dict[str, object]) -> int | None:
    if "free_heap_bytes" in facts and facts["free_heap_bytes"] is None:
        return None
    return _field(facts, "free_heap_bytes", int)


def _reset_reason(facts: dict[str, object]) -> str:
    reason = _field(facts, "reset_reason", str)
    if reason not in RESET_REASONS:
        raise ProtocolError(
            f"info: 'reset_reason' must be one of {', '.join(RESET_REASONS)}. Received: "
            f"{reason!r}. Build and flash the firmware of this checkout."
        )
    return reason


def _sizes(facts: dict[str, object], key: str) -> tuple[int, ...]:
    value = facts.get(key)
    if not isinstance(value, list) or not all(type(size) is int for size in value):
        raise ProtocolError(
            f"info: '{key}' must be a list of sizes in bytes. Received: {value!r}. "
            "Build and flash the firmware of this checkout."
        )
    return tuple(value)
