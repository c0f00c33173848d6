"""LOGISTIC: the sigmoid of int8, as a table for lookup.py."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.ops.base import RawOp
from pipeline.ops.float_table import float_values, require_output_quant

Int64Array = npt.NDArray[np.int64]


def values(raw: RawOp) -> Int64Array:
    """Results for the inputs -128 to 127.

    Source: TFLite `SigmoidPrepare` and `SigmoidEval` (kernels/activations.cc).
    """
    require_output_quant(raw, scale=1 / 256, zero_point=-128)
    return float_values(raw, _logistic)


def _logistic(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    power = np.exp(-x.astype(np.float64)).astype(np.float32)
    return np.float32(1) / (np.float32(1) + power)
