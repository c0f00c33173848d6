"""TILE: 8-bit values; the multiples have to be constant. Keras makes nearest upsampling of it."""

from __future__ import annotations

import numpy as np

from pipeline.ops.base import RawOp
from pipeline.ops.checks import input_of, require, require_constant, require_counts
from pipeline.ops.strided_copy import (
    StridedCopyAttrs,
    call,
    element_strides,
    macs,
    require_axes,
    require_copy,
    row_windows,
)

__all__ = ["call", "macs", "parse", "row_windows"]


def parse(raw: RawOp) -> StridedCopyAttrs:
    """Check shapes, types and multiples; see `OpModule.parse`."""
    require_counts(raw, (2, 2))
    x = input_of(raw, 0)
    given = np.ravel(require_constant(raw, input_of(raw, 1), "the multiples")).tolist()
    require(
        len(given) == len(x.shape) and all(multiple >= 1 for multiple in given),
        raw,
        "there must be a multiple of at least 1 for each axis",
        f"{given} of {x.shape}",
        "The file is damaged; convert the model again.",
    )
    multiples = [int(multiple) for multiple in given]
    tiled = tuple(size * times for size, times in zip(x.shape, multiples, strict=True))
    require_copy(raw, x, raw.outputs[0], tiled)
    walk = zip(multiples, x.shape, element_strides(x.shape), strict=True)
    # Each axis is walked again and again.
    axes = [axis for times, size, stride in walk for axis in ((times, 0), (size, stride))]
    return require_axes(
        raw,
        StridedCopyAttrs(
            source=0,
            offset=0,
            shape=tuple(size for size, _ in axes),
            stride=tuple(stride for _, stride in axes),
            window=None,
        ),
    )
