"""What a model's tensors hold on calibration samples, gathered sample by sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.quantize.tflite_file import TfliteFile
from pipeline.records import Array
from pipeline.reference import TensorProbe

NUM_BINS = 2048

Progress = Callable[[int, int], None]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far a tensor's values reach.

    Attributes:
        low, high: [channels], the last axis; of a tensor without axes one.
    """

    low: FloatArray = field(compare=False, repr=False)
    high: FloatArray = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How often which values occur in a tensor.

    Attributes:
        counts: [NUM_BINS] of equal width from `low` to `high`; values of exactly 0 are left out.
        low, high: of the range.
        zeros: values of exactly 0, which any range of int8 expresses.
    """

    counts: npt.NDArray[np.int64] = field(compare=False, repr=False)
    low: float
    high: float
    zeros: int

    @property
    def centres(self) -> FloatArray:
        """Of the bins."""
        edges = np.linspace(self.low, self.high, len(self.counts) + 1)
        return np.asarray((edges[1:] + edges[:-1]) / 2)


def calibrated_tensors(file: TfliteFile) -> tuple[int, ...]:
    """The tensors whose ranges quantization takes from calibration."""
    computed = [index for operator in file.operators for index in operator.outputs]
    found = dict.fromkeys((*file.inputs, *computed))
    return tuple(index for index in found if file.recorded_range(index) is not None)


def measure_extents(
    content: bytes, samples: npt.NDArray[np.float32], on_progress: Progress | None = None
) -> dict[int, Extent]:
    """Smallest and largest value of each channel of each tensor.

    Args:
        content: of a float .tflite with recorded ranges.
        samples: float32 [samples, *input shape].
        on_progress: called with (samples done, samples in all).
    """
    tensors = calibrated_tensors(TfliteFile(content))
    low: dict[int, FloatArray] = {}
    high: dict[int, FloatArray] = {}

    def see(index: int, values: Array) -> None:
        rows = values.reshape(-1, values.shape[-1] if values.ndim else 1)
        smallest, largest = rows.min(axis=0), rows.max(axis=0)
        low[index] = np.minimum(low.get(index, smallest), smallest)
        high[index] = np.maximum(high.get(index, largest), largest)

    _each_tensor(content, tensors, samples, see, on_progress)
    return {index: Extent(low=low[index], high=high[index]) for index in tensors}


def count_values(
    content: bytes, samples: npt.NDArray[np.float32], on_progress: Progress | None = None
) -> dict[int, Histogram]:
    """A histogram of each tensor over the range recorded for it.

    Args:
        content, samples, on_progress: see `measure_extents`.
    """
    file = TfliteFile(content)
    ranges = {}
    for index in calibrated_tensors(file):
        recorded = file.recorded_range(index)
        assert recorded is not None
        low, high = min(recorded[0], 0.0), max(recorded[1], 0.0)
        if high > low:
            ranges[index] = low, high
    counts = {index: np.zeros(NUM_BINS, np.int64) for index in ranges}
    zeros = dict.fromkeys(ranges, 0)

    def see(index: int, values: Array) -> None:
        low, high = ranges[index]
        flat = values.reshape(-1)
        nonzero = flat[flat != 0]
        zeros[index] += len(flat) - len(nonzero)
        bins = ((nonzero - low) * (NUM_BINS / (high - low))).astype(np.int64)
        counts[index] += np.bincount(bins.clip(0, NUM_BINS - 1), minlength=NUM_BINS)

    _each_tensor(content, tuple(ranges), samples, see, on_progress)
    return {
        index: Histogram(counts=counts[index], low=low, high=high, zeros=zeros[index])
        for index, (low, high) in ranges.items()
    }


def mean_values(
    probe: TensorProbe,
    tensors: tuple[int, ...],
    samples: Array,
    on_progress: Progress | None = None,
) -> dict[int, FloatArray]:
    """Mean over the samples of each value of some tensors, raw.

    Args:
        probe: of a model.
        tensors: their indices.
        samples: as the model takes them.
        on_progress: see `measure_extents`.
    """
    sums: dict[int, FloatArray] = {}
    for done, sample in enumerate(samples, 1):
        probe.run(sample)
        for index in tensors:
            values = probe.read(index).astype(np.float64)
            sums[index] = sums[index] + values if index in sums else values
        if on_progress is not None:
            on_progress(done, len(samples))
    return {index: total / len(samples) for index, total in sums.items()}


def _each_tensor(
    content: bytes,
    tensors: tuple[int, ...],
    samples: npt.NDArray[np.float32],
    see: Callable[[int, Array], None],
    on_progress: Progress | None,
) -> None:
    probe = TensorProbe(content)
    for done, sample in enumerate(samples, 1):
        probe.run(sample)
        for index in tensors:
            see(index, probe.read(index))
        if on_progress is not None:
            on_progress(done, len(samples))
