"""MEAN: int8, over axes that are neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.fixed_point import quantize_multiplier
from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import (
    check_scaled_range,
    input_of,
    require,
    require_constant,
    require_counts,
    require_int8,
    scale_of,
    zero_point_of,
)
from pipeline.ops.rows import EVERY_ROW, RowWindow, is_image, num_rows
from pipeline.records import Graph, Op, Requant

# Sums of so many 8-bit values stay in int32, in the kernel as in the reference.
_MOST_VALUES = ((1 << 31) - 1) // 255


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanAttrs:
    """Attributes of MEAN and REDUCE_MAX: the input seen as [outer, reduced, inner]."""

    outer: int
    reduced: int
    inner: int


def parse(raw: RawOp) -> MeanAttrs:
    """Check shapes, types and axes; see `OpModule.parse`."""
    require_counts(raw, (2, 2))
    x, output = input_of(raw, 0), raw.outputs[0]
    require_int8(raw, x, output)
    values = require_constant(raw, input_of(raw, 1), "the axes")
    rank = len(x.shape)
    given = [int(axis) for axis in np.ravel(values)]
    require(
        all(-rank <= axis < rank for axis in given),
        raw,
        f"the axes must be in {-rank} .. {rank - 1}",
        given,
        "The file is damaged; convert the model again.",
    )
    axes = {axis % rank for axis in given}
    # An axis of length 1 changes nothing: it may lie between the others.
    wide = sorted(axis for axis in axes if x.shape[axis] > 1)
    between = [] if not wide else range(wide[0], wide[-1] + 1)
    require(
        all(axis in axes or x.shape[axis] == 1 for axis in between),
        raw,
        "the axes must be neighbours",
        f"{sorted(axes)} of {x.shape}",
        "Reduce over neighbouring axes, one after the other.",
    )
    first, last = (wide[0], wide[-1] + 1) if wide else (rank, rank)
    attrs = MeanAttrs(
        outer=math.prod(x.shape[:first]),
        reduced=math.prod(x.shape[first:last]),
        inner=math.prod(x.shape[last:]),
    )
    require(
        attrs.reduced <= _MOST_VALUES,
        raw,
        f"a mean may be over up to {_MOST_VALUES} values",
        attrs.reduced,
        "Reduce the axes one after the other.",
    )
    require(
        output.num_elements == attrs.outer * attrs.inner,
        raw,
        f"the output must have {attrs.outer * attrs.inner} elements",
        output.shape,
        "The file is damaged; convert the model again.",
    )
    return attrs


def macs(op: Op, graph: Graph) -> int:
    """A mean adds; it multiplies nothing but its results."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
    """Rows of an image are added up; see `OpModule.row_windows`."""
    return {op.inputs[0]: EVERY_ROW} if is_global(op, graph) else None


def is_global(op: Op, graph: Graph) -> bool:
    """Whether it is the mean over all pixels of an image, of more than one row."""
    attrs = op.attrs
    assert isinstance(attrs, MeanAttrs)
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if not is_image(x) or num_rows(x) == 1 or num_rows(output) > 1:
        return False
    return (attrs.outer, attrs.inner) == (1, x.shape[3])


def call(op: Op, graph: Graph) -> KernelCall:
    """mean_s8, or mean_rows_s8 over the pixels of an image; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, MeanAttrs)
    if is_global(op, graph):
        return global_call(op, graph)
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    requant = mean_factor(op, graph)
    return KernelCall(
        function="mean_s8",
        header="mean_s8.h",
        params_type="mean_params",
        fields=fields_of(
            label_of(op),
            outer=("uint32_t", attrs.outer),
            reduced=("uint32_t", attrs.reduced),
            inner=("uint32_t", attrs.inner),
            input_offset_sum=("int32_t", -zero_point_of(x) * attrs.reduced),
            multiplier=("int32_t", requant.multiplier),
            shift=("int8_t", requant.shift),
            output_offset=("int16_t", zero_point_of(output)),
        ),
        constants=(),
        tensors=(op.inputs[0], op.outputs[0]),
    )


def global_call(op: Op, graph: Graph) -> KernelCall:
    """The call of the kernel that takes the mean over all pixels, row by row."""
    attrs = op.attrs
    assert isinstance(attrs, MeanAttrs)
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    _, height, width, channels = x.shape
    requant = mean_factor(op, graph)
    return KernelCall(
        function="mean_rows_s8",
        header="mean_rows_s8.h",
        params_type="mean_rows_params",
        fields=fields_of(
            label_of(op),
            input_h=("uint16_t", height),
            input_w=("uint16_t", width),
            channels=("uint16_t", channels),
            input_offset_sum=("int32_t", -zero_point_of(x) * attrs.reduced),
            multiplier=("int32_t", requant.multiplier),
            shift=("int8_t", requant.shift),
            output_offset=("int16_t", zero_point_of(output)),
        ),
        constants=(),
        tensors=(op.inputs[0], op.outputs[0]),
        rows=(height, 1),
        scratch_bytes=4 * channels,
        keeps_scratch=True,
    )


def mean_factor(op: Op, graph: Graph) -> Requant:
    """What the sum of values above the input's zero point is multiplied by.

    Raises:
        UnsupportedModelError: results could leave int32.
    Source: TFLite `QuantizedMeanOrSum` (kernels/internal/reference/reduce.h).
    """
    attrs = op.attrs
    assert isinstance(attrs, MeanAttrs)
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    check_scaled_range(label_of(op), 255, scale_of(x) / scale_of(output))
    requant = quantize_multiplier(scale_of(x) / scale_of(output))
    shift = min(attrs.reduced.bit_length() - 1, 32, 31 + requant.shift)
    multiplier = (requant.multiplier << shift) // attrs.reduced
    return Requant(multiplier=multiplier, shift=requant.shift - shift)
