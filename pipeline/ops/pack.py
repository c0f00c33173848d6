"""PACK: constant where its inputs are (shapes put together)."""

from __future__ import annotations

import numpy as np

from pipeline.ops.base import RawOp
from pipeline.ops.checks import input_of, require_constant
from pipeline.records import Array


def fold(raw: RawOp) -> Array:
    """The inputs stacked along the axis of the options."""
    import tflite

    values = [
        require_constant(raw, input_of(raw, position), "each input")
        for position in range(len(raw.inputs))
    ]
    return np.stack(values, axis=raw.options_as(tflite.PackOptions).Axis())
