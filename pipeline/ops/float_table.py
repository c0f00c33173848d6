"""Tables of functions that the reference computes in float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.fixed_point import round_half_away
from pipeline.ops.base import RawOp
from pipeline.ops.checks import input_of, quant_of, require, scale_of, zero_point_of

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]


def require_output_quant(raw: RawOp, *, scale: float, zero_point: int) -> None:
    """Check that the output has the one quantization that the reference takes."""
    quant = quant_of(raw.outputs[0])
    require(
        quant.scale == (scale,) and quant.zero_point == (zero_point,),
        raw,
        f"the output must have scale 1/{round(1 / scale)} and zero point {zero_point}",
        f"{quant.scale[0]} and {quant.zero_point[0]}",
        "Quantize the model with TFLite's converter.",
    )


def float_values(raw: RawOp, function: Callable[[Float32Array], Float32Array]) -> Int64Array:
    """Results for the inputs -128 to 127, before they are clamped.

    Args:
        raw: the operator.
        function: of real values; correctly rounded, as the C library's functions nearly always are.
    Source: TFLite `LUTPopulate` (kernels/internal/common.h); every step in float32.
    """
    x, output = input_of(raw, 0), raw.outputs[0]
    above = (np.arange(-128, 128) - zero_point_of(x)).astype(np.float32)
    inverse_scale = np.float32(1) / np.float32(scale_of(output))
    with np.errstate(over="ignore"):
        scaled = function(np.float32(scale_of(x)) * above) * inverse_scale
    return round_half_away(scaled.astype(np.float64)) + zero_point_of(output)
