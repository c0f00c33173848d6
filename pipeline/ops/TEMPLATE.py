"""NAME: types it takes, in one line; what it does not take, and why.

Copy this file to <operator>.py, in TFLite's name and lower case, and replace what it says about
its example: LEAKY_RELU by an imagined kernel leaky_relu_s8. The file is complete and typed, so
that mypy and ruff keep it true; no table refers to it. README.md has the other steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.fixed_point import quantize_multiplier
from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import (
    check_scaled_range,
    input_of,
    require,
    require_counts,
    require_int8,
    scale_of,
    zero_point_of,
)
from pipeline.ops.rows import RowWindow, num_rows, row_bytes
from pipeline.records import Graph, Op


# What the file's options say, and what follows from the shapes: numbers, not flatbuffers.
# An operator without any returns None from parse() and needs no class.
@dataclass(frozen=True, slots=True, kw_only=True)
class LeakyReluAttrs:
    """Attributes of LEAKY_RELU: the slope of the negative part, unitless."""

    alpha: float


# parse() is the gate: whatever it lets through, the kernel must compute exactly as the
# reference does. It checks, in this order,
#   - how many inputs and outputs there are (nothing can be indexed before that),
#   - types and quantization,
#   - shapes: the output's against the inputs', since a file may say anything,
#   - options.
# Every message names the operator, the expectation, what was received and a way out.
def parse(raw: RawOp) -> LeakyReluAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    # The schema package is imported where it is needed, so that `--help` stays instant.
    import tflite

    require_counts(raw, (1, 1))
    x, output = input_of(raw, 0), raw.outputs[0]
    require_int8(raw, x, output)
    require(
        x.shape == output.shape,
        raw,
        "input and output must have the same shape",
        f"{x.shape} and {output.shape}",
        "The file is damaged; convert the model again.",
    )
    alpha = raw.options_as(tflite.LeakyReluOptions).Alpha()
    require(
        math.isfinite(alpha) and alpha > 0,
        raw,
        "alpha must be finite and positive",
        alpha,
        "Use a positive slope in the Keras model.",
    )
    return LeakyReluAttrs(alpha=alpha)


# Multiply-accumulates, padding included; 0 where nothing is multiplied and summed.
def macs(op: Op, graph: Graph) -> int:
    """A scaling is no multiply-accumulate."""
    return 0


# row_windows() says which rows of its inputs an output row is computed from, so that the plan can
# compute an image a few rows at a time; None for an operator that has to see its inputs whole.
def row_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow]:
    """Row by row; see `OpModule.row_windows`."""
    return {op.inputs[0]: RowWindow()}


# call() works everything out that a kernel needs: constants in the kernel's layout, fixed-point
# factors, clamps. Templates only print, and kernels check nothing.
#   - Take factors from fixed_point.py and say which function of TFLite they come from.
#   - fields_of() checks that each number fits its C type; the names are the struct's.
#   - `rows` are the rows that the kernel counts in each tensor, empty for a kernel that takes whole
#     tensors; `in_place` says that the output may be the input's memory.
#   - A constant array goes into `constants`, and a field ("pointer", "its name") points to it.
def call(op: Op, graph: Graph) -> KernelCall:
    """leaky_relu_s8; see `OpModule.call`.

    Source of the factors: TFLite `LeakyReluPrepare` (kernels/activations.cc).
    """
    attrs = op.attrs
    assert isinstance(attrs, LeakyReluAttrs)
    label = label_of(op)
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    real = scale_of(x) / scale_of(output)
    check_scaled_range(label, 255, max(real, real * attrs.alpha))
    positive = quantize_multiplier(real)
    negative = quantize_multiplier(real * attrs.alpha)
    return KernelCall(
        function="leaky_relu_s8",
        header="leaky_relu_s8.h",
        params_type="leaky_relu_params",
        fields=fields_of(
            label,
            row_bytes=("int32_t", row_bytes(x)),
            positive_multiplier=("int32_t", positive.multiplier),
            positive_shift=("int8_t", positive.shift),
            negative_multiplier=("int32_t", negative.multiplier),
            negative_shift=("int8_t", negative.shift),
            input_offset=("int16_t", -zero_point_of(x)),
            output_offset=("int16_t", zero_point_of(output)),
        ),
        constants=(),
        tensors=(op.inputs[0], op.outputs[0]),
        rows=(num_rows(x), num_rows(output)),
        in_place=True,
    )
