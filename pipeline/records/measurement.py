"""What devices are given, and what they did with it."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.records.graph import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSet:
    """Inputs for a device, in the model's own dtype and layout.

    Attributes:
        spec: where they came from, as the user wrote it.
        names: one per sample (file names, or running numbers).
        x: one array [samples, *shape of the input without its batch] per model input.
        y: class index of each sample, int64 [samples], or None without labels.
        skipped: (file, reason) of each file that could not be read.
    """

    spec: str
    names: tuple[str, ...]
    x: tuple[Array, ...] = field(compare=False, repr=False)
    y: npt.NDArray[np.int64] | None = field(default=None, compare=False, repr=False)
    skipped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleEstimate:
    """Cycles by the core's published timings (pipeline/device/cycles.py): never measured.

    Attributes:
        flash_wait_states: that they are estimated for.
        inferences: of each of some inferences.
        layers: of each layer in one inference.
    """

    flash_wait_states: int
    inferences: tuple[int, ...]
    layers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a device did with a set of inputs.

    Attributes:
        build_id: as the device itself reported it.
        device: kind of device, e.g. "qemu".
        clock: what the device's ticks are: "instructions" (emulators), "cycles", "microseconds"
            (boards) or "host".
        ticks_per_second: of the device's timer.
        warmup: inferences before the timed ones.
        ticks: of each timed inference, in units of `clock` (instructions where it says so).
        layer_ticks: of each layer in one inference, same unit.
        estimate: of the core's cycles; None where there is none.
        mismatches: samples whose outputs differ from the reference in any bit.
        stack_peak_bytes: deepest stack during inference; None where the device cannot know.
        arena_bytes: as the device reported it.
        outputs: one array [samples, *shape without batch] per model output, raw.
    """

    build_id: str
    device: str
    clock: str
    ticks_per_second: int
    warmup: int
    ticks: tuple[int, ...]
    layer_ticks: tuple[int, ...]
    estimate: CycleEstimate | None = None
    mismatches: int
    stack_peak_bytes: int | None
    arena_bytes: int
    outputs: tuple[Array, ...] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a quantity is distributed over its observations, in their unit.

    Attributes:
        count: of observations.
        median, p95: values that occurred: at least half, and at least 95 %, are no larger.
        mean: arithmetic.
        stdev: sample standard deviation (divisor count - 1); 0 of a single observation.
        min, max: smallest and largest.
    """

    count: int
    median: int
    p95: int
    mean: float
    stdev: float
    min: int
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockCheck:
    """A device's clock against the host's over one interval.

    Attributes:
        host_s, device_s: length of the interval on each; the host's is the middle of what it can
            have been.
        drift_percent: by how much the device's is longer; negative where it is shorter.
        uncertainty_percent: how far off drift_percent may be, because questions and answers take
            time.
    """

    host_s: float
    device_s: float
    drift_percent: float
    uncertainty_percent: float

    @property
    def fast_percent(self) -> float:
        """By how much the device's clock is fast at least; 0 where it may be right."""
        return max(0.0, self.drift_percent - self.uncertainty_percent)

    @property
    def slow_percent(self) -> float:
        """By how much the device's clock is slow at least; 0 where it may be right."""
        return max(0.0, -self.drift_percent - self.uncertainty_percent)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardMeasurement:
    """What a board on a serial port did with a set of inputs.

    Attributes:
        measurement: what every device tells; ticks are those of all timed inferences, in order,
            going round the inputs; mismatches are inputs that any inference got wrong; outputs
            are those of the first round.
        ticks: of the timed inferences.
        port: where the board is.
        board, engine, model_sha256: as the device reported them.
        inferences: compared with the reference, timed or not, without the warm-up.
        round_trip_us: of the timed inferences on the host's clock, with the bytes both ways.
        clock_check: the device's clock against the host's; None where the device has no time.
        free_heap_bytes: after the inferences; None where there is no heap.
        reset_reason: why the board started last.
    """

    measurement: Measurement
    ticks: Spread
    port: str
    board: str
    engine: str
    model_sha256: str
    inferences: int
    round_trip_us: Spread
    clock_check: ClockCheck | None
    free_heap_bytes: int | None
    reset_reason: str
