"""Where the accuracy goes: each layer of an int8 model against the same layer in float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.quantize.statistics import FloatArray, Progress
from pipeline.quantize.tflite_file import TfliteFile
from pipeline.records import Array
from pipeline.reference import TensorProbe

_NUM_WORST = 3
# What is reported of a layer that makes no error at all.
_LARGEST_DB = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerError:
    """One operator's output, float against int8, over all samples.

    Attributes:
        layer, kind: of the operator.
        sqnr_db: signal to quantization noise with all errors up to here.
        isolated_sqnr_db: the same for the operator alone: both forms are given the float model's
            activations in int8 steps, so that what those lost is the layer's before. None where
            these are not known.
        isolated_channel_db: the same of the median channel among those that are not always 0. One
            channel that reaches far drowns the others, and its own signal hides it in the whole.
        cosine: similarity of the outputs, in [-1, 1].
        saturated: share of values that lie beyond the int8 range.
        range_used: share of the 256 levels between the smallest and the largest value.
        shift: share of the noise that is a constant error per channel: what biases can mend.
        crest: largest magnitude over the root mean square.
        imbalance: largest channel's reach over the median channel's.
        worst_channels: (channel, SQNR in dB) of the worst ones that are not always 0, the worst
            first.
    """

    layer: str
    kind: str
    sqnr_db: float
    isolated_sqnr_db: float | None
    isolated_channel_db: float | None
    cosine: float
    saturated: float
    range_used: float
    shift: float
    crest: float
    imbalance: float
    worst_channels: tuple[tuple[int, float], ...]


def measure_layers(
    calibrated: bytes,
    tflite: bytes,
    samples: npt.NDArray[np.float32],
    quantized_samples: Array,
    on_progress: Progress | None = None,
) -> tuple[LayerError, ...]:
    """Compare every operator's output, in the order of execution.

    Args:
        calibrated: the float model, with the operators and tensors of the int8 one.
        tflite: its int8 form.
        samples: float32 [samples, *input shape].
        quantized_samples: the same ones as the int8 model takes them.
        on_progress: called with (samples done, samples in all).
    """
    float_file, file = TfliteFile(calibrated), TfliteFile(tflite)
    real_of = _pair(float_file, file)
    layers = [
        _Layer(float_file, file, position, real_of)
        for position, operator in enumerate(file.operators)
        if operator.outputs[0] in real_of and operator.kind != "QUANTIZE"
    ]
    real, quantized = TensorProbe(calibrated), TensorProbe(tflite, exact=True)
    for done, (sample, raw) in enumerate(zip(samples, quantized_samples, strict=True), 1):
        real.run(sample)
        quantized.run(raw)
        for layer in layers:
            layer.see(real, quantized)
        if on_progress is not None:
            on_progress(done, len(samples))
    return tuple(layer.result() for layer in layers)


def _pair(float_file: TfliteFile, file: TfliteFile) -> Mapping[int, int]:
    """The float tensor that each activation of the int8 model stands for.

    Names tell: one converter gave them to both. What a QUANTIZE at an edge or on the way makes
    stands for what it was made from.
    """
    computed = [*float_file.inputs, *(op.outputs[0] for op in float_file.operators)]
    by_name = {float_file.name(index): index for index in reversed(computed)}
    real_of = dict(zip(file.inputs, float_file.inputs, strict=True))
    # Backwards first: before an output of another type its name went to that type's tensor.
    for operator in reversed(file.operators):
        source, result = operator.inputs[0], operator.outputs[0]
        name = file.name(result)
        if name in by_name and result not in real_of:
            real_of[result] = by_name[name]
        if operator.kind == "QUANTIZE" and result in real_of and file.name(source) not in by_name:
            real_of.setdefault(source, real_of[result])
    for operator in file.operators:
        if operator.kind == "QUANTIZE" and operator.inputs[0] in real_of:
            real_of.setdefault(operator.outputs[0], real_of[operator.inputs[0]])
    return real_of


@dataclass(frozen=True, slots=True)
class _Alone:
    """One operator in both forms, each as a model of its own.

    Attributes:
        quantized, real: the models.
        output, real_output: their output tensors.
        inputs: of each computed input: the float model's tensor, scale, zero point and dtype.
    """

    quantized: TensorProbe
    real: TensorProbe
    output: int
    real_output: int
    inputs: tuple[tuple[int, float, int, np.dtype[Any]], ...]

    @classmethod
    def of(
        cls,
        float_file: TfliteFile,
        file: TfliteFile,
        position: int,
        real_of: Mapping[int, int],
    ) -> _Alone | None:
        """None where some input stands for nothing in the float model."""
        operator = file.operators[position]
        computed = dict.fromkeys(i for i in operator.inputs if i >= 0 and file.constant(i) is None)
        if not all(index in real_of and len(file.scales(index)) == 1 for index in computed):
            return None
        real_position = next(
            place
            for place, op in enumerate(float_file.operators)
            if op.outputs[0] == real_of[operator.outputs[0]]
        )
        one, real = file.one_operator(position), float_file.one_operator(real_position)
        if len(TfliteFile(real).inputs) != len(computed):
            return None
        return cls(
            quantized=TensorProbe(one, exact=True),
            real=TensorProbe(real),
            output=TfliteFile(one).outputs[0],
            real_output=TfliteFile(real).outputs[0],
            inputs=tuple(
                (
                    real_of[index],
                    float(file.scales(index)[0]),
                    file.zero_point(index),
                    file.dtype(index),
                )
                for index in computed
            ),
        )

    def run(self, source: TensorProbe) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """Both outputs, raw and real, for the activations of the float model's last inference."""
        raw, real = [], []
        for index, scale, zero_point, dtype in self.inputs:
            limits = np.iinfo(dtype)
            levels = np.round(source.read(index).astype(np.float64) / scale) + zero_point
            levels = levels.clip(limits.min, limits.max)
            raw.append(levels.astype(dtype))
            real.append(((levels - zero_point) * scale).astype(np.float32))
        self.quantized.run(*raw)
        self.real.run(*real)
        return (
            self.quantized.read(self.output).astype(np.int64),
            self.real.read(self.real_output).astype(np.float64),
        )


class _Layer:
    """Sums over the samples for one operator."""

    def __init__(
        self,
        float_file: TfliteFile,
        file: TfliteFile,
        position: int,
        real_of: Mapping[int, int],
    ) -> None:
        self._operator = file.operators[position]
        self._name = file.layer(position)
        self._index = self._operator.outputs[0]
        self._real = real_of[self._index]
        self._scale = float(file.scales(self._index)[0])
        self._zero_point = file.zero_point(self._index)
        self._limits = np.iinfo(file.dtype(self._index))
        shape = file.shape(self._index)
        channels = shape[-1] if shape else 1
        self._sums = np.zeros((5, channels))
        self._reach = np.zeros(channels)
        self._isolated_noise = np.zeros(channels)
        self._saturated = self._count = 0
        self._low, self._high = self._limits.max, self._limits.min
        self._alone = _Alone.of(float_file, file, position, real_of)

    def see(self, real: TensorProbe, quantized: TensorProbe) -> None:
        """Add a sample, of which both models have made an inference."""
        expected = self._rows(real.read(self._real))
        raw = quantized.read(self._index).astype(np.int64)
        received = self._rows((raw - self._zero_point) * self._scale)
        error = received - expected
        self._sums += [
            (expected**2).sum(axis=0),
            (error**2).sum(axis=0),
            (expected * received).sum(axis=0),
            (received**2).sum(axis=0),
            error.sum(axis=0),
        ]
        self._reach = np.maximum(self._reach, np.abs(expected).max(axis=0))
        ideal = expected / self._scale + self._zero_point
        beyond = (ideal < self._limits.min - 0.5) | (ideal > self._limits.max + 0.5)
        self._saturated += int(beyond.sum())
        self._count += beyond.size
        self._low, self._high = min(self._low, int(raw.min())), max(self._high, int(raw.max()))
        if self._alone is not None:
            made, wanted = self._alone.run(real)
            error = self._rows((made - self._zero_point) * self._scale - wanted)
            self._isolated_noise += (error**2).sum(axis=0)

    def _rows(self, values: npt.NDArray[Any]) -> FloatArray:
        return values.reshape(-1, len(self._reach)).astype(np.float64)

    def result(self) -> LayerError:
        """Of all samples."""
        signal, noise, dot, power, error = self._sums
        own = self._isolated_noise
        total = float(signal.sum())
        per_channel = self._count / len(self._reach)
        alive = np.flatnonzero(signal)
        by_channel = {int(i): _decibel(signal[i], noise[i]) for i in alive}
        worst = sorted(by_channel.items(), key=lambda item: item[1])[:_NUM_WORST]
        rms = np.sqrt(total / self._count)
        median = float(np.median(self._reach[alive])) if len(alive) else 0.0
        return LayerError(
            layer=self._name,
            kind=self._operator.kind,
            sqnr_db=_decibel(total, float(noise.sum())),
            isolated_sqnr_db=None if self._alone is None else _decibel(total, float(own.sum())),
            isolated_channel_db=None if self._alone is None else _median_decibel(signal, own),
            cosine=float(dot.sum() / np.sqrt(total * power.sum())) if total * power.sum() else 1.0,
            saturated=self._saturated / self._count,
            range_used=(self._high - self._low + 1) / 256,
            shift=float((error**2 / per_channel).sum() / noise.sum()) if noise.any() else 0.0,
            crest=float(self._reach.max() / rms) if rms else 0.0,
            imbalance=float(self._reach.max() / median) if median else 0.0,
            worst_channels=tuple(worst),
        )


def _decibel(signal: float, noise: float) -> float:
    """Ratio of powers, within what is told apart."""
    if noise <= 0:
        return _LARGEST_DB
    return float(np.clip(10 * np.log10(max(signal, 1e-30) / noise), -_LARGEST_DB, _LARGEST_DB))


def _median_decibel(signal: FloatArray, noise: FloatArray) -> float:
    """Of the channels that are not always 0."""
    alive = np.flatnonzero(signal)
    if not len(alive):
        return _LARGEST_DB
    return float(np.median([_decibel(signal[index], noise[index]) for index in alive]))
