"""TRANSPOSE: 8-bit values; the permutation has to be constant."""

from __future__ import annotations

import numpy as np

from pipeline.ops.base import RawOp
from pipeline.ops.checks import input_of, require, require_constant, require_counts
from pipeline.ops.rows import RowWindow, is_image
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
    """Check shapes, types and the permutation; see `OpModule.parse`."""
    require_counts(raw, (2, 2))
    x = input_of(raw, 0)
    given = np.ravel(require_constant(raw, input_of(raw, 1), "the permutation")).tolist()
    rank = len(x.shape)
    order = [int(axis) + rank if axis < 0 else int(axis) for axis in given]
    require(
        sorted(order) == list(range(rank)),
        raw,
        f"the permutation must hold each axis 0 .. {rank - 1} once",
        given,
        "The file is damaged; convert the model again.",
    )
    require_copy(raw, x, raw.outputs[0], tuple(x.shape[axis] for axis in order))
    strides = element_strides(x.shape)
    attrs = StridedCopyAttrs(
        source=0,
        offset=0,
        shape=raw.outputs[0].shape,
        stride=tuple(strides[axis] for axis in order),
        window=RowWindow() if is_image(x) and order[:2] == [0, 1] else None,
    )
    return require_axes(raw, attrs)
