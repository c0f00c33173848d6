"""A measurement on a real board: latency, and the board's clock against this computer's."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.device.base import Device
from pipeline.device.info import DeviceInfo
from pipeline.device.protocol import Client, RunReply
from pipeline.errors import ProtocolError
from pipeline.measure.session import (
    check_identity,
    check_layers,
    check_sizes,
    count_samples,
    sample_rows,
    split_outputs,
    tick_size,
)
from pipeline.measure.statistics import ClockReading, compare_clocks, narrowest, spread
from pipeline.records import (
    Array,
    Board,
    BoardMeasurement,
    ClockCheck,
    InputSet,
    Measurement,
)

# Clocks are compared over at least so long: a look at the board's takes a few milliseconds.
CLOCK_CHECK_S = 1.0
_CLOCK_LOOKS = 5
# A device's clock that is faster than the host's by more than this makes every figure wrong. A
# crystal is off by 0.01 % at most, a chip's own oscillator by a few percent.
MAX_FAST_PERCENT = 2.0

# Ports behind which emulators speak.
_NO_HARDWARE = ("socket://", "/dev/pts/")

_LAYER_RUNS = 5
_LAP = "m-lap-us-"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostClock:
    """This computer's clock, in seconds; tests have another."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def measure_board(
    device: Device,
    client: Client,
    board: Board,
    inputs: InputSet,
    expected: Sequence[Array],
    *,
    port: str,
    model_sha256: str,
    timed: int = 100,
    warmup: int = 10,
    on_progress: Callable[[int, int], None] | None = None,
    host: HostClock | None = None,
) -> BoardMeasurement:
    """Run inputs on a board that a client is in step with.

    After `warmup` inferences of the first input, the inputs are gone round until each was inferred
    and there are `timed` inferences. All are compared with the reference. The layers are timed
    in a few inferences more; each one's ticks are their median.

    Args:
        device, client: open, and connected.
        board: what the device should be.
        inputs: at least one sample; one array per model input.
        expected: the reference's outputs, [samples, *shape without batch] each, in the dtype
            that the device's bytes have.
        port: where the device is, for the record.
        model_sha256: of the .tflite.
        timed: how many inferences to time, the first ones.
        warmup: inferences before them.
        on_progress: called with (inferences done, inferences in all).
        host: the clock to compare with.

    Raises:
        DeviceError: another firmware runs on the device, its engine failed, or it is gone.
        DeviceTimeout, ProtocolError: it does not answer, or not as the protocol has it; it
            restarted on the way; its clock claims more time than has passed.
        ConfigError: there are no inputs, or `timed` is not positive.
    """
    samples = count_samples(inputs, timed, warmup)
    host = host or HostClock()
    info = client.info()
    check_identity(device, info, {"board": board.name, "model_sha256": model_sha256})
    check_sizes(device, info, inputs, expected)

    rows = sample_rows(inputs.x)
    for _ in range(warmup):
        client.run(rows[0])
    first, restarts = look_at_clock(client, host), client.restarts
    inferences = max(timed, samples)
    replies, round_trip_s = _infer(client, host, rows, inferences, on_progress)
    layer_ticks = _median_layers(device, client, info, rows[0])
    # The interval is from after the first look to before the last.
    host.sleep(max(0.0, CLOCK_CHECK_S - (host.now() - first.answered_s)))
    last, after = look_at_clock(client, host), client.info()
    _check_same_start(port, (first, last), client.restarts - restarts, after)

    clock = tick_unit(board, info, port)
    check: ClockCheck | None = None
    if clock != "instructions":
        check = compare_clocks(first, last)
        _check_fast(port, info, check)
        _check_round_trips(port, info, replies, round_trip_s)
    outputs, mismatches = _compare(device, replies, expected)
    stacks = [reply.stack_peak_bytes for reply in replies if reply.stack_peak_bytes is not None]
    unit = tick_size(board, clock)
    ticks = tuple(reply.ticks * unit for reply in replies[:timed])
    return BoardMeasurement(
        measurement=Measurement(
            build_id=info.build_id,
            device=device.kind,
            clock=clock,
            ticks_per_second=info.ticks_per_second,
            warmup=warmup,
            ticks=ticks,
            layer_ticks=tuple(ticks * unit for ticks in layer_ticks),
            mismatches=mismatches,
            stack_peak_bytes=max(stacks, default=None),
            arena_bytes=info.arena_bytes,
            outputs=outputs,
        ),
        ticks=spread(ticks),
        port=port,
        board=info.board,
        engine=info.engine,
        model_sha256=info.model_sha256,
        inferences=inferences,
        round_trip_us=spread([round(1e6 * seconds) for seconds in round_trip_s[:timed]]),
        clock_check=check,
        free_heap_bytes=after.free_heap_bytes,
        reset_reason=info.reset_reason,
    )


def tick_unit(board: Board, info: DeviceInfo, port: str) -> str:
    """What a device's ticks are, as `Measurement.clock` has it.

    What is on a port may be an emulator. Some firmwares know; one that is the board's very image
    does not, but then its port is no hardware.
    """
    if info.clock == "host":
        return "host"
    if info.clock == "virtual-time" or (board.emulators and port.startswith(_NO_HARDWARE)):
        return "instructions"
    return board.clock


def _infer(
    client: Client,
    host: HostClock,
    rows: Sequence[bytes],
    inferences: int,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[list[RunReply], list[float]]:
    """Go round the inputs; replies, and how long the host waited for each, in seconds."""
    replies: list[RunReply] = []
    round_trip_s: list[float] = []
    for number in range(inferences):
        asked_s = host.now()
        replies.append(client.run(rows[number % len(rows)]))
        round_trip_s.append(host.now() - asked_s)
        if on_progress is not None:
            on_progress(number + 1, inferences)
    return replies, round_trip_s


def look_at_clock(client: Client, host: HostClock) -> ClockReading:
    """The board's clock, from the fastest of a few answers.

    Raises:
        ProtocolError: the answer is no time.
        DeviceTimeout, DeviceError: no answer.
    """
    readings = []
    for _ in range(_CLOCK_LOOKS):
        asked_s = host.now()
        lines = client.text("timestamp")
        answered_s = host.now()
        if len(lines) != 1 or not lines[0].removeprefix(_LAP).isdecimal():
            raise ProtocolError(
                f"timestamp: expected one line '{_LAP}' and microseconds. Received: {lines!r}. "
                "Build and flash the firmware of this checkout."
            )
        readings.append(
            ClockReading(
                asked_s=asked_s,
                answered_s=answered_s,
                device_us=int(lines[0].removeprefix(_LAP)),
            )
        )
    return narrowest(readings)


def _median_layers(
    device: Device, client: Client, info: DeviceInfo, inputs: bytes
) -> tuple[int, ...]:
    """Each layer's ticks: a median, because interrupts of a real board hit one layer or another."""
    runs = [client.layers(inputs) for _ in range(_LAYER_RUNS)]
    for ticks in runs:
        check_layers(device, info, ticks)
    return tuple(statistics.median_low(layer) for layer in zip(*runs, strict=True))


def _check_same_start(
    port: str, readings: tuple[ClockReading, ClockReading], restarts: int, info: DeviceInfo
) -> None:
    """A board that restarts is asked again by the client, and would seem to have gone on."""
    first, last = readings
    if restarts or last.device_us < first.device_us:
        raise ProtocolError(
            f"{port}: the board restarted during the measurement (reset reason: "
            f"{info.reset_reason}). Expected a clock that goes on. Received: "
            f"{first.device_us} us before, {last.device_us} us after the inferences. Look at its "
            "power supply and its stack, then measure again."
        )


def _check_fast(port: str, info: DeviceInfo, check: ClockCheck) -> None:
    if check.fast_percent > MAX_FAST_PERCENT:
        raise ProtocolError(
            f"{port}: the board's clock must not run ahead of this computer's by more than "
            f"{MAX_FAST_PERCENT:g} %. Received: {check.device_s:.3f} s on the board in "
            f"{check.host_s:.3f} s, {check.drift_percent:+.2f} %. Its timer does not tick at the "
            f"{info.ticks_per_second:,} Hz that the port claims: correct port_ticks_per_second."
        )


def _check_round_trips(
    port: str, info: DeviceInfo, replies: Sequence[RunReply], round_trip_s: Sequence[float]
) -> None:
    """No inference takes longer on the device than its host waited for the answer."""
    for number, (reply, seen_s) in enumerate(zip(replies, round_trip_s, strict=True)):
        claimed_s = reply.ticks / info.ticks_per_second
        if claimed_s > seen_s * (1 + MAX_FAST_PERCENT / 100):
            raise ProtocolError(
                f"{port}: inference {number} took {seen_s:.6f} s from request to reply. Expected "
                f"less on the board. Received: {reply.ticks:,} ticks of "
                f"{info.ticks_per_second:,} Hz, which are {claimed_s:.6f} s. Its timer does not "
                "tick at that rate: correct port_ticks_per_second."
            )


def _compare(
    device: Device, replies: Sequence[RunReply], expected: Sequence[Array]
) -> tuple[tuple[Array, ...], int]:
    """The outputs of the first round, and how many inputs were ever inferred wrongly."""
    samples = len(expected[0])
    wanted = sample_rows(expected)
    outputs = split_outputs(device, [reply.outputs for reply in replies[:samples]], expected)
    wrong = {
        number % samples
        for number, reply in enumerate(replies)
        if reply.outputs != wanted[number % samples]
    }
    return outputs, len(wrong)
