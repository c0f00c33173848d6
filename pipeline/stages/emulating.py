"""A built firmware on a device that is started for it: every output against the reference."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from pipeline.records import Array, Board, CycleEstimate, Firmware, InputSet, Measurement
from pipeline.report.progress import Reporter
from pipeline.stages.firmware import Target

# Which inferences take part in the estimate of cycles; inputs hardly change it.
_ESTIMATED_INFERENCES = 3


def measure_firmware(
    tflite: Path,
    target: Target,
    firmware: Firmware,
    inputs: InputSet,
    reporter: Reporter,
) -> Measurement:
    """Run all inputs through the reference and through the device, and compare.

    Where the core has a model, the first inputs run once more for an estimate of its cycles.

    Args:
        tflite: what the firmware was made from.
        target: with the kind of device resolved.
        firmware, inputs: what to run on what.
        reporter: told about progress.
    Raises:
        DeviceError: the device does not start, or answers nonsense.
        MissingToolError: the emulator is not installed.
    """
    from pipeline.device.select import make_device
    from pipeline.measure.session import measure
    from pipeline.reference import ReferenceModel

    reporter.log(f"{len(inputs.x[0]):,} inputs on {target.emulator}")
    content = tflite.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    with reporter.steps("reference") as step:
        expected = ReferenceModel(content).run(inputs.x, step)
    with (
        make_device(target.emulator, target.board, firmware) as device,
        reporter.steps("inferences") as step,
    ):
        measurement = measure(
            device,
            target.board,
            firmware,
            inputs,
            expected,
            model_sha256=sha256,
            warmup=target.warmup,
            on_progress=step,
        )
    return _with_estimate(measurement, target.board, firmware, inputs, expected, reporter)


def _with_estimate(
    measurement: Measurement,
    board: Board,
    firmware: Firmware,
    inputs: InputSet,
    expected: Sequence[Array],
    reporter: Reporter,
) -> Measurement:
    """Run the first inputs once more, on a device whose ticks are estimated cycles, if any."""
    from pipeline.device.select import make_cycle_device
    from pipeline.measure.session import measure

    cycle_device = make_cycle_device(board, firmware)
    if cycle_device is None or board.flash_wait_states is None:
        return measurement
    some = slice(_ESTIMATED_INFERENCES)
    first_inputs = dataclasses.replace(
        inputs, names=inputs.names[some], x=tuple(x[some] for x in inputs.x), y=None
    )
    with cycle_device as device, reporter.steps("estimating cycles") as step:
        run = measure(
            device,
            board,
            firmware,
            first_inputs,
            [y[some] for y in expected],
            warmup=0,
            on_progress=step,
        )
    estimate = CycleEstimate(
        flash_wait_states=board.flash_wait_states, inferences=run.ticks, layers=run.layer_ticks
    )
    # This is one more emulator to agree with.
    mismatches = max(measurement.mismatches, run.mismatches)
    return dataclasses.replace(measurement, estimate=estimate, mismatches=mismatches)
