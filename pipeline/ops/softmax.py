"""SOFTMAX: int8 to int8, over the last axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.fixed_point import quantize_multiplier
from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import (
    input_of,
    quant_of,
    require,
    require_counts,
    require_int8,
    scale_of,
)
from pipeline.records import Graph, Op, Requant

# The exponent's argument is Q5.26 in the reference (kernels/activations.cc).
_INTEGER_BITS = 5

# The sum of exponentials has 12 integer bits.
_MOST_CLASSES = 4095


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftmaxAttrs:
    """Attributes of SOFTMAX."""

    beta: float


def parse(raw: RawOp) -> SoftmaxAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    import tflite

    require_counts(raw, (1, 1))
    x, output = input_of(raw, 0), raw.outputs[0]
    require_int8(raw, x, output)
    require(
        len(x.shape) >= 1 and x.shape == output.shape,
        raw,
        "input and output must have the same shape",
        f"{x.shape} and {output.shape}",
        "The file is damaged; convert the model again.",
    )
    require(
        x.shape[-1] <= _MOST_CLASSES,
        raw,
        f"the last axis must have up to {_MOST_CLASSES} classes",
        x.shape,
        "Use fewer classes, or leave the softmax out of the model.",
    )
    quant = quant_of(output)
    require(
        quant.zero_point[0] == -128 and abs(quant.scale[0] * 256 - 1) <= 0.001,
        raw,
        "the output must have scale 1/256 and zero point -128",
        quant,
        "Quantize the model with TFLite's converter.",
    )
    beta = raw.options_as(tflite.SoftmaxOptions).Beta()
    require(
        math.isfinite(beta) and beta * scale_of(x) * (1 << (31 - _INTEGER_BITS)) > 1,
        raw,
        "beta times the input's scale must be above 2**-26",
        f"{beta} * {scale_of(x)}",
        "The model's scales are broken; quantize it again.",
    )
    return SoftmaxAttrs(beta=beta)


def macs(op: Op, graph: Graph) -> int:
    """Not counted: a softmax has no weights."""
    return 0


def row_windows(op: Op, graph: Graph) -> None:
    """The kernel takes whole tensors; see `OpModule.row_windows`."""


def call(op: Op, graph: Graph) -> KernelCall:
    """softmax_s8; see `OpModule.call`.

    Source of the factors: TFLite `PreprocessSoftmaxScaling` and `CalculateInputRadius`
    (kernels/internal/quantization_util.cc).
    """
    attrs = op.attrs
    assert isinstance(attrs, SoftmaxAttrs)
    x = graph.tensors[op.inputs[0]]
    fraction_bits = 31 - _INTEGER_BITS
    real = attrs.beta * scale_of(x) * (1 << fraction_bits)
    if real < 1 << 30:
        requant = quantize_multiplier(real)
        radius = ((1 << _INTEGER_BITS) - 1) * (1 << fraction_bits) / (1 << requant.shift)
    else:
        # Already a difference of 1 is outside the radius: only the largest classes count.
        requant, radius = Requant(multiplier=0, shift=0), 0.0
    return KernelCall(
        function="softmax_s8",
        header="softmax_s8.h",
        params_type="softmax_params",
        fields=fields_of(
            label_of(op),
            rows=("uint32_t", x.num_elements // x.shape[-1]),
            depth=("uint32_t", x.shape[-1]),
            multiplier=("int32_t", requant.multiplier),
            shift=("int8_t", requant.shift),
            diff_min=("int32_t", -math.floor(radius)),
        ),
        constants=(),
        tensors=(op.inputs[0], op.outputs[0]),
        in_place=True,
    )
