"""STRIDED_SLICE: constant where its inputs are (a part of a shape)."""

from __future__ import annotations

import numpy as np

from pipeline.ops.base import RawOp
from pipeline.ops.checks import input_of, require, require_constant, require_counts
from pipeline.records import Array


def fold(raw: RawOp) -> Array:
    """The slice; masks for begin, end and shrinking are honoured, others refused."""
    import tflite

    require_counts(raw, (4, 4))
    names = ("the input", "begin", "end", "strides")
    values, begin, end, strides = (
        require_constant(raw, input_of(raw, position), name) for position, name in enumerate(names)
    )
    options = raw.options_as(tflite.StridedSliceOptions)
    require(
        options.EllipsisMask() == 0 and options.NewAxisMask() == 0,
        raw,
        "ellipsis and new-axis masks must be 0",
        f"{options.EllipsisMask()} and {options.NewAxisMask()}",
        "Convert the model with a fixed batch size of 1.",
    )
    index: list[int | slice] = []
    for axis, (first, last, step) in enumerate(
        zip(begin.tolist(), end.tolist(), strides.tolist(), strict=True)
    ):
        if options.ShrinkAxisMask() >> axis & 1:
            index.append(first)
            continue
        start = None if options.BeginMask() >> axis & 1 else first
        stop = None if options.EndMask() >> axis & 1 else last
        index.append(slice(start, stop, step))
    return np.asarray(values[tuple(index)])
