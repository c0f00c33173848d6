"""Weights of four bits as firmware/lib/kernels/dot_s4.h reads them: two filters side by side."""

from __future__ import annotations

import numpy as np

from pipeline.records import INT4, Array, Graph, Op


def has_int4_filter(op: Op, graph: Graph) -> bool:
    """Whether the weights of a layer, its input 1, are of four bits."""
    return graph.tensors[op.inputs[1]].dtype == INT4


def pair_channels(filter_by_channel: Array, groups: int = 1) -> Array:
    """Two channels in the room of one: the first of a pair in the low halves of bytes.

    Args:
        filter_by_channel: [channels, weights of a channel], in -8 .. 7.
        groups: of channels; each ends in half a pair where it has an odd number of them.
    Returns:
        int8 [groups, pairs, weights of a channel], read-only.
    """
    grouped = filter_by_channel.reshape(groups, -1, filter_by_channel.shape[1])
    filled = np.pad(grouped.astype(np.int8), ((0, 0), (0, grouped.shape[1] % 2), (0, 0)))
    pairs: Array = (filled[:, 0::2] & 0xF) | filled[:, 1::2] << 4
    pairs.flags.writeable = False
    return pairs
