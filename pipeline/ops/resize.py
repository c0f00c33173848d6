"""RESIZE_NEAREST_NEIGHBOR (8-bit) and RESIZE_BILINEAR (int8); the size has to be constant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.ops.base import Constant, Field, KernelCall, RawOp, field_of, fields_of, label_of
from pipeline.ops.checks import (
    input_of,
    require,
    require_batch_one,
    require_constant,
    require_counts,
    require_rank,
    require_same_quant,
)
from pipeline.records import Graph, Op, OpKind

# Positions between pixels are in 1/1024, as integers.
_ONE = 1 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeAttrs:
    """Attributes of both operators: where output positions lie in the input."""

    align_corners: bool
    half_pixel_centers: bool


def parse(raw: RawOp) -> ResizeAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    import tflite

    require_counts(raw, (2, 2))
    x, output = input_of(raw, 0), raw.outputs[0]
    bilinear = raw.kind is OpKind.RESIZE_BILINEAR
    require(
        x.dtype == output.dtype and x.dtype in (("int8",) if bilinear else ("int8", "uint8")),
        raw,
        f"input and output must be {'int8' if bilinear else 'int8, or both uint8'}",
        f"{x.dtype} and {output.dtype}",
        "Quantize the model to full int8: espalier deploy MODEL.keras --data SPEC.",
    )
    require_same_quant(raw, x, output)
    require_rank(raw, x, 4)
    require_batch_one(raw, x)
    size = np.ravel(require_constant(raw, input_of(raw, 1), "the size")).tolist()
    require(
        len(size) == 2 and output.shape == (1, *size, x.shape[3]),
        raw,
        f"the output must be [1, height, width, {x.shape[3]}] of the given size",
        f"{output.shape} for {size}",
        "The file is damaged; convert the model again.",
    )
    table = tflite.ResizeBilinearOptions if bilinear else tflite.ResizeNearestNeighborOptions
    options = raw.options_as(table)
    attrs = ResizeAttrs(
        align_corners=bool(options.AlignCorners()),
        half_pixel_centers=bool(options.HalfPixelCenters()),
    )
    require(
        not (bilinear and attrs.align_corners and attrs.half_pixel_centers),
        raw,
        "corners may be aligned or centers half pixels",
        "both",
        "Choose one of them.",
    )
    return attrs


def macs(op: Op, graph: Graph) -> int:
    """Not counted: an interpolation has no weights."""
    return 0


def row_windows(op: Op, graph: Graph) -> None:
    """Read whole: the rows behind an output row do not follow each other in even steps."""


def call(op: Op, graph: Graph) -> KernelCall:
    """resize_nearest_neighbor_8 or resize_bilinear_s8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, ResizeAttrs)
    x, output = graph.tensors[op.inputs[0]].shape, graph.tensors[op.outputs[0]].shape
    label = label_of(op)
    name = op.kind.value.lower()
    constants: tuple[Constant, ...] = ()
    own: tuple[Field, ...]
    if op.kind is OpKind.RESIZE_NEAREST_NEIGHBOR:
        constants = tuple(
            Constant(name=axis, c_type="uint16_t", values=_nearest(attrs, x[at], output[at]))
            for axis, at in (("row", 1), ("column", 2))
        )
        own = fields_of(label, **{c.name: ("pointer", c.name) for c in constants})
    else:
        own = tuple(
            field_of(axis, "struct", _axis(attrs, x[at], output[at], label), label)
            for axis, at in (("y", 1), ("x", 2))
        )
    shape = fields_of(
        label,
        input_w=("uint16_t", x[2]),
        output_w=("uint16_t", output[2]),
        channels=("uint16_t", x[3]),
    )
    return KernelCall(
        function=f"{name}_8" if constants else f"{name}_s8",
        header="resize_2d.h",
        params_type=f"{name}_params",
        fields=(*own, *shape),
        constants=constants,
        tensors=(op.inputs[0], op.outputs[0]),
        rows=(x[1], output[1]),
    )


def _nearest(attrs: ResizeAttrs, size: int, output: int) -> npt.NDArray[np.uint16]:
    """Position in the input of each position in the output, along one axis.

    Source: TFLite `GetNearestNeighbor` (kernels/internal/reference/resize_nearest_neighbor.h);
    every step in float32.
    """
    aligned = attrs.align_corners and output > 1
    steps = (size - 1, output - 1) if aligned else (size, output)
    scale = np.float32(steps[0]) / np.float32(steps[1])
    center = np.float32(0.5 if attrs.half_pixel_centers else 0.0)
    places = ((np.arange(output, dtype=np.float32) + center) * scale).astype(np.float64)
    # Places are not negative: half away from zero is half up.
    found = np.floor(places + 0.5 if attrs.align_corners else places)
    return np.minimum(found, size - 1).astype(np.uint16)


def _axis(attrs: ResizeAttrs, size: int, output: int, label: str) -> tuple[Field, ...]:
    """The contents of a struct resize_axis.

    Source: TFLite `ResizeBilinearInteger` (kernels/internal/reference/resize_bilinear.h).
    """
    aligned = attrs.align_corners and output > 1
    steps = (size - 1, output - 1) if aligned else (size, output)
    scale = (_ONE * steps[0] + steps[1] // 2) // steps[1]
    offset = scale // 2 - _ONE // 2 if attrs.half_pixel_centers else 0
    # The last position, and the rounding that is added to it.
    field_of("position", "int32_t", output * scale + abs(offset) + _ONE, label)
    return fields_of(
        label,
        scale=("int32_t", scale),
        offset=("int32_t", offset),
        last=("int32_t", size - 1),
    )
