"""Interval arithmetic over a quantized graph: which values each channel can take at all.

Every rule computes in integers what the reference kernels compute, at the lowest and at the
highest value that an input can have, so the bounds are exact for one operator; where values
depend on each other they may be wider than need be, never narrower. A channel whose bounds meet
is constant whatever the input. An operator without a rule can give any value of its type.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.fixed_point import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    scale_in_double,
)
from pipeline.ops import add, extremes, mul, prelu
from pipeline.ops.base import label_of
from pipeline.ops.checks import (
    activation_range,
    check_scaled_range,
    constant_of,
    zero_point_of,
)
from pipeline.ops.concatenation import ConcatenationAttrs
from pipeline.ops.convolution import attrs_of
from pipeline.ops.filters import accumulator_limits, bias_values, real_factors
from pipeline.ops.fully_connected import FullyConnectedAttrs
from pipeline.ops.lookup import LookupAttrs
from pipeline.ops.mean import MeanAttrs, mean_factor
from pipeline.ops.pad import PadAttrs
from pipeline.ops.pool_2d import Pool2DAttrs
from pipeline.ops.quantize import requantization_table
from pipeline.ops.strided_copy import StridedCopyAttrs
from pipeline.records import Graph, Op, OpKind, Tensor

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Bounds of a tensor's quantized values, one pair for each index of its last axis.

    Attributes:
        low, high: [channels], both inclusive; a scalar has one channel.
    """

    low: Int64Array = field(compare=False)
    high: Int64Array = field(compare=False)

    @property
    def constant(self) -> BoolArray:
        """Which channels have one value everywhere, whatever the input: [channels]."""
        constant: BoolArray = self.low == self.high
        return constant


Rule = Callable[[Op, Graph, Sequence[Reach]], Reach]


def channels_of(tensor: Tensor) -> int:
    """Length of the last axis; 1 for a scalar."""
    return tensor.shape[-1] if tensor.shape else 1


def reaches_of(graph: Graph) -> tuple[Reach, ...]:
    """Bounds of every tensor.

    Raises:
        UnsupportedModelError: the scales are so broken that kernels would overflow.
    """
    found = [_initial(tensor) for tensor in graph.tensors]
    for op in graph.ops:
        rule = _RULES.get(op.kind)
        if rule is not None:
            inputs = [found[index] for index in op.inputs if index >= 0]
            found[op.outputs[0]] = rule(op, graph, inputs)
    return tuple(found)


def _initial(tensor: Tensor) -> Reach:
    """What a constant has over all axes but the last, or all that the type can hold."""
    channels = channels_of(tensor)
    if tensor.constant is not None and tensor.constant.dtype.kind in "iu" and tensor.constant.size:
        rows = tensor.constant.reshape(-1, channels).astype(np.int64)
        return Reach(low=rows.min(axis=0), high=rows.max(axis=0))
    # The range of a type that holds no quantized values is never asked for.
    info = np.iinfo(tensor.dtype if tensor.dtype in ("int8", "uint8") else "int8")
    low, high = (np.full(channels, bound, dtype=np.int64) for bound in (info.min, info.max))
    return Reach(low=low, high=high)


def filter_by_channel(op: Op, graph: Graph) -> Int64Array:
    """The filter of a convolution, depthwise ones too: [out, height, width, in / groups]."""
    values: Int64Array = constant_of(graph, op.inputs[1]).astype(np.int64)
    if op.kind is OpKind.DEPTHWISE_CONV_2D:
        values = np.moveaxis(values[0], 2, 0)[..., np.newaxis]
    return values


def padded_taps(op: Op, graph: Graph) -> BoolArray:
    """Which taps of a convolution lie outside its input somewhere: [filter_h, filter_w]."""
    x, output = (graph.tensors[index].shape for index in (op.inputs[0], op.outputs[0]))
    window = attrs_of(op).window
    sides = []
    for axis, taps, stride, dilation, pad in (
        (1, window.filter_h, window.stride_h, window.dilation_h, window.pad_top),
        (2, window.filter_w, window.stride_w, window.dilation_w, window.pad_left),
    ):
        first = np.arange(taps) * dilation - pad
        last = first + (output[axis] - 1) * stride
        sides.append((first < 0) | (last >= x[axis]))
    outside: BoolArray = np.logical_or.outer(*sides)
    return outside


def accumulators(op: Op, graph: Graph, x: Reach) -> Reach:
    """Bounds of the accumulators of a layer with weights, one pair per output channel."""
    zero_point = zero_point_of(graph.tensors[op.inputs[0]])
    low, high = x.low - zero_point, x.high - zero_point
    if op.kind is OpKind.FULLY_CONNECTED:
        weights = constant_of(graph, op.inputs[1]).astype(np.int64)
        row = seen_as(Reach(low=low, high=high), weights.shape[1])
        at_low, at_high = weights * row.low, weights * row.high
    else:
        weights = filter_by_channel(op, graph)
        channels, depth = weights.shape[0], weights.shape[3]
        # Padding is the zero point, which is 0 by now: a tap that may see it reaches there, too.
        outside = padded_taps(op, graph)[..., np.newaxis]
        low = np.where(outside, np.minimum(low, 0), low)
        high = np.where(outside, np.maximum(high, 0), high)
        group = np.arange(channels) // (channels // attrs_of(op).groups)
        read = group[:, np.newaxis] * depth + np.arange(depth)
        at_low, at_high = (weights * np.moveaxis(bound[..., read], 2, 0) for bound in (low, high))
    inner = tuple(range(1, weights.ndim))
    bias = bias_values(op, graph, len(weights)).astype(np.int64)
    return Reach(
        low=bias + np.minimum(at_low, at_high).sum(axis=inner),
        high=bias + np.maximum(at_low, at_high).sum(axis=inner),
    )


def seen_as(reach: Reach, channels: int) -> Reach:
    """The same values in memory under a last axis of another length."""
    shared = math.gcd(len(reach.low), channels)
    low, high = reach.low.reshape(-1, shared), reach.high.reshape(-1, shared)
    copies = channels // shared
    return Reach(low=np.tile(low.min(axis=0), copies), high=np.tile(high.max(axis=0), copies))


def _convolution(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    """CONV_2D and DEPTHWISE_CONV_2D."""
    total = accumulators(op, graph, inputs[0])
    requants = [quantize_multiplier(real) for real in _checked_factors(op, graph)]

    def scaled(totals: Int64Array) -> Int64Array:
        pairs = zip(totals[:, np.newaxis], requants, strict=True)
        return np.concatenate([multiply_by_quantized_multiplier(*pair) for pair in pairs])

    return _output(op, graph, attrs_of(op).activation, scaled(total.low), scaled(total.high))


def _fully_connected(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    attrs = op.attrs
    assert isinstance(attrs, FullyConnectedAttrs)
    total = accumulators(op, graph, inputs[0])
    factors = np.array(_checked_factors(op, graph))
    low, high = (scale_in_double(totals, factors) for totals in (total.low, total.high))
    made = _output(op, graph, attrs.activation, low, high)
    return seen_as(made, channels_of(graph.tensors[op.outputs[0]]))


def _checked_factors(op: Op, graph: Graph) -> tuple[float, ...]:
    """Factor of each output channel; refuses those that the layer's kernel call refuses."""
    filter_ = constant_of(graph, op.inputs[1])
    by_channel = filter_.reshape(len(filter_), -1)
    if op.kind is OpKind.DEPTHWISE_CONV_2D:
        by_channel = filter_.reshape(-1, filter_.shape[3]).T
    factors = real_factors(op, graph, len(by_channel))
    for limit, factor in zip(accumulator_limits(op, graph, by_channel), factors, strict=True):
        check_scaled_range(label_of(op), limit, factor)
    return factors


def _output(op: Op, graph: Graph, activation: int, low: Int64Array, high: Int64Array) -> Reach:
    """Scaled values with the output's zero point added, between the bounds of the activation."""
    output = graph.tensors[op.outputs[0]]
    lowest, highest = activation_range(activation, output)
    zero_point = zero_point_of(output)
    return Reach(
        low=np.clip(low + zero_point, lowest, highest),
        high=np.clip(high + zero_point, lowest, highest),
    )


def _binary(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    """Operators on two operands: the extremes lie where both are at one of their bounds.

    While one operand is held, each of them only grows or only falls with the other: PRELU does on
    either side of zero.
    """
    a, b = inputs
    firsts = [a.low, a.high]
    zero_point = zero_point_of(graph.tensors[op.inputs[0]])
    if op.kind is OpKind.PRELU:
        firsts += [np.clip(zero_point + side, a.low, a.high) for side in (-1, 0)]
    corners = [
        _EVALUATE[op.kind](op, graph, first, second)
        for first, second in itertools.product(firsts, (b.low, b.high))
    ]
    shape = (channels_of(graph.tensors[op.outputs[0]]),)
    low, high = (np.broadcast_to(bound(corners, axis=0), shape) for bound in (np.min, np.max))
    return Reach(low=low, high=high)


def _pool(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    """Neither an average nor a maximum leaves the range of its values; padding counts in none."""
    attrs = op.attrs
    assert isinstance(attrs, Pool2DAttrs)
    lowest, highest = activation_range(attrs.activation, graph.tensors[op.outputs[0]])
    low, high = (np.clip(bound, lowest, highest) for bound in (inputs[0].low, inputs[0].high))
    return Reach(low=low, high=high)


def _largest(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    """REDUCE_MAX: over pixels the range of the channel, over channels that of all."""
    attrs = op.attrs
    assert isinstance(attrs, MeanAttrs)
    x, output = (graph.tensors[index] for index in (op.inputs[0], op.outputs[0]))
    # Over the last axis itself, that is where `inner` is no multiple of it, channels mix.
    own = channels_of(x) if attrs.inner % channels_of(x) == 0 else 1
    return seen_as(seen_as(inputs[0], own), channels_of(output))


def _mean(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    attrs = op.attrs
    assert isinstance(attrs, MeanAttrs)
    x, output = (graph.tensors[index] for index in (op.inputs[0], op.outputs[0]))
    factor = mean_factor(op, graph)

    def mean(bound: Int64Array) -> Int64Array:
        sums = (bound - zero_point_of(x)) * attrs.reduced
        return multiply_by_quantized_multiplier(sums, factor)

    reach = _largest(op, graph, inputs)
    return _output(op, graph, 0, mean(reach.low), mean(reach.high))


def _pad(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    attrs = op.attrs
    assert isinstance(attrs, PadAttrs)
    zero_point = zero_point_of(graph.tensors[op.outputs[0]])
    low, high = inputs[0].low, inputs[0].high
    if any(attrs.before[:3]) or any(attrs.after[:3]):
        low, high = np.minimum(low, zero_point), np.maximum(high, zero_point)
    around = (attrs.before[3], attrs.after[3])
    low, high = (np.pad(bound, around, constant_values=zero_point) for bound in (low, high))
    return Reach(low=low, high=high)


def _quantize(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    x, output = (graph.tensors[index] for index in (op.inputs[0], op.outputs[0]))
    if x.dtype == "float32":
        return _initial(output)
    table = requantization_table(x, output).view(output.dtype).astype(np.int64)
    low, high = (table[bound & 0xFF] for bound in (inputs[0].low, inputs[0].high))
    return Reach(low=low, high=high)


def _lookup(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    """An elementwise function, which need not be monotone: the extremes between the bounds."""
    attrs = op.attrs
    assert isinstance(attrs, LookupAttrs)
    table = np.array(attrs.table, dtype=np.int64)
    ranges = [
        table[low + 128 : high + 129]
        for low, high in zip(inputs[0].low, inputs[0].high, strict=True)
    ]
    return Reach(
        low=np.array([values.min() for values in ranges]),
        high=np.array([values.max() for values in ranges]),
    )


def _concatenation(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    """One after the other along channels, or every input's values in one place."""
    attrs = op.attrs
    assert isinstance(attrs, ConcatenationAttrs)
    output = graph.tensors[op.outputs[0]]
    if op.kind is OpKind.CONCATENATION and attrs.axis == len(output.shape) - 1:
        return Reach(
            low=np.concatenate([reach.low for reach in inputs]),
            high=np.concatenate([reach.high for reach in inputs]),
        )
    seen = [seen_as(reach, channels_of(output)) for reach in inputs]
    if op.kind is OpKind.PACK and attrs.axis == len(output.shape) - 1:
        # The new axis runs over the inputs.
        return Reach(
            low=np.array([reach.low.min() for reach in inputs]),
            high=np.array([reach.high.max() for reach in inputs]),
        )
    return Reach(
        low=np.min([reach.low for reach in seen], axis=0),
        high=np.max([reach.high for reach in seen], axis=0),
    )


def copied_channels(op: Op, graph: Graph) -> Int64Array | None:
    """For each index of the output's last axis the channel of the input that it is, or None."""
    attrs = op.attrs
    assert isinstance(attrs, StridedCopyAttrs)
    x, output = graph.tensors[op.inputs[attrs.source]], graph.tensors[op.outputs[0]]
    channels = channels_of(x)
    *others, last = attrs.stride or (0,)
    if any(stride % channels for stride in others):
        return None
    return (attrs.offset + np.arange(channels_of(output)) * last) % channels


def _strided_copy(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    """Slices, splits, tiles, transpositions and blocks."""
    attrs = op.attrs
    assert isinstance(attrs, StridedCopyAttrs)
    source = inputs[attrs.source]
    copied = copied_channels(op, graph)
    if copied is None:
        return seen_as(seen_as(source, 1), channels_of(graph.tensors[op.outputs[0]]))
    return Reach(low=source.low[copied], high=source.high[copied])


def _resize(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    """Neither a pixel nor a mean of pixels leaves the range of its channel."""
    return inputs[0]


def _reshape(op: Op, graph: Graph, inputs: Sequence[Reach]) -> Reach:
    return seen_as(inputs[0], channels_of(graph.tensors[op.outputs[0]]))


# Results of an operator for values of both operands.
_EVALUATE: Mapping[OpKind, Callable[[Op, Graph, Int64Array, Int64Array], Int64Array]] = {
    OpKind.ADD: add.evaluate,
    OpKind.MAXIMUM: extremes.evaluate,
    OpKind.MINIMUM: extremes.evaluate,
    OpKind.MUL: mul.evaluate,
    OpKind.PRELU: prelu.evaluate,
    OpKind.SUB: add.evaluate,
}

_RULES: Mapping[OpKind, Rule] = {
    OpKind.ADD: _binary,
    OpKind.AVERAGE_POOL_2D: _pool,
    OpKind.CONCATENATION: _concatenation,
    OpKind.CONV_2D: _convolution,
    OpKind.DEPTHWISE_CONV_2D: _convolution,
    OpKind.DEPTH_TO_SPACE: _strided_copy,
    OpKind.FULLY_CONNECTED: _fully_connected,
    OpKind.HARD_SWISH: _lookup,
    OpKind.LEAKY_RELU: _lookup,
    OpKind.LOGISTIC: _lookup,
    OpKind.MAXIMUM: _binary,
    OpKind.MAX_POOL_2D: _pool,
    OpKind.MEAN: _mean,
    OpKind.MINIMUM: _binary,
    OpKind.MUL: _binary,
    OpKind.PACK: _concatenation,
    OpKind.PAD: _pad,
    OpKind.PRELU: _binary,
    OpKind.QUANTIZE: _quantize,
    OpKind.REDUCE_MAX: _largest,
    OpKind.RELU: _lookup,
    OpKind.RELU6: _lookup,
    OpKind.RELU_0_TO_1: _lookup,
    OpKind.RELU_N1_TO_1: _lookup,
    OpKind.RESHAPE: _reshape,
    OpKind.RESIZE_BILINEAR: _resize,
    OpKind.RESIZE_NEAREST_NEIGHBOR: _resize,
    OpKind.SLICE: _strided_copy,
    OpKind.SPACE_TO_DEPTH: _strided_copy,
    OpKind.SPLIT: _strided_copy,
    OpKind.SPLIT_V: _strided_copy,
    OpKind.STRIDED_SLICE: _strided_copy,
    OpKind.SUB: _binary,
    OpKind.TANH: _lookup,
    OpKind.TILE: _strided_copy,
    OpKind.TRANSPOSE: _strided_copy,
    OpKind.UNPACK: _strided_copy,
}
