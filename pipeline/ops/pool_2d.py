"""What AVERAGE_POOL_2D and MAX_POOL_2D share: everything but the kernel's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import (
    activation_range,
    input_of,
    require,
    require_activation,
    require_batch_one,
    require_counts,
    require_int8,
    require_rank,
    require_same_quant,
)
from pipeline.ops.rows import RowWindow, num_rows
from pipeline.ops.window import Window, window_of
from pipeline.records import Graph, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool2DAttrs:
    """Attributes of a pooling."""

    window: Window
    activation: int


def parse_pool(raw: RawOp) -> Pool2DAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    import tflite

    require_counts(raw, (1, 1))
    x, output = input_of(raw, 0), raw.outputs[0]
    for tensor in (x, output):
        require_rank(raw, tensor, 4)
    require_int8(raw, x, output)
    require_same_quant(raw, x, output)
    require_batch_one(raw, x)
    require(
        output.shape[0] == 1 and output.shape[3] == x.shape[3],
        raw,
        f"the output must be [1, height, width, {x.shape[3]}]",
        output.shape,
        "The file is damaged; convert the model again.",
    )
    options = raw.options_as(tflite.Pool2DOptions)
    window = window_of(
        raw,
        x,
        output,
        taps=(options.FilterHeight(), options.FilterWidth()),
        stride=(options.StrideH(), options.StrideW()),
        dilation=(1, 1),
        padding=options.Padding(),
    )
    return Pool2DAttrs(
        window=window,
        activation=require_activation(raw, options.FusedActivationFunction()),
    )


def pool_row_windows(op: Op) -> Mapping[int, RowWindow]:
    """See `OpModule.row_windows`."""
    assert isinstance(op.attrs, Pool2DAttrs)
    return {op.inputs[0]: op.attrs.window.rows}


def pool_call(op: Op, graph: Graph, function: str) -> KernelCall:
    """The call of a pooling kernel."""
    attrs = op.attrs
    assert isinstance(attrs, Pool2DAttrs)
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    window = attrs.window
    lowest, highest = activation_range(attrs.activation, output)
    return KernelCall(
        function=function,
        header="pool_2d_s8.h",
        params_type="pool_2d_params",
        fields=fields_of(
            label_of(op),
            input_h=("uint16_t", x.shape[1]),
            input_w=("uint16_t", x.shape[2]),
            output_h=("uint16_t", output.shape[1]),
            output_w=("uint16_t", output.shape[2]),
            channels=("uint16_t", x.shape[3]),
            filter_h=("uint16_t", window.filter_h),
            filter_w=("uint16_t", window.filter_w),
            stride_h=("uint16_t", window.stride_h),
            stride_w=("uint16_t", window.stride_w),
            pad_top=("uint16_t", window.pad_top),
            pad_left=("uint16_t", window.pad_left),
            output_min=("int8_t", lowest),
            output_max=("int8_t", highest),
        ),
        constants=(),
        tensors=(op.inputs[0], op.outputs[0]),
        rows=(num_rows(x), num_rows(output)),
    )
