"""Remove constant and unread channels from a model; its outputs stay the same, bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.ops.table import macs_of
from pipeline.plan.constant_channels.choose import WEIGHTED_KINDS, choose
from pipeline.plan.constant_channels.intervals import Reach, channels_of, reaches_of
from pipeline.plan.constant_channels.rewrite import rewrite
from pipeline.plan.graph import parse_graph
from pipeline.plan.write import write_tflite
from pipeline.records import Graph, LayerChannels, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimModel:
    """A model without the channels that are constant or unread.

    Attributes:
        graph: under the original's name, hash and size.
        tflite: a file that holds it.
        channels: of each layer with weights, in the original's order.
    """

    graph: Graph
    tflite: bytes = field(repr=False)
    channels: tuple[LayerChannels, ...]


def remove_constant_channels(graph: Graph, tflite: bytes) -> SlimModel:
    """Take out what no input can change and what no output depends on.

    A second application finds nothing more.

    Args:
        graph: from `parse_graph`.
        tflite: the file that it was read from.
    Raises:
        UnsupportedModelError: the scales are so broken that kernels would overflow.
    """
    first_reaches = reaches = reaches_of(graph)
    slim, file = graph, tflite
    # Of each operator that is left, the position in the original.
    origins = list(range(len(graph.ops)))
    # A smaller layer may be a simpler one, a group of channels no group any more: once is not all.
    while (choice := choose(slim, reaches)).changes(slim):
        file = write_tflite(rewrite(slim, reaches, choice), file)
        # Read again, so that every check that a model has to pass is passed by the result, too.
        slim = parse_graph(file, graph.name, f"{graph.name} without constant channels")
        reaches = reaches_of(slim)
        origins = [origins[position] for position in choice.ops]
    slim = dataclasses.replace(slim, sha256=graph.sha256, tflite_bytes=graph.tflite_bytes)
    left = dict(zip(origins, slim.ops, strict=True))
    return SlimModel(graph=slim, tflite=file, channels=_channels(graph, first_reaches, slim, left))


def _channels(
    graph: Graph, reaches: Sequence[Reach], slim: Graph, left: Mapping[int, Op]
) -> tuple[LayerChannels, ...]:
    """One entry for each layer with weights; `left` maps old positions to new operators."""
    entries = []
    for op in graph.ops:
        if op.kind not in WEIGHTED_KINDS:
            continue
        after = left.get(op.index)
        channels = channels_of(graph.tensors[op.outputs[0]])
        stay = 0 if after is None else channels_of(slim.tensors[after.outputs[0]])
        entries.append(
            LayerChannels(
                name=op.name,
                kind=op.kind,
                channels=channels,
                constant=int(reaches[op.outputs[0]].constant.sum()),
                removed=channels - stay,
                macs_before=macs_of(op, graph),
                macs=0 if after is None else macs_of(after, slim),
                weight_bytes_before=_weight_bytes(op, graph),
                weight_bytes=0 if after is None else _weight_bytes(after, slim),
            )
        )
    return tuple(entries)


def _weight_bytes(op: Op, graph: Graph) -> int:
    return sum(graph.tensors[index].size_bytes for index in op.inputs[1:] if index >= 0)
