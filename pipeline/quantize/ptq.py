"""Quantization after training: one conversion, then any choice of ranges and repairs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.quantize.convert import (
    convert_calibrated,
    is_pinned,
    pinned_calibration,
    quantize_calibrated,
)
from pipeline.quantize.correct_bias import correct_bias
from pipeline.quantize.equalize import equalize
from pipeline.quantize.evaluate import quantize_samples
from pipeline.quantize.ranges import choose_range
from pipeline.quantize.settings import EdgeTypes, PtqSettings
from pipeline.quantize.statistics import (
    Histogram,
    Progress,
    calibrated_tensors,
    count_values,
    measure_extents,
)
from pipeline.quantize.tflite_file import TfliteFile
from pipeline.reference import TensorProbe
from pipeline.samples import DEFAULT_SCALING, InputScaling

if TYPE_CHECKING:
    import keras

# Largest change of an output, relative to the outputs' reach, that rounding of floats explains.
_FLOAT_ROUNDING = 1e-3

Steps = Callable[[str], AbstractContextManager[Progress]]


def _silent(label: str) -> AbstractContextManager[Progress]:
    return nullcontext(lambda done, total: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FloatForm:
    """A float .tflite with recorded ranges, and what its tensors hold."""

    content: bytes
    histograms: dict[int, Histogram] = field(compare=False, repr=False)


class PostTraining:
    """A model that becomes int8 under any settings, converted and calibrated once.

    Args:
        model: one input, one output, built in Keras 3.
        calibration: float32 [samples, *input shape], as the model takes them.
        scaling: what the model sees of a pixel; see `quantize_model`.
        edges: types of the input and the output.
        log: told what is going on.
        steps: given a label, a callback (done, total) for the duration of a block.
    Raises:
        ConfigError: the calibration samples do not fit the model.
        UnsupportedModelError: the model cannot be converted; names the layers.
    """

    def __init__(
        self,
        model: keras.Model,
        calibration: npt.NDArray[np.float32],
        *,
        scaling: InputScaling = DEFAULT_SCALING,
        edges: EdgeTypes | None = None,
        log: Callable[[str], None] = lambda line: None,
        steps: Steps = _silent,
    ) -> None:
        self._samples, self._scaling = calibration, scaling
        self._edges = edges or EdgeTypes()
        self._log, self._steps = log, steps
        log(f"quantize: calibrating int8 with {len(calibration)} samples")
        self._content = convert_calibrated(model, calibration, scaling)
        self._spanning = pinned_calibration(calibration, calibration.shape[1:], scaling)
        self._pinned = is_pinned(calibration, scaling)

    def quantize(self, settings: PtqSettings) -> bytes:
        """The int8 .tflite under some settings, checked to be full int8.

        Raises:
            UnsupportedModelError: an operator cannot be int8, or a range is empty.
        """
        content = self.calibrated(settings)
        tflite = quantize_calibrated(content, self._edges, pinned=self._pinned)
        if settings.correct_bias:
            samples = quantize_samples(tflite, self._samples, self._scaling)
            with self._steps("correcting biases") as step:
                tflite = correct_bias(content, tflite, self._samples, samples, step)
        return tflite

    def calibrated(self, settings: PtqSettings) -> bytes:
        """The float .tflite that `quantize` starts from, with the ranges of some settings."""
        if settings.calibration == "min-max":
            return self._equalized if settings.equalize else self._content
        form = self._equalized_form if settings.equalize else self._plain_form
        file = TfliteFile(form.content)
        kept = file.inputs if self._pinned else ()
        for index, histogram in form.histograms.items():
            if index not in kept:
                file.record_range(index, *choose_range(histogram, settings.calibration))
        return file.pack()

    @cached_property
    def _plain_form(self) -> _FloatForm:
        return self._counted(self._content)

    @cached_property
    def _equalized_form(self) -> _FloatForm:
        return self._counted(self._equalized)

    def _counted(self, content: bytes) -> _FloatForm:
        with self._steps("counting values") as step:
            return _FloatForm(
                content=content, histograms=count_values(content, self._samples, step)
            )

    @cached_property
    def _equalized(self) -> bytes:
        """The float form with equalized layers and the ranges that it has then."""
        with self._steps("measuring channels") as step:
            extents = measure_extents(self._content, self._samples, step)
        content, pairs = equalize(self._content, extents)
        difference = self._difference(content)
        if difference > _FLOAT_ROUNDING:
            self._log(
                f"equalization would change outputs by {difference:.1e} of their reach: left out"
            )
            return self._content
        self._log(f"equalized {pairs} pairs of layers; outputs changed by {difference:.1e}")
        file = TfliteFile(content)
        with self._steps("measuring ranges") as step:
            spanning = measure_extents(content, self._spanning, step)
        for index in calibrated_tensors(file):
            extent = spanning[index]
            file.record_range(index, float(extent.low.min()), float(extent.high.max()))
        return file.pack()

    def _difference(self, content: bytes) -> float:
        """Largest change of an output on the calibration samples, relative to their reach."""
        before, after = TensorProbe(self._content), TensorProbe(content)
        output = TfliteFile(content).outputs[0]
        reach = change = 0.0
        for sample in self._samples:
            before.run(sample)
            after.run(sample)
            expected, received = (
                probe.read(output).astype(np.float64) for probe in (before, after)
            )
            reach = max(reach, float(np.abs(expected).max()))
            change = max(change, float(np.abs(expected - received).max()))
        return change / reach if reach else change
