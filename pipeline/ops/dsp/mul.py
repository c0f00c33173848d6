"""MUL of two tensors of one shape, or by one value for each channel: a gate."""

from __future__ import annotations

import itertools

import numpy as np

from pipeline.fixed_point import multiply_by_quantized_multiplier
from pipeline.ops.base import KernelCall, fields_of, label_of
from pipeline.ops.broadcast import Broadcast
from pipeline.ops.checks import activation_range, zero_point_of
from pipeline.ops.mul import MulAttrs, product_factor
from pipeline.ops.rows import num_rows, row_bytes
from pipeline.records import Graph, Op
from pipeline.steps import Forms, Int64Array, check_nearest, find_steps


def call(op: Op, graph: Graph) -> KernelCall | None:
    """mul_dsp_s8 where it is exact and takes the shapes; see `DspModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, MulAttrs)
    output = graph.tensors[op.outputs[0]]
    swaps = _swaps(attrs.broadcast)
    if swaps is None or activation_range(attrs.activation, output) != (-128, 127):
        return None
    form = _form(op, graph)
    if not form.exact.all():
        return None
    operands = op.inputs[::-1] if swaps else op.inputs
    a, b = (graph.tensors[index] for index in operands)
    alike = a.shape == b.shape
    return KernelCall(
        function="mul_dsp_s8",
        header="dsp/mul_dsp_s8.h",
        params_type="mul_dsp_params",
        fields=fields_of(
            label_of(op),
            a_offset=("int32_t", -2 * zero_point_of(a)),
            b_offset=("int32_t", -zero_point_of(b)),
            multiplier=("int32_t", int(form.multiplier[0])),
            rounding=("int32_t", int(form.rounding[0])),
            shift=("int32_t", int(form.shift[0])),
            row_bytes=("int32_t", row_bytes(output)),
            run=("int32_t", row_bytes(output) if alike else b.num_elements),
            b_rows=("int32_t", int(alike)),
        ),
        constants=(),
        tensors=(*operands, op.outputs[0]),
        rows=(num_rows(output), num_rows(output) if alike else 1, num_rows(output)),
        in_place=True,
    )


def _swaps(broadcast: Broadcast) -> bool | None:
    """Whether the second operand has the output's shape and the first is a gate; None: neither."""
    shape = broadcast.shape
    gates = (shape, (1, 1, 1, shape[3]))
    if shape[0] != 1:
        return None
    if broadcast.a_shape == shape and broadcast.b_shape in gates:
        return False
    return True if broadcast.b_shape == shape and broadcast.a_shape in gates else None


def _form(op: Op, graph: Graph) -> Forms:
    """The requantization of products."""
    factor = product_factor(op, graph)
    zero_points = [zero_point_of(graph.tensors[index]) for index in op.inputs]
    ends = [(-128 - zero_point, 127 - zero_point) for zero_point in zero_points]
    products = [a * b for a, b in itertools.product(*ends)]
    zero_point = zero_point_of(graph.tensors[op.outputs[0]])

    def function(product: Int64Array) -> Int64Array:
        return multiply_by_quantized_multiplier(product, factor) + zero_point

    steps = find_steps(
        function, np.array([min(products)]), np.array([max(products)]), results=range(-128, 128)
    )
    multiplier, shift = np.array([factor.multiplier]), np.array([-factor.shift])
    return check_nearest(steps, multiplier, shift, zero_point)
