"""ADD of two tensors of one shape, as one linear function that is exact for all pairs of bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from pipeline.ops.add import LEFT_SHIFT, AddAttrs
from pipeline.ops.base import KernelCall, fields_of, label_of
from pipeline.ops.checks import activation_range, scale_of, zero_point_of
from pipeline.ops.rows import num_rows, row_bytes
from pipeline.records import Graph, Op, Tensor

Int64Array = npt.NDArray[np.int64]

# Of the kernel: sums have this many fractional bits before they are saturated.
_FRACTION_BITS = 20

# Factors that are looked at, and the best of them that are tried; the first does for almost every
# layer.
_SEARCH = 1 << 14
_CANDIDATES = 8

# Beyond every sum.
_NONE = 1 << 40

_BYTES: Int64Array = np.arange(-128, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSum:
    """Constants of add_dsp_s8; see its header."""

    a_factor: int
    b_factor: int
    multiplier: int
    offset: int

    def apply(self, a: Int64Array, b: Int64Array) -> Int64Array:
        """The kernel's results for int8 operands."""
        high = ((a * self.a_factor + b * self.b_factor) * self.multiplier) >> 32
        result: Int64Array = np.clip((high + self.offset) >> _FRACTION_BITS, -128, 127)
        return result


def call(op: Op, graph: Graph) -> KernelCall | None:
    """add_dsp_s8 where it is exact; see `DspModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, AddAttrs)
    if attrs.a_shape != attrs.b_shape:
        return None
    a, b = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    output = graph.tensors[op.outputs[0]]
    form = linear_sum(a, b, output, activation_range(attrs.activation, output))
    if form is None:
        return None
    return KernelCall(
        function="add_dsp_s8",
        header="dsp/add_dsp_s8.h",
        params_type="add_dsp_params",
        fields=fields_of(
            label_of(op),
            a_factor=("int32_t", form.a_factor),
            b_factor=("int32_t", form.b_factor),
            multiplier=("int32_t", form.multiplier),
            offset=("int32_t", form.offset),
            row_bytes=("int32_t", row_bytes(output)),
        ),
        constants=(),
        tensors=(*op.inputs, op.outputs[0]),
        rows=(num_rows(output),) * 3,
        in_place=True,
    )


def linear_sum(a: Tensor, b: Tensor, output: Tensor, clamp: tuple[int, int]) -> LinearSum | None:
    """Find constants for which the kernel gives the reference's result for every pair of bytes.

    Args:
        a, b, output: tensors with one scale each.
        clamp: lowest and highest result.
    Returns:
        The constants, or None: a clamp other than int8's limits, scales that differ too much, or
        exact ties on both sides of zero, which the reference rounds away from zero.
    """
    if clamp != (-128, 127):
        return None
    expected = _reference(a, b, output)
    real_a, real_b = (scale_of(x) / scale_of(output) for x in (a, b))
    largest, ratio = max(real_a, real_b), min(real_a, real_b) / max(real_a, real_b)
    # The larger factor: above, the sum of products would leave int32; below, the multiplier,
    # largest * 2**52 / factor.
    highest = min(largest * 2.0**22, ((1 << 24) - 2) / (1 + ratio))
    factors = np.arange(max(int(largest * 2.0**21), int(highest) - _SEARCH) + 1, int(highest) + 1)
    # Those with an integer beside them in the ratio of the scales, as near as can be.
    smaller = factors * ratio
    error = np.abs(smaller - np.rint(smaller))
    for place in np.argsort(error, kind="stable")[:_CANDIDATES]:
        pair = int(factors[place]), int(np.rint(smaller[place]))
        a_factor, b_factor = pair if real_a >= real_b else pair[::-1]
        multiplier = round(largest * 2.0 ** (32 + _FRACTION_BITS) / pair[0])
        if multiplier >= 1 << 31:
            continue
        form = LinearSum(a_factor=a_factor, b_factor=b_factor, multiplier=multiplier, offset=0)
        offset = _offset(form, expected)
        if offset is not None:
            return replace(form, offset=offset)
    return None


def _offset(form: LinearSum, expected: Int64Array) -> int | None:
    """The offset that gives a form its expected results, [a, b] for all bytes; None if none does.

    An offset is right if and only if it lifts the sums of every result over the result's lower
    limit, and none of them over the upper one.
    """
    a, b = _BYTES[:, np.newaxis], _BYTES[np.newaxis, :]
    high = ((a * form.a_factor + b * form.b_factor) * form.multiplier) >> 32
    # Of all sums whose result is at least, or at most, a value.
    smallest, largest = np.full(256, _NONE), np.full(256, -_NONE)
    np.minimum.at(smallest, expected + 128, high)
    np.maximum.at(largest, expected + 128, high)
    smallest = np.minimum.accumulate(smallest[::-1])[::-1]
    largest = np.maximum.accumulate(largest)
    lowest = int(((_BYTES[1:] << _FRACTION_BITS) - smallest[1:]).max())
    highest = int((((_BYTES[:-1] + 1) << _FRACTION_BITS) - 1 - largest[:-1]).min())
    offset = (lowest + highest) // 2
    reach = int(np.abs(high).max()) + abs(offset)
    return offset if lowest <= highest and reach < 1 << 31 else None


def _reference(a: Tensor, b: Tensor, output: Tensor) -> Int64Array:
    """TFLite's results [a, b] for all pairs of bytes.

    Source: TFLite `Add` (internal/reference/integer_ops/add.h) and `PrepareGeneralAddOp`.
    """
    twice_largest = 2.0 * max(scale_of(a), scale_of(b))
    scaled = [
        multiply_by_quantized_multiplier(
            (_BYTES - zero_point_of(x)) << LEFT_SHIFT,
            quantize_multiplier(scale_of(x) / twice_largest),
        )
        for x in (a, b)
    ]
    to_output = quantize_multiplier(twice_largest / ((1 << LEFT_SHIFT) * scale_of(output)))
    sums = scaled[0][:, np.newaxis] + scaled[1][np.newaxis, :]
    result = multiply_by_quantized_multiplier(sums, to_output) + zero_point_of(output)
    return np.clip(result, -128, 127)
