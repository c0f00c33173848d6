"""Operators that move values: their outputs hold values of the input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.one_op.building import (
    Pair,
    moved,
    output_of,
    quant_of,
    shape_of,
)
from tests.tflite_models import ModelBuilder


def resize(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    kind: str,
    size: Pair,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> int:
    """RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR to another height and width."""
    shape = (1, *size, shape_of(builder, x)[3])
    name = "ResizeBilinear" if kind == "RESIZE_BILINEAR" else "ResizeNearestNeighbor"
    places = {"alignCorners": align_corners, "halfPixelCenters": half_pixel_centers}
    inputs = [x, builder.constant("size", size, dtype="int32")]
    return moved(builder, x, kind, inputs, shape, f"{name}Options", **places)


def pad(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    amounts: Sequence[Pair],
    dtype: str = "int32",
) -> int:
    """PAD with (before, after) for each axis."""
    shape = shape_of(builder, x)
    result = [size + sum(pair) for size, pair in zip(shape, amounts, strict=True)]
    y = output_of(builder, "PAD", result, quant_of(builder, x))
    paddings = builder.constant("paddings", np.asarray(amounts), dtype=dtype)
    builder.operator("PAD", [x, paddings], [y], "PadOptions")
    return y


def reshape(
    builder: ModelBuilder, rng: np.random.Generator, x: int, *, target: Sequence[int]
) -> int:
    """RESHAPE to a constant shape."""
    y = output_of(builder, "RESHAPE", target, quant_of(builder, x))
    shape = builder.constant("shape", np.asarray(target), dtype="int32")
    builder.operator("RESHAPE", [x, shape], [y], "ReshapeOptions", newShape=list(target))
    return y


def slice_(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    begin: Sequence[int],
    size: Sequence[int],
) -> int:
    """SLICE; a size of -1 is all that is left."""
    sizes = zip(shape_of(builder, x), begin, size, strict=True)
    shape = [length - first if count < 0 else count for length, first, count in sizes]
    limits = [builder.constant("limit", values, dtype="int32") for values in (begin, size)]
    return moved(builder, x, "SLICE", [x, *limits], shape, "SliceOptions")


def strided_slice(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    begin: Sequence[int],
    end: Sequence[int],
    step: Sequence[int],
    result: Sequence[int] | None = None,
    **masks: int,
) -> int:
    """STRIDED_SLICE; `result` is the output's shape where masks change what the limits say."""
    if result is None:
        slices = tuple(slice(*limits) for limits in zip(begin, end, step, strict=True))
        result = np.empty(shape_of(builder, x))[slices].shape
    limits = [builder.constant("limit", values, dtype="int32") for values in (begin, end, step)]
    options = "StridedSliceOptions"
    return moved(builder, x, "STRIDED_SLICE", [x, *limits], result, options, **masks)


def split(
    builder: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    *,
    kind: str,
    axis: int,
    sizes: Sequence[int],
    given: Sequence[int] | None = None,
) -> list[int]:
    """SPLIT, SPLIT_V or UNPACK into parts of these sizes; `given` is what the file says."""
    shape = list(shape_of(builder, x))
    outputs: list[int] = []
    for size in sizes:
        part = [*shape]
        part[axis] = size
        if kind == "UNPACK":
            del part[axis]
        outputs.append(output_of(builder, f"{kind}_{len(outputs)}", part, quant_of(builder, x)))
    place = builder.constant("axis", axis if kind == "SPLIT" else [axis], dtype="int32")
    if kind == "SPLIT":
        builder.operator(kind, [place, x], outputs, "SplitOptions", numSplits=len(sizes))
    elif kind == "SPLIT_V":
        lengths = builder.constant("sizes", given or sizes, dtype="int32")
        inputs = [x, lengths, builder.constant("axis", axis, dtype="int32")]
        builder.operator(kind, inputs, outputs, "SplitVOptions", numSplits=len(sizes))
    else:
        builder.operator(kind, [x], outputs, "UnpackOptions", num=len(sizes), axis=axis)
    return outputs


def transpose(
    builder: ModelBuilder, rng: np.random.Generator, x: int, *, order: Sequence[int]
) -> int:
    """TRANSPOSE."""
    shape = [shape_of(builder, x)[axis] for axis in order]
    permutation = builder.constant("order", order, dtype="int32")
    return moved(builder, x, "TRANSPOSE", [x, permutation], shape, "TransposeOptions")


def tile(
    builder: ModelBuilder, rng: np.random.Generator, x: int, *, multiples: Sequence[int]
) -> int:
    """TILE."""
    sizes = zip(shape_of(builder, x), multiples, strict=True)
    times = builder.constant("multiples", multiples, dtype="int32")
    return moved(builder, x, "TILE", [x, times], [size * m for size, m in sizes])


def blocks(
    builder: ModelBuilder, rng: np.random.Generator, x: int, *, kind: str, block: int
) -> int:
    """DEPTH_TO_SPACE or SPACE_TO_DEPTH."""
    _, height, width, channels = shape_of(builder, x)
    if kind == "DEPTH_TO_SPACE":
        shape = (1, height * block, width * block, channels // block**2)
        return moved(builder, x, kind, [x], shape, "DepthToSpaceOptions", blockSize=block)
    shape = (1, height // block, width // block, channels * block**2)
    return moved(builder, x, kind, [x], shape, "SpaceToDepthOptions", blockSize=block)


def concatenation(
    builder: ModelBuilder, rng: np.random.Generator, inputs: Sequence[int], *, axis: int
) -> int:
    """CONCATENATION of tensors."""
    shapes = [shape_of(builder, x) for x in inputs]
    whole = list(shapes[0])
    whole[axis] = sum(shape[axis] for shape in shapes)
    options = "ConcatenationOptions"
    return moved(builder, inputs[0], "CONCATENATION", inputs, whole, options, axis=axis)


def pack(
    builder: ModelBuilder, rng: np.random.Generator, inputs: Sequence[int], *, axis: int
) -> int:
    """PACK of tensors along a new axis."""
    shape = list(shape_of(builder, inputs[0]))
    shape.insert(axis if axis >= 0 else len(shape) + 1 + axis, len(inputs))
    values = {"axis": axis, "valuesCount": len(inputs)}
    return moved(builder, inputs[0], "PACK", inputs, shape, "PackOptions", **values)
