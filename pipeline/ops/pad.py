"""PAD: int8, constant padding with the zero point, up to four axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import (
    input_of,
    require,
    require_constant,
    require_counts,
    require_int8,
    require_same_quant,
    zero_point_of,
)
from pipeline.ops.rows import RowWindow, is_image
from pipeline.records import Graph, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class PadAttrs:
    """Attributes of PAD, brought to four axes."""

    input_shape: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]


def parse(raw: RawOp) -> PadAttrs:
    """Check shapes, types and amounts; see `OpModule.parse`."""
    require_counts(raw, (2, 2))
    x, output = input_of(raw, 0), raw.outputs[0]
    require_int8(raw, x, output)
    require_same_quant(raw, x, output)
    amounts = require_constant(raw, input_of(raw, 1), "the paddings")
    rank = len(x.shape)
    require(
        rank <= 4 and amounts.shape == (rank, 2) and int(np.min(amounts, initial=0)) >= 0,
        raw,
        "paddings must be [axes, 2], not negative, for up to 4 axes",
        f"{amounts.tolist()} for {x.shape}",
        "Reshape to 4 dimensions before padding.",
    )
    expected = tuple(
        size + int(first) + int(last) for size, (first, last) in zip(x.shape, amounts, strict=True)
    )
    require(
        output.shape == expected,
        raw,
        f"the output must be {expected}",
        output.shape,
        "The file is damaged; convert the model again.",
    )
    missing = 4 - rank
    return PadAttrs(
        input_shape=(1,) * missing + x.shape,
        before=(0,) * missing + tuple(int(pair[0]) for pair in amounts),
        after=(0,) * missing + tuple(int(pair[1]) for pair in amounts),
    )


def macs(op: Op, graph: Graph) -> int:
    """Padding multiplies nothing."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
    """See `OpModule.row_windows`."""
    attrs = op.attrs
    assert isinstance(attrs, PadAttrs)
    if not is_image(graph.tensors[op.inputs[0]]) or not is_image(graph.tensors[op.outputs[0]]):
        return None
    return {op.inputs[0]: RowWindow(pad=attrs.before[1])}


def call(op: Op, graph: Graph) -> KernelCall:
    """pad_s8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, PadAttrs)
    merged = _merge_pixels(attrs)
    output_shape = [
        sum(sizes) for sizes in zip(attrs.before, attrs.input_shape, attrs.after, strict=True)
    ]
    return KernelCall(
        function="pad_s8",
        header="pad_s8.h",
        params_type="pad_params",
        fields=fields_of(
            label_of(op),
            input_shape=("uint16_t", merged.input_shape),
            before=("uint16_t", merged.before),
            after=("uint16_t", merged.after),
            value=("int8_t", zero_point_of(graph.tensors[op.outputs[0]])),
        ),
        constants=(),
        tensors=(op.inputs[0], op.outputs[0]),
        rows=(math.prod(attrs.input_shape[:2]), math.prod(output_shape[:2])),
    )


def _merge_pixels(attrs: PadAttrs) -> PadAttrs:
    """The same padding with a row as one pixel, which is copied at once, where that can be."""
    _, _, columns, channels = attrs.input_shape
    row = channels * (attrs.before[2] + columns + attrs.after[2])
    if attrs.before[3] or attrs.after[3] or row >= 1 << 16:
        return attrs

    def merge(sizes: tuple[int, ...], pixels: int) -> tuple[int, ...]:
        return (*sizes[:2], pixels, sizes[2] * channels)

    return PadAttrs(
        input_shape=merge(attrs.input_shape, 1),
        before=merge(attrs.before, 0),
        after=merge(attrs.after, 0),
    )
