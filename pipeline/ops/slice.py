"""SLICE: 8-bit values, a box of the input; begin and size have to be constant."""

from __future__ import annotations

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

__all__ = ["call", "macs", "parse", "row_windows"]


def parse(raw: RawOp) -> StridedCopyAttrs:
    """Check shapes, types and limits; see `OpModule.parse`."""
    require_counts(raw, (3, 3))
    x = input_of(raw, 0)
    begin, size = (
        [int(value) for value in np.ravel(require_constant(raw, input_of(raw, place), name))]
        for place, name in ((1, "begin"), (2, "the size"))
    )
    require(
        len(begin) == len(size) == len(x.shape)
        and all(0 <= first <= length for first, length in zip(begin, x.shape, strict=True)),
        raw,
        "begin and size must be inside the input",
        f"{begin} and {size} of {x.shape}",
        "The file is damaged; convert the model again.",
    )
    # A size of -1 is all that is left.
    sizes = [
        length - first if count == -1 else count
        for first, count, length in zip(begin, size, x.shape, strict=True)
    ]
    require(
        all(
            count >= 0 and first + count <= length
            for first, count, length in zip(begin, sizes, x.shape, strict=True)
        ),
        raw,
        "begin and size must be inside the input",
        f"{begin} and {size} of {x.shape}",
        "The file is damaged; convert the model again.",
    )
    require_copy(raw, x, raw.outputs[0], tuple(sizes))
    return require_axes(raw, slice_attrs(x, 0, begin, [1] * len(begin), sizes))
