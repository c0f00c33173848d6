from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pipeline.device.board import load_board
from pipeline.device.fake import FakeDevice, Fault
from pipeline.errors import ConfigError, DeviceError, ProtocolError
from pipeline.measure.session import count_mismatches, measure
from pipeline.records import Array, Firmware, InputSet

BUILD_ID = "0123456789abcdef"
MODEL = "ab" * 32
BOARD = dataclasses.replace(load_board("mps2_an386"), instructions_per_tick=40)
SAMPLES = 25


def model(inputs: bytes) -> bytes:
    """Two inputs of 4 and 2 bytes; outputs of 3 int8 and one int16."""
    return bytes([inputs[5], inputs[4], inputs[0]]) + inputs[1:3]


def model_outputs(x: tuple[Array, ...]) -> tuple[Array, ...]:
    replies = [model(a.tobytes() + b.tobytes()) for a, b in zip(*x, strict=True)]
    return (
        np.array([np.frombuffer(reply[:3], np.int8) for reply in replies]).reshape(-1, 1, 3),
        np.array([np.frombuffer(reply[3:], np.int16) for reply in replies]),
    )


def fake(facts: dict[str, object] | None = None, **options: object) -> FakeDevice:
    known = {"build_id": BUILD_ID, "board": BOARD.name, "engine": "aot", "model_sha256": MODEL}
    return FakeDevice(
        model, input_bytes=(4, 2), output_bytes=(3, 2), facts={**known, **(facts or {})}, **options
    )


@pytest.fixture
def inputs() -> InputSet:
    rng = np.random.default_rng(3)
    x = (
        rng.integers(-128, 127, (SAMPLES, 2, 2), np.int8, endpoint=True),
        rng.integers(0, 255, (SAMPLES, 2), np.uint8, endpoint=True),
    )
    return InputSet(spec="random:3:25", names=tuple(map(str, range(SAMPLES))), x=x)


@pytest.fixture
def firmware(tmp_path: object) -> Firmware:
    return Firmware(
        build_id=BUILD_ID,
        board=BOARD.name,
        engine="aot",
        toolchain="gcc",
        elf_path=tmp_path / "firmware.elf",
        size=None,
    )


def test_outputs_counts_and_facts(inputs: InputSet, firmware: Firmware) -> None:
    expected = model_outputs(inputs.x)
    progress: list[tuple[int, int]] = []
    with fake(ticks=7) as device:
        result = measure(
            device,
            BOARD,
            firmware,
            inputs,
            expected,
            model_sha256=MODEL,
            on_progress=lambda done, total: progress.append((done, total)),
        )
        assert device.counting
    assert result.mismatches == 0
    for output, reference in zip(result.outputs, expected, strict=True):
        assert output.dtype == reference.dtype
        np.testing.assert_array_equal(output, reference)
        assert not output.flags.writeable
    assert result.ticks == (7 * 40,) * 10
    assert result.layer_ticks == (7 * 40,) * 2
    assert (result.build_id, result.device, result.clock) == (BUILD_ID, "fake", "instructions")
    assert (result.warmup, result.arena_bytes, result.stack_peak_bytes) == (1, 1024, None)
    assert progress == [(done + 1, SAMPLES) for done in range(SAMPLES)]


@pytest.mark.parametrize(
    ("board_clock", "per_tick", "device_clock", "clock", "ticks"),
    [
        ("instructions", 40, "instructions", "instructions", 7 * 40),
        ("cycles", None, "instructions", "instructions", 7),
        ("cycles", None, None, "cycles", 7),
        ("microseconds", None, None, "microseconds", 7),
        ("instructions", 40, "host", "host", 7),
    ],
    ids=["made to be emulated", "emulated", "real", "real timer", "process"],
)
def test_the_clock_is_the_devices_and_without_one_the_boards(
    inputs: InputSet,
    firmware: Firmware,
    board_clock: str,
    per_tick: int | None,
    device_clock: str | None,
    clock: str,
    ticks: int,
) -> None:
    board = dataclasses.replace(BOARD, clock=board_clock, instructions_per_tick=per_tick)
    with fake(ticks=7) as device:
        device.clock = device_clock
        result = measure(device, board, firmware, inputs, model_outputs(inputs.x))
    assert (result.clock, set(result.ticks)) == (clock, {ticks})


@pytest.mark.parametrize(("samples", "timed"), [(1, 10), (10, 10), (11, 10), (25, 1), (3, 2)])
def test_timed_inferences_and_layers_are_counted_and_the_rest_is_not(
    inputs: InputSet, firmware: Firmware, samples: int, timed: int
) -> None:
    some = dataclasses.replace(inputs, x=tuple(array[:samples] for array in inputs.x))
    counted: list[bool] = []

    def noting(data: bytes) -> bytes:
        counted.append(device.counting)
        return model(data)

    known = {"build_id": BUILD_ID, "board": BOARD.name, "engine": "aot"}
    with FakeDevice(noting, input_bytes=(4, 2), output_bytes=(3, 2), facts=known) as device:
        result = measure(device, BOARD, firmware, some, model_outputs(some.x), timed=timed)
    assert len(result.ticks) == min(timed, samples)
    assert len(counted) == samples + 2
    assert counted == [True] * (min(timed, samples) + 2) + [False] * max(0, samples - timed)


def test_every_differing_sample_is_counted(inputs: InputSet, firmware: Firmware) -> None:
    expected = model_outputs(inputs.x)
    expected[0][3, 0, 1] ^= 1
    expected[1][3, 0] ^= 1
    expected[1][20, 0] ^= 0x4000
    with fake() as device:
        assert measure(device, BOARD, firmware, inputs, expected).mismatches == 2


def test_faults_on_the_line_do_not_show(inputs: InputSet, firmware: Firmware) -> None:
    expected = model_outputs(inputs.x)
    faults = dict(zip(range(0, 60, 2), [*Fault][:-2] * 9, strict=False))
    with fake(faults=faults) as device:
        result = measure(device, BOARD, firmware, inputs, expected)
    assert result.mismatches == 0


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"build_id": "f" * 16}, f"another firmware .*build_id '{BUILD_ID}'. Received: 'ffff"),
        ({"board": "host"}, "expected board 'mps2_an386'. Received: 'host'. Flash"),
        ({"engine": "tflm"}, "expected engine 'aot'. Received: 'tflm'"),
        ({"model_sha256": "0" * 64}, "expected model_sha256 'abab"),
        ({"status": "no arena"}, "engine did not start .*Received: 'no arena'"),
        ({"inputs": [6]}, r"must have inputs of \[4, 2\] bytes. Received: \[6\]"),
        ({"outputs": [3]}, r"must have outputs of \[3, 2\] bytes. Received: \[3\]"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_another_firmware_is_refused(
    inputs: InputSet, firmware: Firmware, facts: dict[str, object], message: str
) -> None:
    with fake(facts) as device, pytest.raises(DeviceError, match=message):
        measure(device, BOARD, firmware, inputs, model_outputs(inputs.x), model_sha256=MODEL)


def test_reply_of_wrong_size_is_refused(inputs: InputSet, firmware: Firmware) -> None:
    known = {"build_id": BUILD_ID, "board": BOARD.name, "engine": "aot"}
    short = FakeDevice(lambda _: b"ab", input_bytes=(4, 2), output_bytes=(3, 2), facts=known)
    with short, pytest.raises(ProtocolError, match="sample 0 must hold 5 bytes .*Received: 2"):
        measure(short, BOARD, firmware, inputs, model_outputs(inputs.x))


def test_nothing_to_measure_is_refused(inputs: InputSet, firmware: Firmware) -> None:
    none = dataclasses.replace(inputs, x=tuple(array[:0] for array in inputs.x))
    with fake() as device:
        with pytest.raises(ConfigError, match="Received: 0 samples"):
            measure(device, BOARD, firmware, none, model_outputs(inputs.x))
        with pytest.raises(ConfigError, match="timed 0"):
            measure(device, BOARD, firmware, inputs, model_outputs(inputs.x), timed=0)


def test_mismatches_are_in_bits_not_in_values() -> None:
    zeros = np.zeros((2, 3), np.float32)
    negative = zeros.copy()
    negative[1, 2] = -0.0
    nan = np.full((2, 3), np.nan, np.float32)
    assert count_mismatches((negative,), (zeros,)) == 1
    assert count_mismatches((nan,), (nan.copy(),)) == 0
