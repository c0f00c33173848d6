"""Which layers can have weights of four bits, and what they are before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.ops.checks import quant_of, scale_of, zero_point_of
from pipeline.ops.convolution import attrs_of
from pipeline.ops.filters import bias_values
from pipeline.records import Array, Graph, Op, OpKind

FloatArray = npt.NDArray[np.float64]

# Depthwise filters are left alone: their few weights are the most sensitive ones, and no kernel
# would hold them in less.
_KINDS = frozenset({OpKind.CONV_2D, OpKind.FULLY_CONNECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedLayer:
    """A convolution or a fully connected layer with weights of eight bits.

    Attributes:
        op: the operator.
        weights: real values [channels, weights of a channel].
        bias: real values [channels].
        groups: of channels that do not mix.
        input_scale, input_zero_point: of what it reads.
        output_size: height and width of a convolution's output; (1, 1) of another's.
    """

    op: Op
    weights: FloatArray
    bias: FloatArray
    groups: int
    input_scale: float
    input_zero_point: int
    output_size: tuple[int, int]


def eligible_layers(graph: Graph) -> tuple[WeightedLayer, ...]:
    """The layers of a graph whose filters can take four bits, in execution order.

    Not among them: filters that are of four bits already, that several operators share, or that
    are constants of an operator of another kind as well.
    """
    users: dict[int, int] = {}
    for op in graph.ops:
        for index in op.inputs:
            users[index] = users.get(index, 0) + 1
    return tuple(
        _layer(op, graph)
        for op in graph.ops
        if op.kind in _KINDS
        and graph.tensors[op.inputs[1]].dtype == "int8"
        and all(users[index] == 1 for index in op.inputs[1:] if index >= 0)
    )


def _layer(op: Op, graph: Graph) -> WeightedLayer:
    x, filter_ = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    assert filter_.constant is not None
    channels, output = filter_.shape[0], graph.tensors[op.outputs[0]].shape
    scales = np.broadcast_to(np.array(quant_of(filter_).scale), channels)
    weights = filter_.constant.reshape(channels, -1).astype(np.float64)
    return WeightedLayer(
        op=op,
        weights=weights * scales[:, np.newaxis],
        bias=bias_values(op, graph, channels) * scales * scale_of(x),
        groups=1 if op.kind is OpKind.FULLY_CONNECTED else attrs_of(op).groups,
        input_scale=scale_of(x),
        input_zero_point=zero_point_of(x),
        output_size=(output[1], output[2]) if op.kind is OpKind.CONV_2D else (1, 1),
    )


def input_rows(layer: WeightedLayer, activations: Array, most: int) -> FloatArray:
    """What a layer's weights are multiplied with, as real values.

    Args:
        layer: with one group.
        activations: its quantized input [samples, ...].
        most: rows; where there are more, evenly spread ones are taken.
    Returns:
        [rows, weights of a channel], in the filter's order.
    """
    depth = layer.weights.shape[1]
    centred = activations.astype(np.float64) - layer.input_zero_point
    if layer.op.kind is OpKind.FULLY_CONNECTED:
        rows = centred.reshape(-1, depth)
    else:
        rows = _windows(layer, centred, most).reshape(-1, depth)
    return rows[_spread(len(rows), most)] * layer.input_scale


def _windows(layer: WeightedLayer, x: FloatArray, most: int) -> FloatArray:
    """Windows [pixels, height, width, channels] of images x whose padding is 0."""
    window = attrs_of(layer.op).window
    _, height, width, channels = x.shape
    output_h, output_w = layer.output_size
    below = (output_h - 1) * window.stride_h + window.reach_h - window.pad_top - height
    beside = (output_w - 1) * window.stride_w + window.reach_w - window.pad_left - width
    padded = np.pad(
        x,
        ((0, 0), (window.pad_top, max(0, below)), (window.pad_left, max(0, beside)), (0, 0)),
    )
    pixels = _spread(len(x) * output_h * output_w, most)
    sample, pixel = np.divmod(pixels, output_h * output_w)
    y, column = np.divmod(pixel, output_w)
    rows = y[:, np.newaxis] * window.stride_h + np.arange(window.filter_h) * window.dilation_h
    columns = (
        column[:, np.newaxis] * window.stride_w + np.arange(window.filter_w) * window.dilation_w
    )
    return padded[
        sample[:, np.newaxis, np.newaxis], rows[:, :, np.newaxis], columns[:, np.newaxis, :]
    ].reshape(len(pixels), window.filter_h, window.filter_w, channels)


def _spread(count: int, most: int) -> npt.NDArray[np.intp]:
    """At most `most` of `count` places, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))
