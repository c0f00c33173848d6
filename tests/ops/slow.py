"""Operators in plain NumPy on int64, written from their definitions: a second oracle."""

from __future__ import annotations

import itertools

import numpy as np

from pipeline.ops.checks import activation_range
from pipeline.ops.convolution import attrs_of
from pipeline.ops.fully_connected import FullyConnectedAttrs
from pipeline.ops.window import Window
from pipeline.records import Array, Graph, Op, OpKind, Tensor


def convolve(op: Op, graph: Graph, x: Array) -> Array:
    """CONV_2D and DEPTHWISE_CONV_2D of x [1, height, width, channels], one value at a time."""
    attrs = attrs_of(op)
    weights = _value(graph.tensors[op.inputs[1]])
    groups = attrs.groups
    if op.kind is OpKind.DEPTHWISE_CONV_2D:
        # [1, h, w, out] as [out, h, w, 1]: as many groups as input channels.
        weights, groups = np.moveaxis(weights[0], 2, 0)[..., np.newaxis], x.shape[3]
    output = graph.tensors[op.outputs[0]]
    result = np.zeros(output.shape, dtype=np.int64)
    centred = _centred(graph.tensors[op.inputs[0]], x)[0]
    bias = _bias(op, graph, len(weights))
    depth = weights.shape[3]
    per_group = len(weights) // groups
    for oy, ox, channel in itertools.product(*(range(size) for size in output.shape[1:])):
        first = channel // per_group * depth
        total = int(bias[channel])
        for ky, kx in itertools.product(range(weights.shape[1]), range(weights.shape[2])):
            iy, ix = _tap(attrs.window, oy, ox, ky, kx)
            if 0 <= iy < centred.shape[0] and 0 <= ix < centred.shape[1]:
                total += int(centred[iy, ix, first : first + depth] @ weights[channel, ky, kx])
        factor = _factor(op, graph, channel)
        result[0, oy, ox, channel] = double_rounding(total, factor)
    return _finish(result, output, attrs.activation)


def fully_connect(op: Op, graph: Graph, x: Array) -> Array:
    """FULLY_CONNECTED: scaled as a double, rounded half away from zero."""
    attrs = op.attrs
    assert isinstance(attrs, FullyConnectedAttrs)
    weights = _value(graph.tensors[op.inputs[1]])
    rows = _centred(graph.tensors[op.inputs[0]], x).reshape(-1, weights.shape[1])
    totals = rows @ weights.T + _bias(op, graph, len(weights))
    result = [
        [_half_away(float(total) * _factor(op, graph, c)) for c, total in enumerate(row)]
        for row in totals.tolist()
    ]
    output = graph.tensors[op.outputs[0]]
    return _finish(np.array(result, dtype=np.int64).reshape(output.shape), output, attrs.activation)


def double_rounding(x: int, factor: float) -> int:
    """Gemmlowp's two roundings in exact integers: see test_fixed_point.py for its definition."""
    fraction, exponent = np.frexp(factor)
    multiplier = int(np.floor(float(fraction) * 2**31 + 0.5))
    shift = int(exponent)
    if multiplier == 2**31:
        multiplier, shift = multiplier // 2, shift + 1
    if shift < -31:
        return 0
    high = (x * 2 ** max(shift, 0) * multiplier + 2**30) // 2**31
    return divide_half_away(high, 2 ** max(-shift, 0))


def divide_half_away(x: int, divisor: int) -> int:
    """Integer quotient, rounded to the nearest, ties away from zero."""
    magnitude = (2 * abs(x) + divisor) // (2 * divisor)
    return magnitude if x >= 0 else -magnitude


def _half_away(x: float) -> int:
    return int(np.copysign(np.floor(abs(x) + 0.5), x)) if abs(x) < 2**51 else int(x)


def _tap(window: Window, oy: int, ox: int, ky: int, kx: int) -> tuple[int, int]:
    return (
        oy * window.stride_h - window.pad_top + ky * window.dilation_h,
        ox * window.stride_w - window.pad_left + kx * window.dilation_w,
    )


def _value(tensor: Tensor) -> Array:
    assert tensor.constant is not None
    return tensor.constant.astype(np.int64)


def _centred(tensor: Tensor, x: Array) -> Array:
    assert tensor.quant is not None
    return x.astype(np.int64) - tensor.quant.zero_point[0]


def _bias(op: Op, graph: Graph, channels: int) -> Array:
    if len(op.inputs) < 3 or op.inputs[2] < 0:
        return np.zeros(channels, dtype=np.int64)
    return _value(graph.tensors[op.inputs[2]])


def _factor(op: Op, graph: Graph, channel: int) -> float:
    x, weights, y = (graph.tensors[i].quant for i in (*op.inputs[:2], op.outputs[0]))
    assert x is not None
    assert weights is not None
    assert y is not None
    return x.scale[0] * weights.scale[channel % len(weights.scale)] / y.scale[0]


def _finish(result: Array, output: Tensor, activation: int) -> Array:
    assert output.quant is not None
    lowest, highest = activation_range(activation, output)
    return np.clip(result + output.quant.zero_point[0], lowest, highest).astype(np.int8)
