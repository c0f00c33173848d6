"""Which channels can go: what reads them, and what has to go with them.

A channel is dead where its value is known (constant), or where no output of the model depends on
it (unread). It can go if everything tied to it is dead as well, and if each layer that reads its
constant value can have that value in the bias instead. All channels of all tensors are numbered
in one row of nodes; operators are edges between nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.ops.checks import constant_of
from pipeline.ops.concatenation import ConcatenationAttrs
from pipeline.ops.convolution import attrs_of
from pipeline.ops.mean import MeanAttrs
from pipeline.ops.pad import PadAttrs
from pipeline.ops.table import SPLIT_KINDS
from pipeline.plan.constant_channels.intervals import (
    BoolArray,
    Int64Array,
    Reach,
    channels_of,
    copied_channels,
    filter_by_channel,
    padded_taps,
)
from pipeline.records import Graph, Op, OpKind

# Layers with weights: a bias alone can make an output channel constant.
WEIGHTED_KINDS = frozenset({OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D, OpKind.FULLY_CONNECTED})

# Operators on two operands, either of which may be constant.
OPERAND_KINDS = frozenset(
    {OpKind.ADD, OpKind.MAXIMUM, OpKind.MINIMUM, OpKind.MUL, OpKind.PRELU, OpKind.SUB}
)

# Operators whose output channel i depends on channel i of each operand and on nothing else.
_CHANNELWISE_KINDS = OPERAND_KINDS | {
    OpKind.AVERAGE_POOL_2D,
    OpKind.HARD_SWISH,
    OpKind.LEAKY_RELU,
    OpKind.LOGISTIC,
    OpKind.MAX_POOL_2D,
    OpKind.QUANTIZE,
    OpKind.RELU,
    OpKind.RELU6,
    OpKind.RELU_0_TO_1,
    OpKind.RELU_N1_TO_1,
    OpKind.RESIZE_BILINEAR,
    OpKind.RESIZE_NEAREST_NEIGHBOR,
    OpKind.TANH,
}

# Operators that take a constant in place of a computed operand, broadcast over all but channels.
_CONSTANT_OPERAND_KINDS = OPERAND_KINDS - {OpKind.PRELU}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What goes and what stays.

    Attributes:
        ops: positions of the operators that stay.
        constant_operands: (position of an operator, position of its input) where a tensor that
            is constant as a whole is replaced by its value.
        kept: for each computed tensor that stays, which of its channels stay: [channels].
        made_of_bias: for each layer with weights, which of its output channels that stay are
            constant, so that they need no weights: [channels].
    """

    ops: tuple[int, ...]
    constant_operands: frozenset[tuple[int, int]]
    kept: Mapping[int, BoolArray] = field(compare=False)
    made_of_bias: Mapping[int, BoolArray] = field(compare=False)

    def changes(self, graph: Graph) -> bool:
        """Whether anything goes."""
        return len(self.ops) < len(graph.ops) or not all(mask.all() for mask in self.kept.values())


def choose(graph: Graph, reaches: Sequence[Reach]) -> Choice:
    """Find the channels that can go.

    Args:
        graph: the model.
        reaches: bounds of every tensor, from `reaches_of`.
    """
    operands = _constant_operands(graph, reaches)
    ops = _live_ops(graph, operands)
    network = _Network(graph, reaches, ops, operands)
    gone, made = network.solve()
    return Choice(
        ops=tuple(op.index for op in ops),
        constant_operands=operands,
        kept={index: ~gone[nodes] for index, nodes in network.nodes.items()},
        made_of_bias={
            op.index: made[network.nodes[op.outputs[0]]] for op in ops if op.kind in WEIGHTED_KINDS
        },
    )


def _constant_operands(graph: Graph, reaches: Sequence[Reach]) -> frozenset[tuple[int, int]]:
    """Operands that are constant beside one that is not, and that has the output's shape."""
    found = set()
    for op in graph.ops:
        if op.kind not in _CONSTANT_OPERAND_KINDS:
            continue
        shape = graph.tensors[op.outputs[0]].shape
        fixed = [bool(reaches[index].constant.all()) for index in op.inputs]
        for position, other in ((0, 1), (1, 0)):
            operand, beside = (graph.tensors[op.inputs[place]] for place in (position, other))
            replaceable = operand.constant is None and fixed[position]
            if replaceable and not fixed[other] and beside.shape == shape:
                found.add((op.index, position))
    return frozenset(found)


def _live_ops(graph: Graph, constant_operands: frozenset[tuple[int, int]]) -> tuple[Op, ...]:
    """Operators that an output of the model depends on, in execution order."""
    needed = set(graph.outputs)
    # The parts of one operator of the file stay together, as it writes all or none of them.
    together: dict[tuple[int, ...], set[int]] = {}
    for op in graph.ops:
        if op.kind in SPLIT_KINDS:
            together.setdefault(op.inputs, set()).update(op.outputs)
    live = []
    for op in reversed(graph.ops):
        if needed.isdisjoint(together[op.inputs] if op.kind in SPLIT_KINDS else op.outputs):
            continue
        live.append(op)
        needed.update(
            index
            for position, index in enumerate(op.inputs)
            if (op.index, position) not in constant_operands
        )
    return tuple(reversed(live))


def _none() -> Int64Array:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Edges:
    """What one operator does with channels, as nodes.

    Attributes:
        readers, read: output readers[i] depends on input read[i].
        padded_readers, padded: the same, where the zero point stands in for the input somewhere:
            only then the zero point is as good as a bias.
        one, other: one[i] and other[i] go together or not at all.
        locked: nodes that have to stay.
    """

    readers: Int64Array
    read: Int64Array
    padded_readers: Int64Array = field(default_factory=_none)
    padded: Int64Array = field(default_factory=_none)
    one: Int64Array = field(default_factory=_none)
    other: Int64Array = field(default_factory=_none)
    locked: Int64Array = field(default_factory=_none)


class _Network:
    """The channels of a graph as nodes.

    Args:
        graph: the model.
        reaches: bounds of every tensor.
        ops: operators that stay.
        constant_operands: inputs of operators that are replaced by constants.
    """

    def __init__(
        self,
        graph: Graph,
        reaches: Sequence[Reach],
        ops: Sequence[Op],
        constant_operands: frozenset[tuple[int, int]],
    ) -> None:
        self._graph = graph
        self._ops = ops
        self._constant_operands = constant_operands
        computed = [*graph.inputs, *(index for op in ops for index in op.outputs)]
        counts = [channels_of(graph.tensors[index]) for index in computed]
        ends = np.cumsum(counts)
        self.nodes = {
            index: np.arange(end - count, end)
            for index, count, end in zip(computed, counts, ends, strict=True)
        }
        self._constant = np.concatenate([reaches[index].constant for index in computed])
        self._is_zero_point = np.concatenate(
            [reaches[index].low == _zero_point(graph, index) for index in computed]
        )
        self._edges = [self._edges_of(op) for op in ops]
        ends_of_graph = [self.nodes[index] for index in (*graph.inputs, *graph.outputs)]
        self._locked = np.zeros(len(self._constant), dtype=np.bool_)
        for locked in (*ends_of_graph, *(edges.locked for edges in self._edges)):
            self._locked[locked] = True
        self._group = self._groups()

    def solve(self) -> tuple[BoolArray, BoolArray]:
        """Which nodes go, and which of those that stay need no inputs since they are constant."""
        by_bias = np.zeros_like(self._constant)
        for op in self._ops:
            if op.kind in WEIGHTED_KINDS:
                by_bias[self.nodes[op.outputs[0]]] = True
        # Constants that are computed all the same, so that what they are computed from is read.
        computed = np.zeros_like(self._constant)
        while True:
            known = self._constant & ~computed
            wanted = self._wanted(known)
            gone = self._removable(known, wanted)
            more = known & wanted & ~gone & ~by_bias
            if not more.any():
                return gone, self._constant & ~gone & by_bias
            computed |= more

    def _wanted(self, known: BoolArray) -> BoolArray:
        """Nodes whose value an output of the model depends on; known ones depend on nothing."""
        wanted = np.zeros_like(known)
        for index in self._graph.outputs:
            wanted[self.nodes[index]] = True
        for edges in reversed(self._edges):
            wanted[edges.read[(wanted & ~known)[edges.readers]]] = True
        return wanted

    def _removable(self, known: BoolArray, wanted: BoolArray) -> BoolArray:
        """Nodes of groups that are dead throughout, with at least one left in each tensor."""
        stays = self._locked | (wanted & ~self._constant)
        for edges in self._edges:
            # Padding is no constant: what is read beside it goes into a bias only if it is equal.
            matters = (wanted & ~known)[edges.padded_readers]
            stays[edges.padded[matters & ~self._is_zero_point[edges.padded]]] = True
        while True:
            gone = ~np.isin(self._group, self._group[stays])
            empty = [nodes for nodes in self.nodes.values() if gone[nodes].all()]
            if not empty:
                return gone
            for nodes in empty:
                stays[nodes[0]] = True

    def _groups(self) -> Int64Array:
        """For each node the lowest node that it is tied to, directly or not."""
        one = np.concatenate([edges.one for edges in self._edges])
        other = np.concatenate([edges.other for edges in self._edges])
        group = np.arange(len(self._constant))
        while True:
            lowest = np.minimum(group[one], group[other])
            joined = group.copy()
            np.minimum.at(joined, one, lowest)
            np.minimum.at(joined, other, lowest)
            if np.array_equal(joined, group):
                return group
            group = joined

    def _edges_of(self, op: Op) -> _Edges:
        """What an operator does with channels."""
        if op.kind in WEIGHTED_KINDS:
            return self._weighted(op)
        if op.kind in _CHANNELWISE_KINDS:
            return self._channelwise(op)
        if op.kind is OpKind.CONCATENATION and len(self._operands(op)) == len(op.inputs):
            return self._concatenation(op)
        inputs = np.concatenate([_none(), *(self.nodes[i] for i in self._operands(op))])
        outputs = np.concatenate([self.nodes[index] for index in op.outputs])
        if op.kind in (OpKind.TILE, OpKind.TRANSPOSE):
            copied = copied_channels(op, self._graph)
            if copied is not None and len(copied) == len(inputs):
                return _Edges(outputs, inputs[copied], one=outputs, other=inputs[copied])
        if not _keeps_order(op, self._graph):
            return _opaque(outputs, inputs)
        longer = max(len(inputs), len(outputs))
        inputs, outputs = np.resize(inputs, longer), np.resize(outputs, longer)
        return _Edges(outputs, inputs, one=outputs, other=inputs)

    def _operands(self, op: Op) -> list[int]:
        """Inputs that are computed and stay so."""
        return [
            index
            for position, index in enumerate(op.inputs)
            if index in self.nodes and (op.index, position) not in self._constant_operands
        ]

    def _channelwise(self, op: Op) -> _Edges:
        outputs = self.nodes[op.outputs[0]]
        inputs = [self.nodes[index] for index in self._operands(op)]
        tied = [nodes for nodes in inputs if len(nodes) == len(outputs)]
        return _Edges(
            readers=np.tile(outputs, len(inputs)),
            read=np.concatenate([_none(), *(np.resize(n, len(outputs)) for n in inputs)]),
            one=np.tile(outputs, len(tied)),
            other=np.concatenate([_none(), *tied]),
            # One value that is broadcast over all channels.
            locked=np.concatenate([_none(), *(n for n in inputs if len(n) != len(outputs))]),
        )

    def _concatenation(self, op: Op) -> _Edges:
        attrs = op.attrs
        assert isinstance(attrs, ConcatenationAttrs)
        inputs = np.concatenate([self.nodes[index] for index in op.inputs])
        outputs = self.nodes[op.outputs[0]]
        if attrs.axis < len(self._graph.tensors[op.outputs[0]].shape) - 1:
            outputs = np.tile(outputs, len(op.inputs))
        return _Edges(outputs, inputs, one=outputs, other=inputs)

    def _weighted(self, op: Op) -> _Edges:
        x, outputs = self.nodes[op.inputs[0]], self.nodes[op.outputs[0]]
        if op.kind is OpKind.FULLY_CONNECTED:
            weights = constant_of(self._graph, op.inputs[1]) != 0
            if len(weights) != len(outputs) or weights.shape[1] % len(x):
                return _opaque(outputs, x)
            # A row may hold several runs of all channels: an image seen as a vector.
            return _Edges(*_pairs(weights.reshape(len(outputs), -1, len(x)), outputs, x))
        weights = filter_by_channel(op, self._graph) != 0
        groups = attrs_of(op).groups
        if groups == 1:
            by_tap = weights.reshape(len(outputs), -1, len(x))
            at_border = by_tap[:, padded_taps(op, self._graph).ravel()]
            return _Edges(*_pairs(by_tap, outputs, x), *_pairs(at_border, outputs, x))
        # The channels that a group reads and those that it makes go together.
        read = np.repeat(x.reshape(groups, 1, -1), len(outputs) // groups, axis=1)
        readers = np.broadcast_to(outputs.reshape(groups, -1, 1), read.shape)
        return _Edges(readers.ravel(), read.ravel(), one=readers.ravel(), other=read.ravel())


def _pairs(weights: BoolArray, outputs: Int64Array, x: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Which output reads which input: weights [outputs, any, inputs] that are not zero."""
    reader, read = np.nonzero(weights.any(axis=1))
    return outputs[reader], x[read]


def _opaque(outputs: Int64Array, inputs: Int64Array) -> _Edges:
    """Every output may depend on every input, and nothing can go."""
    return _Edges(
        readers=np.repeat(outputs, len(inputs)),
        read=np.tile(inputs, len(outputs)),
        locked=np.concatenate([inputs, outputs]),
    )


def _keeps_order(op: Op, graph: Graph) -> bool:
    """Whether an operator's output lies in memory as its input, but for whole pixels or sums.

    Then the last axes of both run through the same channels, if one is a multiple of the other.
    """
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    lengths = sorted((channels_of(x), channels_of(output)))
    if lengths[1] % lengths[0]:
        return False
    if op.kind in (OpKind.MEAN, OpKind.REDUCE_MAX):
        assert isinstance(op.attrs, MeanAttrs)
        return op.attrs.inner % channels_of(x) == 0
    if op.kind is OpKind.PAD:
        assert isinstance(op.attrs, PadAttrs)
        return not op.attrs.before[3] and not op.attrs.after[3]
    return op.kind is OpKind.RESHAPE


def _zero_point(graph: Graph, index: int) -> int:
    """Zero point of a tensor; 0 where it has none."""
    quant = graph.tensors[index].quant
    return 0 if quant is None else quant.zero_point[0]
