"""STRIDED_SLICE: 8-bit values; constant where its inputs are (a part of a shape)."""

from __future__ import annotations

import dataclasses

import numpy as np

from pipeline.ops.base import RawOp
from pipeline.ops.checks import input_of, require, require_constant, require_counts
from pipeline.ops.strided_copy import (
    StridedCopyAttrs,
    call,
    macs,
    require_axes,
    require_copy,
    row_windows,
    slice_attrs,
)
from pipeline.records import Array

__all__ = ["call", "fold", "macs", "parse", "row_windows"]


def fold(raw: RawOp) -> Array:
    """The slice of a constant."""
    values = require_constant(raw, input_of(raw, 0), "the input")
    ranges, shrunk = _ranges(raw)
    sliced = values[np.ix_(*ranges)]
    return np.asarray(np.squeeze(sliced, axis=shrunk))


def parse(raw: RawOp) -> StridedCopyAttrs:
    """Check shapes, types and limits; see `OpModule.parse`."""
    ranges, shrunk = _ranges(raw)
    x = input_of(raw, 0)
    begin = [range_.start if range_ else 0 for range_ in ranges]
    attrs = slice_attrs(
        x, 0, begin, [range_.step for range_ in ranges], [len(range_) for range_ in ranges]
    )
    kept = [axis for axis in range(len(ranges)) if axis not in shrunk]
    shape = tuple(attrs.shape[axis] for axis in kept)
    require_copy(raw, x, raw.outputs[0], shape)
    if shrunk:
        stride = tuple(attrs.stride[axis] for axis in kept)
        attrs = dataclasses.replace(attrs, shape=shape, stride=stride, window=None)
    return require_axes(raw, attrs)


def _ranges(raw: RawOp) -> tuple[list[range], tuple[int, ...]]:
    """Indices along each axis of the input, and the axes that vanish.

    Source: TFLite `StridedSliceOp` (kernels/strided_slice.cc); the masks for begin, end and
    shrinking are honoured, others refused.
    """
    import tflite

    require_counts(raw, (4, 4))
    shape = input_of(raw, 0).shape
    limits = [
        [int(value) for value in np.ravel(require_constant(raw, input_of(raw, place), name))]
        for place, name in ((1, "begin"), (2, "end"), (3, "strides"))
    ]
    options = raw.options_as(tflite.StridedSliceOptions)
    way_out = "Convert the model with a fixed batch size of 1."
    masks = options.EllipsisMask(), options.NewAxisMask()
    require(masks == (0, 0), raw, "ellipsis and new-axis masks must be 0", f"{masks}", way_out)
    require(not options.Offset(), raw, "end must be no offset", "an offset", way_out)
    require(
        all(len(values) == len(shape) for values in limits) and 0 not in limits[2],
        raw,
        "there must be a begin, an end and a stride other than 0 for each axis",
        f"{limits} for {shape}",
        way_out,
    )
    ranges = []
    shrunk = []
    for axis, (first, last, step, size) in enumerate(zip(*limits, shape, strict=True)):
        if options.ShrinkAxisMask() >> axis & 1:
            place = first % size if -size <= first < size else -1
            require(place >= 0, raw, "a single index must be inside", f"{first} of {size}", way_out)
            ranges.append(range(place, place + 1))
            shrunk.append(axis)
            continue
        start = None if options.BeginMask() >> axis & 1 else first
        stop = None if options.EndMask() >> axis & 1 else last
        ranges.append(range(size)[slice(start, stop, step)])
    return ranges, tuple(shrunk)
