"""QUANTIZE: to 8 bits, from another 8-bit quantization or from the float32 input of a model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pipeline.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import (
    check_scaled_range,
    input_of,
    require,
    require_counts,
    scale_of,
    zero_point_of,
)
from pipeline.ops.lookup import lookup_call
from pipeline.ops.real_values import real_values_call, require_quantized, require_real_values
from pipeline.ops.rows import RowWindow, num_rows
from pipeline.records import Graph, Op, Tensor


def parse(raw: RawOp) -> None:
    """Check shapes and types; see `OpModule.parse`. The operator has no attributes."""
    require_counts(raw, (1, 1))
    x, output = input_of(raw, 0), raw.outputs[0]
    if x.dtype == "float32":
        require_real_values(raw, x, output)
        return
    for tensor in (x, output):
        require_quantized(raw, tensor)
    require(
        x.num_elements == output.num_elements,
        raw,
        "input and output must have the same shape",
        f"{x.shape} and {output.shape}",
        "The file is damaged; convert the model again.",
    )


def macs(op: Op, graph: Graph) -> int:
    """Nothing is accumulated."""
    return 0


def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
    """See `OpModule.row_windows`."""
    if graph.tensors[op.inputs[0]].dtype == "float32":
        return None
    same = graph.tensors[op.inputs[0]].shape == graph.tensors[op.outputs[0]].shape
    return {op.inputs[0]: RowWindow()} if same else None


def call(op: Op, graph: Graph) -> KernelCall:
    """flip_sign_8 where that is all, else lookup_8; quantize_f32 of floats; see `OpModule.call`."""
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if x.dtype == "float32":
        return real_values_call(op, graph, "quantize_f32", op.outputs[0])
    check_scaled_range(label_of(op), 255, scale_of(x) / scale_of(output))
    table = requantization_table(x, output)
    rows = num_rows(x) if x.shape == output.shape else 1
    if not np.array_equal(table, np.arange(256) ^ 0x80):
        return lookup_call(op, graph, table, rows)
    return KernelCall(
        function="flip_sign_8",
        header="flip_sign_8.h",
        params_type="flip_sign_params",
        fields=fields_of(label_of(op), row_bytes=("int32_t", x.num_elements // rows)),
        constants=(),
        tensors=(op.inputs[0], op.outputs[0]),
        rows=(rows, rows),
        in_place=True,
    )


def requantization_table(x: Tensor, output: Tensor) -> npt.NDArray[np.uint8]:
    """Output bits [256] for each pattern of input bits.

    Source: TFLite `Requantize` (kernels/internal/reference/requantize.h); bit-exact.
    """
    values = np.arange(256, dtype=np.uint8).view(x.dtype).astype(np.int64)
    requant = quantize_multiplier(scale_of(x) / scale_of(output))
    scaled = multiply_by_quantized_multiplier(values - zero_point_of(x), requant)
    info = np.iinfo(output.dtype)
    result = np.clip(scaled + zero_point_of(output), info.min, info.max).astype(output.dtype)
    return result.view(np.uint8)
