"""Accumulators of a layer, and how kernels turn them into outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.fixed_point import quantize_multiplier, scale_in_double
from pipeline.ops.base import label_of
from pipeline.ops.checks import activation_range, check_scaled_range, constant_of, zero_point_of
from pipeline.ops.convolution import attrs_of
from pipeline.ops.filters import accumulator_limits, bias_values, real_factors
from pipeline.ops.fully_connected import FullyConnectedAttrs
from pipeline.records import Array, Graph, Op, Requant
from pipeline.steps import Forms, Int64Array, Steps, find_steps, fit_floor

# Of a sum before it is multiplied; smaller ones are for larger sums.
_PRESCALES = (8, 7, 6, 5, 4, 3, 2, 1, 0)

# Room for the rounding constant -128 << shift.
_LARGEST_SHIFT = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Accumulators:
    """Sums of int8 inputs times weights plus bias, and the outputs that they become.

    Attributes:
        weights: [channels, depth].
        bias: [channels], with what the input's zero point contributes.
        steps: from sums to outputs; of each channel, or one for all.
        multiplier, exponent: [channels], or [1] for all: an output changes by
            multiplier * 2**(-31 - exponent) where the sum changes by one; multiplier in
            [2**30, 2**31), or 0.
        zero_point: of the output.
    """

    weights: Int64Array
    bias: Int64Array
    steps: Steps
    multiplier: Int64Array
    exponent: Int64Array
    zero_point: int


def convolution_accumulators(op: Op, graph: Graph, filter_by_channel: Array) -> Accumulators:
    """The accumulators of a convolution, which TFLite scales with double rounding.

    Args:
        op, graph: the layer.
        filter_by_channel: [channels, depth].
    Raises:
        UnsupportedModelError: the scales are broken.
    """
    reals = real_factors(op, graph, len(filter_by_channel))
    for limit, real in zip(accumulator_limits(op, graph, filter_by_channel), reals, strict=True):
        check_scaled_range(label_of(op), limit, real)
    requants = [quantize_multiplier(real) for real in reals]
    output = graph.tensors[op.outputs[0]]
    zero_point = zero_point_of(output)
    multiplier = np.array([[requant.multiplier] for requant in requants], dtype=np.int64)
    left = np.array([[max(requant.shift, 0)] for requant in requants], dtype=np.int64)
    right = np.array([[max(-requant.shift, 0)] for requant in requants], dtype=np.int64)

    def function(acc: Int64Array) -> Int64Array:
        """`multiply_by_quantized_multiplier` of all channels at once."""
        high = ((acc << left) * multiplier + (1 << 30)) >> 31
        half = (1 << right) >> 1
        return ((high + half - ((high < 0) & (right > 0))) >> right) + zero_point

    results = activation_range(attrs_of(op).activation, output)
    return _accumulators(op, graph, filter_by_channel, requants, results, function)


def fully_connected_accumulators(op: Op, graph: Graph, factors: tuple[float, ...]) -> Accumulators:
    """The accumulators of a fully connected layer, which TFLite scales in double.

    Args:
        op, graph: the layer.
        factors: of each output, or one for all; in the latter case there are steps for one
            channel, with the reach of them all.
    Raises:
        UnsupportedModelError: the scales are broken.
    """
    filter_ = constant_of(graph, op.inputs[1])
    limits = accumulator_limits(op, graph, filter_)
    for limit, factor in zip(limits if len(factors) > 1 else (max(limits),), factors, strict=True):
        check_scaled_range(label_of(op), limit, factor)
    output = graph.tensors[op.outputs[0]]
    zero_point = zero_point_of(output)
    column = np.array(factors)[:, np.newaxis]
    attrs = op.attrs
    assert isinstance(attrs, FullyConnectedAttrs)
    return _accumulators(
        op,
        graph,
        filter_,
        [quantize_multiplier(factor) for factor in factors],
        activation_range(attrs.activation, output),
        lambda acc: scale_in_double(acc, column) + zero_point,
    )


def forms_of_vector(accumulators: Accumulators, prescale: int) -> Forms:
    """The requantization of each output of a fully connected layer, or of all.

    Args:
        accumulators: of the layer.
        prescale: of every sum.
    """
    exponent = accumulators.exponent
    shift = np.clip(exponent + prescale - 1, 0, _LARGEST_SHIFT)
    # sum * 2**prescale * m / 2**(32 + shift) = sum * multiplier / 2**(31 + exponent)
    right = exponent + prescale - 1 - shift
    multiplier = np.where(right < 0, -1, accumulators.multiplier >> np.maximum(right, 0))
    return fit_floor(accumulators.steps, np.full_like(shift, prescale), multiplier, shift)


def fit_vector(accumulators: Accumulators) -> tuple[int, Forms] | None:
    """A prescale for all sums of a fully connected layer, with the requantization of each.

    None where no prescale makes all of them exact.
    """
    for prescale in _PRESCALES:
        forms = forms_of_vector(accumulators, prescale)
        if forms.exact.all():
            return prescale, forms
    return None


def _accumulators(
    op: Op,
    graph: Graph,
    filter_by_channel: Array,
    requants: Sequence[Requant],
    results: tuple[int, int],
    function: Callable[[Int64Array], Int64Array],
) -> Accumulators:
    """Accumulators of a layer whose `requants` and `function` are of each channel, or of all."""
    weights = filter_by_channel.astype(np.int64)
    bias = bias_values(op, graph, len(weights)).astype(np.int64)
    bias = bias - zero_point_of(graph.tensors[op.inputs[0]]) * weights.sum(axis=1)
    ends = np.stack([-128 * weights, 127 * weights])
    lowest = bias + ends.min(axis=0).sum(axis=1)
    highest = bias + ends.max(axis=0).sum(axis=1)
    if len(requants) == 1:
        lowest, highest = lowest.min(keepdims=True), highest.max(keepdims=True)
    return Accumulators(
        weights=weights,
        bias=bias,
        steps=find_steps(function, lowest, highest, results=range(results[0], results[1] + 1)),
        multiplier=np.array([requant.multiplier for requant in requants], dtype=np.int64),
        exponent=np.array([-requant.shift for requant in requants], dtype=np.int64),
        zero_point=zero_point_of(graph.tensors[op.outputs[0]]),
    )
