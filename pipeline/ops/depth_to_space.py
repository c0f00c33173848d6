"""DEPTH_TO_SPACE and SPACE_TO_DEPTH: 8-bit values, blocks of pixels as channels and back."""

from __future__ import annotations

from pipeline.ops.base import RawOp
from pipeline.ops.checks import input_of, require, require_batch_one, require_counts, require_rank
from pipeline.ops.strided_copy import (
    StridedCopyAttrs,
    call,
    macs,
    require_axes,
    require_copy,
    row_windows,
)
from pipeline.records import OpKind

__all__ = ["call", "macs", "parse", "row_windows"]


def parse(raw: RawOp) -> StridedCopyAttrs:
    """Check shapes, types and the block's size; see `OpModule.parse`."""
    import tflite

    require_counts(raw, (1, 1))
    x = input_of(raw, 0)
    require_rank(raw, x, 4)
    require_batch_one(raw, x)
    to_space = raw.kind is OpKind.DEPTH_TO_SPACE
    options = tflite.DepthToSpaceOptions if to_space else tflite.SpaceToDepthOptions
    block = raw.options_as(options).BlockSize()
    _, height, width, channels = x.shape
    fits = block >= 1 and (
        channels % block**2 == 0 if to_space else height % block == width % block == 0
    )
    require(
        fits,
        raw,
        "the block must divide the channels" if to_space else "the block must divide the image",
        f"{block} and {x.shape}",
        "The file is damaged; convert the model again.",
    )
    if to_space:
        depth = channels // block**2
        require_copy(raw, x, raw.outputs[0], (1, height * block, width * block, depth))
        # Of the output: rows, rows in a block, columns, columns in a block, channels.
        shape = (height, block, width, block, depth)
        stride = (width * channels, block * depth, channels, depth, 1)
    else:
        sizes = (1, height // block, width // block, block**2 * channels)
        require_copy(raw, x, raw.outputs[0], sizes)
        # Of the output: rows, columns, and in each pixel the rows, columns and channels of a block.
        shape = (height // block, width // block, block, block, channels)
        row = width * channels
        stride = (block * row, block * channels, row, channels, 1)
    return require_axes(
        raw, StridedCopyAttrs(source=0, offset=0, shape=shape, stride=stride, window=None)
    )
