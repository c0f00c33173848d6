"""SPLIT, SPLIT_V and UNPACK: 8-bit values; every part of the input is a copy of its own."""

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
from pipeline.records import OpKind

__all__ = ["call", "macs", "parse", "row_windows"]

# Where the input stands among the inputs.
_SOURCES = {OpKind.SPLIT: 1, OpKind.SPLIT_V: 0, OpKind.UNPACK: 0}
_INPUTS = {OpKind.SPLIT: 2, OpKind.SPLIT_V: 3, OpKind.UNPACK: 1}


def parse(raw: RawOp) -> tuple[StridedCopyAttrs, ...]:
    """Check shapes, types and sizes; returns the attributes of the copy that makes each output."""
    count = _INPUTS[raw.kind]
    require_counts(raw, (count, count), outputs=len(raw.outputs))
    source = _SOURCES[raw.kind]
    x = input_of(raw, source)
    axis, sizes = _axis_and_sizes(raw, len(x.shape))
    whole = x.shape[axis]
    require(
        len(sizes) == len(raw.outputs) and min(sizes) > 0 and sum(sizes) == whole,
        raw,
        f"the outputs must share the {whole} values of axis {axis}",
        f"{sizes} for {len(raw.outputs)} outputs",
        "The file is damaged; convert the model again.",
    )
    parts = []
    start = 0
    for output, size in zip(raw.outputs, sizes, strict=True):
        begin = [start if place == axis else 0 for place in range(len(x.shape))]
        shape = [size if place == axis else length for place, length in enumerate(x.shape)]
        attrs = slice_attrs(x, source, begin, [1] * len(begin), shape)
        if raw.kind is OpKind.UNPACK:
            attrs = _without_axis(attrs, axis)
        require_copy(raw, x, output, attrs.shape)
        parts.append(require_axes(raw, attrs))
        start += size
    return tuple(parts)


def _axis_and_sizes(raw: RawOp, rank: int) -> tuple[int, list[int]]:
    """The axis, not negative, and the length of each part along it."""
    import tflite

    x = input_of(raw, _SOURCES[raw.kind])
    if raw.kind is OpKind.UNPACK:
        axis = raw.options_as(tflite.UnpackOptions).Axis()
    else:
        place = 0 if raw.kind is OpKind.SPLIT else 2
        axis = int(np.ravel(require_constant(raw, input_of(raw, place), "the axis"))[0])
    require(
        -rank <= axis < rank,
        raw,
        f"the axis must be in {-rank} .. {rank - 1}",
        axis,
        "The file is damaged; convert the model again.",
    )
    axis %= rank
    if raw.kind is OpKind.SPLIT:
        return axis, [x.shape[axis] // len(raw.outputs)] * len(raw.outputs)
    if raw.kind is OpKind.UNPACK:
        return axis, [1] * len(raw.outputs)
    given = np.ravel(require_constant(raw, input_of(raw, 1), "the sizes")).tolist()
    # One size may be left open.
    rest = x.shape[axis] - sum(size for size in given if size >= 0)
    return axis, [rest if size == -1 else int(size) for size in given]


def _without_axis(attrs: StridedCopyAttrs, axis: int) -> StridedCopyAttrs:
    keep = [place for place in range(len(attrs.shape)) if place != axis]
    return dataclasses.replace(
        attrs,
        shape=tuple(attrs.shape[place] for place in keep),
        stride=tuple(attrs.stride[place] for place in keep),
        window=None,
    )
