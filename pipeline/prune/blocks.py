"""Blocks of a network: layers that are pruned by one ratio."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pipeline.errors import ConfigError
from pipeline.prune.records import ChannelGroup, Role
from pipeline.prune.trace import Trace

# What keras.applications and many others call the layers of a block, up to its number.
_NAMED = re.compile(r"^(.*?(?:block_?\d+[a-z]?|expanded_conv(?:_\d+)?))(?=[_/]|$)")


def find_blocks(trace: Trace) -> dict[str, tuple[str, ...]]:
    """Name and layer paths of each block, in the order of the graph.

    Layers whose names start with a block ("block_3_expand") belong to that one. The others are
    cut wherever a single tensor is alive, so that a residual or parallel part stays together;
    what makes no channels (normalization, activation, depthwise layers) belongs to the block
    before it. Such blocks are named after the first layer that makes channels.
    """
    makers = {axis.path for axis in trace.axes if axis.role is Role.OUT}
    segments = _segments(trace)
    named: dict[int, str] = {}
    for call, segment in zip(trace.graph.calls, segments, strict=True):
        if call.path in makers and not _NAMED.match(call.path):
            named.setdefault(segment, call.path)
    blocks: dict[str, dict[str, None]] = {}
    current = None
    for call, segment in zip(trace.graph.calls, segments, strict=True):
        match = _NAMED.match(call.path)
        current = match.group(1) if match else named.get(segment, current)
        if current is not None:
            blocks.setdefault(current, {})[call.path] = None
    return {name: tuple(paths) for name, paths in blocks.items()}


def _segments(trace: Trace) -> list[int]:
    """Of each call the number of its segment; a new one starts where one tensor is alive."""
    last: dict[int, int] = {}
    for position, call in enumerate(trace.graph.calls):
        last.update((ref.index, position) for ref in call.inputs)
    last.update((ref.index, len(trace.graph.calls)) for ref in trace.graph.outputs)
    alive = {b.tensor.index for b in trace.graph.bindings if not b.nested} & last.keys()
    segments, segment = [], 0
    for position, call in enumerate(trace.graph.calls):
        segments.append(segment)
        alive |= {ref.index for ref in call.outputs} & last.keys()
        alive = {index for index in alive if last[index] > position}
        segment += len(alive) == 1
    return segments


def check_blocks(trace: Trace, blocks: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Blocks that a caller gives, by the paths of their layers.

    Raises:
        ConfigError: a layer that the model lacks, or that is in two blocks.
    """
    known = {call.path for call in trace.graph.calls}
    owner: dict[str, str] = {}
    for name, paths in blocks.items():
        for path in paths:
            if path not in known:
                raise ConfigError(
                    f"block {name!r}: expected layers of model {trace.model.name!r}. Received: "
                    f"{path!r}. List them with model.summary()."
                )
            if owner.setdefault(path, name) != name:
                raise ConfigError(
                    f"block {name!r}: expected each layer in one block. Received: {path!r}, "
                    f"which is in {owner[path]!r} too. Leave it out of one."
                )
    return {name: tuple(paths) for name, paths in blocks.items()}


def makers_of(group: ChannelGroup, blocks: Mapping[str, Sequence[str]]) -> tuple[str | None, ...]:
    """Blocks whose layers make a group's channels; None for layers outside of all blocks."""
    return _blocks_of(group, blocks, Role.OUT)


def holders_of(group: ChannelGroup, blocks: Mapping[str, Sequence[str]]) -> tuple[str | None, ...]:
    """Blocks whose layers make or pass a group's channels; None for layers outside."""
    return _blocks_of(group, blocks, Role.OUT, Role.THROUGH)


def _blocks_of(
    group: ChannelGroup, blocks: Mapping[str, Sequence[str]], *roles: Role
) -> tuple[str | None, ...]:
    owner = {path: name for name, paths in blocks.items() for path in paths}
    members = group.weighted(*roles)
    return tuple(dict.fromkeys(owner.get(member.layer) for member in members))
