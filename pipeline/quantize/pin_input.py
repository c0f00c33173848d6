"""Keep the input's range where the converter gave it another.

It does where a model concatenates its input with what reaches further: all that is concatenated has
one scale. But the input's is prescribed: firmware feeds pixel - 128.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.quantize.equalize import WEIGHTED
from pipeline.quantize.tflite_file import TfliteFile

_INT32 = np.iinfo(np.int32)


def pin_input(tflite: bytes, low: float, high: float) -> bytes:
    """The file with an input of a range; the same bytes where it has it already.

    Layers with weights read the input as it is, and their biases are rescaled. Others read it
    behind a QUANTIZE, with the range that they share with the rest of the model.

    Args:
        tflite: of one input, int8 or uint8.
        low, high: of the range; 0 lies in it.
    """
    file = TfliteFile(tflite)
    (given,) = file.inputs
    scale, zero_point = nudged(low, high, file.dtype(given))
    if np.isclose(file.scales(given)[0], scale, rtol=1e-6, atol=0):
        return tflite
    # A uint8 input has one reader, a QUANTIZE.
    is_unsigned = file.dtype(given) == np.uint8
    shared = file.operators[0].outputs[0] if is_unsigned else given
    own = file.copy_tensor(shared, "input")
    file.set_quantization(own, *nudged(low, high, np.dtype(np.int8)))
    for position in file.readers(shared):
        operator = file.operators[position]
        if operator.kind in WEIGHTED and operator.inputs[0] == shared:
            _read(file, position, own)
    if is_unsigned:
        file.set_quantization(given, scale, zero_point)
        file.insert_quantize(1, own, shared)
        file.set_output(0, own)
    else:
        file.insert_quantize(0, own, shared)
        file.set_graph_input(own)
    return file.pack()


def nudged(low: float, high: float, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Scale and zero point of a range, moved so that 0 is exact.

    Source: MLIR's `fakeQuantAttrsToType`, with which the converter makes them of ranges.
    """
    limits = np.iinfo(dtype)
    scale = (high - low) / (limits.max - limits.min)
    from_low, from_high = limits.min - low / scale, limits.max - high / scale
    low_counts = abs(limits.min) + abs(low / scale) < abs(limits.max) + abs(high / scale)
    zero_point = from_low if low_counts else from_high
    away_from_zero = np.copysign(np.floor(abs(zero_point) + 0.5), zero_point)
    return scale, int(np.clip(away_from_zero, limits.min, limits.max))


def _read(file: TfliteFile, position: int, index: int) -> None:
    """Let a layer with weights read another tensor of the same values."""
    operator = file.operators[position]
    before, after = (float(file.scales(tensor)[0]) for tensor in (operator.inputs[0], index))
    bias = operator.inputs[2] if len(operator.inputs) > 2 else -1
    values = file.constant(bias)
    if values is not None:
        copy = file.copy_tensor(bias, f"{file.name(bias)}/rescaled")
        rescaled = np.round(values.astype(np.float64) * (before / after))
        file.set_constant(copy, rescaled.clip(_INT32.min, _INT32.max).astype(np.int32))
        file.set_quantization(copy, file.scales(bias) * (after / before))
        file.set_input(position, 2, copy)
    file.set_input(position, 0, index)
