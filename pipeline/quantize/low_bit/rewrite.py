"""Put filters of four bits in the place of those of eight."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from pipeline.quantize.low_bit.layers import FloatArray, WeightedLayer
from pipeline.quantize.low_bit.rounding import RoundedFilter
from pipeline.records import INT4, Array, Graph, Op, QuantParams, Tensor

# Of a bias: kernels add products to it.
_LARGEST_BIAS = 1 << 30


def with_filters(graph: Graph, filters: Mapping[int, tuple[WeightedLayer, RoundedFilter]]) -> Graph:
    """The graph with other filters and biases for some layers.

    Args:
        graph: the model.
        filters: by the index of the operator.
    """
    tensors = list(graph.tensors)
    ops = list(graph.ops)
    for index, (layer, rounded) in filters.items():
        op = graph.ops[index]
        filter_ = tensors[op.inputs[1]]
        scales = tuple(rounded.scales.tolist())
        tensors[filter_.index] = dataclasses.replace(
            filter_,
            dtype=INT4,
            quant=QuantParams(scale=scales, zero_point=(0,) * len(scales), axis=0),
            constant=_frozen(rounded.values.reshape(filter_.shape)),
        )
        bias = _bias(layer, rounded, op, tensors)
        if bias.index == len(tensors):
            tensors.append(bias)
            ops[index] = dataclasses.replace(op, inputs=(*op.inputs[:2], bias.index))
        else:
            tensors[bias.index] = bias
    return dataclasses.replace(graph, tensors=tuple(tensors), ops=tuple(ops))


def bias_fits(layer: WeightedLayer, rounded: RoundedFilter) -> bool:
    """Whether the bias can be expressed in the scale of the sums."""
    return bool(np.abs(rounded.bias).max() < _LARGEST_BIAS * _sum_scales(layer, rounded).min())


def _bias(layer: WeightedLayer, rounded: RoundedFilter, op: Op, tensors: list[Tensor]) -> Tensor:
    """The bias in the scale of the new filter; a new tensor where the layer had none."""
    scales = _sum_scales(layer, rounded)
    has_one = len(op.inputs) > 2 and op.inputs[2] >= 0
    return Tensor(
        index=op.inputs[2] if has_one else len(tensors),
        name=tensors[op.inputs[2]].name if has_one else "",
        shape=(len(scales),),
        dtype="int32",
        quant=QuantParams(
            scale=tuple(scales.astype(np.float32).astype(np.float64).tolist()),
            zero_point=(0,) * len(scales),
            axis=0,
        ),
        constant=_frozen(np.rint(rounded.bias / scales).astype(np.int32)),
    )


def _sum_scales(layer: WeightedLayer, rounded: RoundedFilter) -> FloatArray:
    return rounded.scales * layer.input_scale


def _frozen(values: Array) -> Array:
    values.flags.writeable = False
    return values
