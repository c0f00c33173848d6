"""A graph without the channels that go: smaller filters, and biases that hold what was constant."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from pipeline.ops.checks import constant_of, quant_of, scale_of, zero_point_of
from pipeline.ops.convolution import attrs_of
from pipeline.ops.filters import bias_values
from pipeline.plan.constant_channels.choose import OPERAND_KINDS, WEIGHTED_KINDS, Choice
from pipeline.plan.constant_channels.intervals import (
    BoolArray,
    Int64Array,
    Reach,
    accumulators,
    channels_of,
)
from pipeline.records import Array, Graph, Op, OpKind, QuantParams, Tensor


def rewrite(graph: Graph, reaches: Sequence[Reach], choice: Choice) -> Graph:
    """Take out what `choice` says.

    The attributes of operators are those of before: only the file that `write_tflite` makes of
    the result, read again, is a graph in order.

    Args:
        graph: the model.
        reaches: bounds of every tensor.
        choice: from `choose`.
    """
    rewriter = _Rewriter(graph, reaches, choice)
    ops = tuple(rewriter.op(graph.ops[position]) for position in choice.ops)
    return dataclasses.replace(graph, tensors=tuple(rewriter.tensors), ops=ops)


class _Rewriter:
    """Makes the new operators one after the other; `tensors` grows by the new constants."""

    def __init__(self, graph: Graph, reaches: Sequence[Reach], choice: Choice) -> None:
        self._graph, self._reaches, self._choice = graph, reaches, choice
        self.tensors = [self._shortened(tensor) for tensor in graph.tensors]

    def op(self, op: Op) -> Op:
        """An operator whose inputs are the new tensors."""
        if op.kind in WEIGHTED_KINDS:
            inputs = self._weighted(op)
        elif op.kind in OPERAND_KINDS:
            kept = self._choice.kept[op.outputs[0]]
            inputs = [self._operand(op, position, kept) for position in range(len(op.inputs))]
        else:
            return op
        return dataclasses.replace(op, inputs=tuple(inputs))

    def _shortened(self, tensor: Tensor) -> Tensor:
        """A computed tensor without the channels that go."""
        kept = self._choice.kept.get(tensor.index)
        if kept is None or kept.all():
            return tensor
        return dataclasses.replace(tensor, shape=(*tensor.shape[:-1], int(kept.sum())))

    def _constant(
        self,
        name: str,
        values: Array,
        quant: QuantParams | None = None,
        dtype: str | None = None,
    ) -> int:
        """Add a constant tensor, by default of its values' type; returns its index."""
        index = len(self.tensors)
        self.tensors.append(
            Tensor(
                index=index,
                name=name,
                shape=tuple(values.shape),
                dtype=dtype or str(values.dtype),
                quant=quant,
                constant=values,
            )
        )
        return index

    def _operand(self, op: Op, position: int, kept: BoolArray) -> int:
        """An operand of an operator on two, cut to the channels that stay."""
        index = op.inputs[position]
        tensor = self._graph.tensors[index]
        if (op.index, position) in self._choice.constant_operands:
            values = self._reaches[index].low.astype(tensor.dtype)
            values = values.reshape((1,) * (len(tensor.shape) - 1) + (-1,))
        elif tensor.constant is not None:
            values = tensor.constant
        else:
            return index
        if channels_of(tensor) == len(kept):
            values = values[..., kept]
        return self._constant(tensor.name, values, tensor.quant)

    def _weighted(self, op: Op) -> list[int]:
        """Input, filter and bias of a layer with weights."""
        made, kept = self._choice.made_of_bias[op.index], self._choice.kept[op.outputs[0]]
        kept_inputs = self._choice.kept[op.inputs[0]]
        if kept.all() and kept_inputs.all() and not made.any():
            return list(op.inputs)
        axis = 3 if op.kind is OpKind.DEPTHWISE_CONV_2D else 0
        weights = np.moveaxis(constant_of(self._graph, op.inputs[1]), axis, 0).copy()
        bias = bias_values(op, self._graph, len(weights)).astype(np.int64)
        if not kept_inputs.all() and _mixes(op):
            weights, folded = self._without_inputs(op, weights)
            bias += folded
        weights[made] = 0
        bias[made] = accumulators(op, self._graph, self._reaches[op.inputs[0]]).low[made]
        filter_ = self._graph.tensors[op.inputs[1]]
        quant = _of_channels(quant_of(filter_), kept)
        values = np.ascontiguousarray(np.moveaxis(weights[kept], 0, axis))
        inputs = [op.inputs[0], self._constant(filter_.name, values, quant, filter_.dtype)]
        if len(op.inputs) > 2 and op.inputs[2] >= 0 or bias.any():
            scale = tuple(scale_of(self._graph.tensors[op.inputs[0]]) * s for s in quant.scale)
            quant = QuantParams(scale=scale, zero_point=(0,) * len(scale), axis=0)
            inputs.append(self._constant("bias", bias[kept].astype(np.int32), quant))
        return inputs

    def _without_inputs(self, op: Op, weights: Array) -> tuple[Array, Int64Array]:
        """Weights [out, ..., in] without the inputs that go, and what those add to each sum."""
        x, reach = op.inputs[0], self._reaches[op.inputs[0]]
        above = reach.low - zero_point_of(self._graph.tensors[x])
        # A vector may hold all channels several times over: an image's pixels.
        length = weights.shape[-1]
        kept = np.resize(self._choice.kept[x], length)
        value = np.resize(np.where(reach.constant, above, 0), length)
        gone = weights[..., ~kept].astype(np.int64) * value[~kept]
        return weights[..., kept], gone.reshape(len(weights), -1).sum(axis=1)


def _mixes(op: Op) -> bool:
    """Whether each output channel of a layer with weights reads all input channels."""
    return op.kind is OpKind.FULLY_CONNECTED or attrs_of(op).groups == 1


def _of_channels(quant: QuantParams, kept: BoolArray) -> QuantParams:
    """Quantization of a filter's channels that stay."""
    if len(quant.scale) == 1:
        return quant
    return QuantParams(
        scale=tuple(np.array(quant.scale)[kept].tolist()),
        zero_point=tuple(np.array(quant.zero_point)[kept].tolist()),
        axis=quant.axis,
    )
