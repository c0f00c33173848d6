"""Cross-layer equalization: channels between two layers brought to ranges that suit int8.

A positive factor moves from a layer's channel into the next layer's weights, and the float model
stays what it is. An activation has one scale for all of its channels, so a channel that stays
small wastes most of the 255 levels.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction"
(ICCV 2019), with s = sqrt(r1 r2) / r2. TFLite's filters have a scale per output channel, so that
r1, there the range of the first layer's filter, is here that of the activation's channel, and r2
is relative to the largest weight of the same filter. A depthwise second layer has a scale of its
own for every channel: only the activation counts, and all its channels get the same range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.quantize.statistics import Extent, FloatArray
from pipeline.quantize.tflite_file import Operator, TfliteFile, enum_names

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# Channels go through these one by one, and a positive factor goes through unchanged.
_CHANNELWISE = ("MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN", "PAD", "RESHAPE", "RELU")
_CLIPPED_AT = {"NONE": np.inf, "RELU": np.inf, "RELU6": 6.0}
# Factors beyond say more about the samples than about the model.
_LARGEST_FACTOR = 32.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two layers with nothing but channel-wise operators between them.

    Attributes:
        first, second: positions of operators.
        tensor: the first one's output.
    """

    first: int
    second: int
    tensor: int


def find_pairs(file: TfliteFile) -> tuple[Pair, ...]:
    """The pairs of layers between which factors can move, in the order of execution."""
    pairs = []
    for position, operator in enumerate(file.operators):
        if operator.kind in WEIGHTED and _activation(operator) in _CLIPPED_AT:
            pair = _follow(file, position)
            if pair is not None:
                pairs.append(pair)
    return tuple(pairs)


def equalize(content: bytes, extents: Mapping[int, Extent]) -> tuple[bytes, int]:
    """Level the channels of every pair.

    A layer that is clipped at 6 (RELU6) keeps the channels that were clipped on the calibration
    samples; the others get no factor that would let them be.

    Args:
        content: of a float .tflite with recorded ranges.
        extents: of its tensors on the calibration samples.
    Returns:
        The file, whose recorded ranges are stale, and the number of pairs.
    """
    file = TfliteFile(content)
    pairs = find_pairs(file)
    for pair in pairs:
        _move(file, pair, _factors(file, pair, extents[pair.tensor]))
    return file.pack(), len(pairs)


def _follow(file: TfliteFile, first: int) -> Pair | None:
    """The layer after a layer, if nothing else reads what lies between."""
    start = tensor = file.operators[first].outputs[0]
    if file.constant(file.operators[first].inputs[1]) is None:
        return None
    while True:
        readers = file.readers(tensor)
        if len(readers) != 1 or tensor in file.outputs:
            return None
        reader = file.operators[readers[0]]
        if reader.kind in WEIGHTED:
            fits = reader.inputs[0] == tensor and _reads_channels(file, reader, start)
            return Pair(first=first, second=readers[0], tensor=start) if fits else None
        if reader.kind not in _CHANNELWISE or not _keeps_channels(file, reader):
            return None
        tensor = reader.outputs[0]


def _reads_channels(file: TfliteFile, reader: Operator, start: int) -> bool:
    """Whether a layer's weights can be told apart by the channels of `start`."""
    filter_ = file.constant(reader.inputs[1])
    channels = file.shape(start)[-1]
    return (
        filter_ is not None
        and filter_.shape[-1] % channels == 0
        and (reader.kind != "CONV_2D" or filter_.shape[-1] == channels)
    )


def _keeps_channels(file: TfliteFile, operator: Operator) -> bool:
    """Whether the last axis still counts channels afterwards, fastest."""
    source, result = file.shape(operator.inputs[0]), file.shape(operator.outputs[0])
    if operator.kind == "MEAN":
        axes, kept = file.constant(operator.inputs[1]), (0, len(source) - 1)
        return axes is not None and not np.isin(axes % len(source), kept).any()
    if operator.kind == "RESHAPE":
        return len(source) > 1 and len(result) > 1 and result[-1] % source[-1] == 0
    if operator.kind == "PAD":
        paddings = file.constant(operator.inputs[1])
        return paddings is not None and not paddings[-1].any()
    options = operator.options
    fused = getattr(options, "fusedActivationFunction", 0)
    return not fused and source[-1] == result[-1]


def _activation(operator: Operator) -> str:
    from tensorflow.lite.python import schema_py_generated as schema

    names = enum_names(schema.ActivationFunctionType)
    return names[operator.options.fusedActivationFunction]


def _factors(file: TfliteFile, pair: Pair, extent: Extent) -> FloatArray:
    """What each channel's activations are divided by; 1 where they stay."""
    first, second = file.operators[pair.first], file.operators[pair.second]
    reach = np.maximum(np.abs(extent.low), np.abs(extent.high)).astype(np.float64)
    largest = float(reach.max())
    alive = reach > 1e-6 * largest
    if not largest or not alive.any():
        return np.ones_like(reach)
    share = np.where(alive, reach, largest) / largest
    if second.kind == "DEPTHWISE_CONV_2D":
        factors = share
    else:
        needed = _relative_reach(file, second, len(reach))
        factors = np.sqrt(share / np.maximum(needed, 1e-6))
        # A common factor changes nothing but must not enlarge the range.
        factors *= float((share / factors).max())
    clipped_at = _CLIPPED_AT[_activation(first)]
    if np.isfinite(clipped_at):
        factors = np.maximum(factors, reach / clipped_at)
        factors = np.where(reach >= clipped_at * (1 - 1e-6), 1.0, factors)
    factors = np.clip(factors, 1 / _LARGEST_FACTOR, _LARGEST_FACTOR)
    return np.where(alive, factors, 1.0)


def _relative_reach(file: TfliteFile, reader: Operator, channels: int) -> FloatArray:
    """Largest weight that reads each channel, relative to the largest of its own filter."""
    filter_ = file.constant(reader.inputs[1])
    assert filter_ is not None
    rows = np.abs(filter_.astype(np.float64)).reshape(len(filter_), -1, channels)
    own = rows.max(axis=(1, 2), keepdims=True)
    return np.asarray((rows / np.where(own > 0, own, 1.0)).max(axis=(0, 1)))


def _move(file: TfliteFile, pair: Pair, factors: FloatArray) -> None:
    """Divide the first layer's channels by the factors, and multiply the second one's weights."""
    first, second = file.operators[pair.first], file.operators[pair.second]
    by_output = factors if first.kind == "DEPTHWISE_CONV_2D" else None
    _scale(file, first.inputs[1], 1 / factors, last=by_output is not None)
    if len(first.inputs) > 2 and first.inputs[2] >= 0:
        _scale(file, first.inputs[2], 1 / factors, last=True)
    _scale(file, second.inputs[1], _repeated(file, second, factors), last=True)


def _repeated(file: TfliteFile, reader: Operator, factors: FloatArray) -> FloatArray:
    """The factors along the last axis of a reader's weights."""
    times = file.shape(reader.inputs[1])[-1] // len(factors)
    # A depthwise layer has several filters for a channel side by side; a flattened picture has
    # all channels of a pixel side by side.
    if reader.kind == "DEPTHWISE_CONV_2D":
        return np.repeat(factors, times)
    return np.tile(factors, times)


def _scale(file: TfliteFile, index: int, factors: FloatArray, *, last: bool) -> None:
    values = file.constant(index)
    assert values is not None
    shape = (-1,) if last else (-1, *(1,) * (values.ndim - 1))
    file.set_constant(index, (values * factors.reshape(shape)).astype(np.float32))
