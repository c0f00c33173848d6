"""One measurement: a firmware on a device, all inputs, every output against the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pipeline.device.base import Device
from pipeline.device.info import DeviceInfo
from pipeline.device.protocol import Client, RunReply, Timeouts
from pipeline.errors import ConfigError, DeviceError, ProtocolError
from pipeline.records import Array, Board, Firmware, InputSet, Measurement


def measure(
    device: Device,
    board: Board,
    firmware: Firmware,
    inputs: InputSet,
    expected: Sequence[Array],
    *,
    model_sha256: str | None = None,
    timed: int = 10,
    warmup: int = 1,
    timeouts: Timeouts | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Run every input on an open device.

    The first input warms up; the first `timed` inputs are timed, and the layers once with the
    first input; the rest runs without instruction counts where that is faster.

    Args:
        device: open.
        board, firmware: what the device should be.
        inputs: at least one sample; one array per model input.
        expected: the reference's outputs, [samples, *shape without batch] each, in the dtype
            that the device's bytes have.
        model_sha256: of the .tflite; compared with the device's if given.
        timed: how many inferences to time; as many as there are samples if that is fewer.
        warmup: inferences before them.
        timeouts: for the device.
        on_progress: called with (samples done, samples in all).

    Raises:
        DeviceError: another firmware runs on the device, its engine failed, or it is gone.
        DeviceTimeout, ProtocolError: it does not answer, or not as the protocol has it.
        ConfigError: there are no inputs, or `timed` is not positive.
    """
    samples = count_samples(inputs, timed, warmup)
    client = Client(device, timeouts)
    client.connect()
    info = client.info()
    wanted = {"build_id": firmware.build_id, "board": board.name, "engine": firmware.engine}
    if model_sha256 is not None:
        wanted["model_sha256"] = model_sha256
    check_identity(device, info, wanted)
    check_sizes(device, info, inputs, expected)

    device.count_instructions(True)
    rows = sample_rows(inputs.x)
    for _ in range(warmup):
        client.run(rows[0])
    replies: list[RunReply] = []
    layer_ticks: tuple[int, ...] = ()
    for sample, row in enumerate(rows):
        if sample == min(timed, samples - 1):
            # Before the last sample at the latest, while the device still counts.
            layer_ticks = client.layers(rows[0])
        if sample == timed:
            device.count_instructions(False)
        replies.append(client.run(row))
        if on_progress is not None:
            on_progress(sample + 1, samples)
    device.count_instructions(True)
    check_layers(device, info, layer_ticks)

    outputs = split_outputs(device, [reply.outputs for reply in replies], expected)
    stacks = [reply.stack_peak_bytes for reply in replies if reply.stack_peak_bytes is not None]
    clock = device.clock or board.clock
    unit = tick_size(board, clock)
    return Measurement(
        build_id=info.build_id,
        device=device.kind,
        clock=clock,
        ticks_per_second=info.ticks_per_second,
        warmup=warmup,
        ticks=tuple(reply.ticks * unit for reply in replies[:timed]),
        layer_ticks=tuple(ticks * unit for ticks in layer_ticks),
        mismatches=count_mismatches(outputs, expected),
        stack_peak_bytes=max(stacks, default=None),
        arena_bytes=info.arena_bytes,
        outputs=outputs,
    )


def count_samples(inputs: InputSet, timed: int, warmup: int) -> int:
    """How many samples a measurement is of.

    Args:
        inputs: at least one sample.
        timed: inferences to time, at least 1.
        warmup: inferences before them, at least 0.
    Raises:
        ConfigError: any of these is fewer.
    """
    samples = len(inputs.x[0]) if inputs.x else 0
    if samples == 0 or timed < 1 or warmup < 0:
        raise ConfigError(
            "measure: expected at least one sample, one timed inference and a warm-up of 0 or "
            f"more. Received: {samples} samples, timed {timed}, warm-up {warmup}."
        )
    return samples


def tick_size(board: Board, clock: str) -> int:
    """What one tick of a clock counts for: the counter of an emulated core counts instructions."""
    return (board.instructions_per_tick or 1) if clock == "instructions" else 1


def count_mismatches(outputs: Sequence[Array], expected: Sequence[Array]) -> int:
    """Samples where any output differs from the reference in any bit."""
    samples = len(expected[0])
    wrong = np.zeros(samples, dtype=np.bool_)
    for output, reference in zip(outputs, expected, strict=True):
        # As bytes: == would take -0.0 for 0.0 and no NaN for itself.
        got = np.frombuffer(output.tobytes(), np.uint8).reshape(samples, -1)
        want = np.frombuffer(reference.tobytes(), np.uint8).reshape(samples, -1)
        wrong |= (got != want).any(axis=1)
    return int(wrong.sum())


def check_identity(device: Device, info: DeviceInfo, wanted: Mapping[str, str]) -> None:
    """Refuse a device that runs something else, or whose engine did not start.

    Args:
        device, info: what says who it is.
        wanted: names of DeviceInfo's fields, and what they have to be.
    Raises:
        DeviceError: naming the first difference.
    """
    for key, value in wanted.items():
        received = getattr(info, key)
        if received != value:
            raise DeviceError(
                f"{device.kind}: another firmware is running: expected {key} '{value}'. "
                f"Received: '{received}'. Flash the firmware again."
            )
    if info.status != "ok":
        raise DeviceError(
            f"{device.kind}: the engine did not start on the device. Expected status 'ok'. "
            f"Received: '{info.status}'. Build and flash the firmware again."
        )


def check_sizes(
    device: Device, info: DeviceInfo, inputs: InputSet, expected: Sequence[Array]
) -> None:
    """Raise DeviceError unless the device's inputs and outputs are as large as these."""
    for what, sizes, arrays in (
        ("inputs", info.inputs, inputs.x),
        ("outputs", info.outputs, expected),
    ):
        wanted = tuple(array[0].nbytes for array in arrays)
        if sizes != wanted:
            raise DeviceError(
                f"{device.kind}: the model on the device must have {what} of {list(wanted)} "
                f"bytes. Received: {list(sizes)}. Build and flash the firmware of this model."
            )


def check_layers(device: Device, info: DeviceInfo, layer_ticks: Sequence[int]) -> None:
    """Raise ProtocolError unless there are ticks of every layer."""
    if len(layer_ticks) != info.layers:
        raise ProtocolError(
            f"{device.kind}: expected ticks of {info.layers} layers. Received: {len(layer_ticks)}. "
            "Build and flash the firmware again."
        )


def sample_rows(arrays: Sequence[Array]) -> list[bytes]:
    """Each sample's inputs as a RUN frame carries them: raw bytes, one input after the other."""
    return [
        b"".join(np.ascontiguousarray(array[sample]).tobytes() for array in arrays)
        for sample in range(len(arrays[0]))
    ]


def split_outputs(
    device: Device, replies: Sequence[bytes], expected: Sequence[Array]
) -> tuple[Array, ...]:
    """The replies' bytes as arrays like the expected ones, read-only.

    Args:
        device: for messages.
        replies: all outputs of one sample each, behind one another.
        expected: of each output all samples, [samples, ...].
    Raises:
        ProtocolError: a reply is shorter or longer than the outputs.
    """
    sizes = [array[0].nbytes for array in expected]
    for sample, reply in enumerate(replies):
        if len(reply) != sum(sizes):
            raise ProtocolError(
                f"{device.kind}: the reply to sample {sample} must hold {sum(sizes)} bytes of "
                f"outputs. Received: {len(reply)}. Build and flash the firmware again."
            )
    outputs = []
    begin = 0
    for array, size in zip(expected, sizes, strict=True):
        data = b"".join(reply[begin : begin + size] for reply in replies)
        outputs.append(np.frombuffer(data, array.dtype).reshape(array.shape))
        begin += size
    return tuple(outputs)
