"""AVERAGE_POOL_2D: int8, input and output at the same scale."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import activation_range
from pipeline.ops.pool_2d import Pool2DAttrs, parse_pool, pool_call, pool_row_windows
from pipeline.ops.rows import EVERY_ROW, RowWindow
from pipeline.records import Graph, Op


def parse(raw: RawOp) -> Pool2DAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    return parse_pool(raw)


def macs(op: Op, graph: Graph) -> int:
    """Pooling multiplies nothing."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow]:
    """See `OpModule.row_windows`."""
    if is_global(op, graph):
        return {op.inputs[0]: EVERY_ROW}
    return pool_row_windows(op)


def is_global(op: Op, graph: Graph) -> bool:
    """Whether the window covers the whole image, of more than one row."""
    assert isinstance(op.attrs, Pool2DAttrs)
    _, height, width, _ = graph.tensors[op.inputs[0]].shape
    _, output_h, output_w, _ = graph.tensors[op.outputs[0]].shape
    window = op.attrs.window
    reach_h, reach_w = window.filter_h - window.pad_top, window.filter_w - window.pad_left
    covers = reach_h >= height and reach_w >= width
    return covers and (output_h, output_w) == (1, 1) and height > 1


def call(op: Op, graph: Graph) -> KernelCall:
    """average_pool_2d_s8, or average_rows_s8 of a whole image; see `OpModule.call`."""
    if is_global(op, graph):
        return global_call(op, graph)
    return pool_call(op, graph, "average_pool_2d_s8")


def global_call(op: Op, graph: Graph) -> KernelCall:
    """The call of the kernel that averages a whole image, row by row."""
    assert isinstance(op.attrs, Pool2DAttrs)
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    _, height, width, channels = x.shape
    lowest, highest = activation_range(op.attrs.activation, output)
    return KernelCall(
        function="average_rows_s8",
        header="average_rows_s8.h",
        params_type="average_rows_params",
        fields=fields_of(
            label_of(op),
            input_h=("uint16_t", height),
            input_w=("uint16_t", width),
            channels=("uint16_t", channels),
            output_min=("int8_t", lowest),
            output_max=("int8_t", highest),
        ),
        constants=(),
        tensors=(op.inputs[0], op.outputs[0]),
        rows=(height, 1),
        scratch_bytes=4 * channels,
        keeps_scratch=True,
    )
