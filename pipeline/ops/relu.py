"""RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1 that stand alone: int8, as a table for lookup.py."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pipeline.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from pipeline.ops.base import RawOp
from pipeline.ops.checks import (
    check_scaled_range,
    input_of,
    quantized_range,
    scale_of,
    zero_point_of,
)
from pipeline.records import OpKind

Int64Array = npt.NDArray[np.int64]

# Real bounds of the results.
_BOUNDS: Mapping[OpKind, tuple[float, float | None]] = {
    OpKind.RELU: (0.0, None),
    OpKind.RELU6: (0.0, 6.0),
    OpKind.RELU_0_TO_1: (0.0, 1.0),
    OpKind.RELU_N1_TO_1: (-1.0, 1.0),
}


def values(raw: RawOp) -> Int64Array:
    """Results for the inputs -128 to 127.

    Source: TFLite `QuantizedReluX` (kernels/activations.cc).
    """
    x, output = input_of(raw, 0), raw.outputs[0]
    # Unlike most operators' factors, this one is a quotient of float32.
    with np.errstate(over="ignore"):
        factor = float(np.float32(scale_of(x)) / np.float32(scale_of(output)))
    check_scaled_range(raw.label, 255, factor)
    above = np.arange(-128, 128) - zero_point_of(x)
    scaled = multiply_by_quantized_multiplier(above, quantize_multiplier(factor))
    return np.clip(scaled + zero_point_of(output), *quantized_range(_BOUNDS[raw.kind], output))
