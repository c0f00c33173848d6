"""Dependency groups: channels with the same fate, and what locks the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import ConfigError
from pipeline.prune.records import ChannelGroup, IdVector, Lock, Member, Role
from pipeline.prune.trace import AxisMap, Trace
from pipeline.suggest import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """The channels that can be removed, and the layers whose channels cannot."""

    groups: tuple[ChannelGroup, ...]
    locks: tuple[Lock, ...]


# For each class: (index of an axis map, the entries of that axis), in graph order.
_Places = dict[int, list[tuple[int, IdVector]]]


def find_groups(trace: Trace, ignore: Sequence[str] = ()) -> Grouping:
    """Group the channels of a model by the weight axes that they are entries of.

    Classes of channels with the same members, as often in each, form one group. Groups stand
    in the order of the first layers that make them and are named after these.

    Args:
        trace: index maps.
        ignore: layers whose output channels stay; the last part of a nested path will do.
    Raises:
        ConfigError: `ignore` names no layer of the model.
    """
    ignored = _resolve(trace, ignore)
    places = _places(trace)
    reasons = _locked_classes(trace, places, ignored)
    by_members: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for unit in sorted(places):
        members = places[unit]
        if unit not in reasons and any(trace.axes[axis].role is Role.OUT for axis, _ in members):
            key = tuple((axis, len(entries)) for axis, entries in members)
            by_members.setdefault(key, []).append(unit)
    groups = []
    names: dict[str, int] = {}
    single = []
    for units in by_members.values():
        group = _group(trace, places, units, names)
        if group.channels > 1:
            groups.append(group)
        else:
            single.append(Lock(layer=group.name, reason=_SINGLE))
    locks = _locks(trace, reasons, ignored)
    return Grouping(groups=tuple(groups), locks=(*locks, *single))


def _places(trace: Trace) -> _Places:
    places: _Places = {}
    for index, axis in enumerate(trace.axes):
        classes = trace.roots[axis.ids]
        order = np.argsort(classes, kind="stable")
        units, starts = np.unique(classes[order], return_index=True)
        for unit, entries in zip(units.tolist(), np.split(order, starts[1:]), strict=True):
            places.setdefault(unit, []).append((index, entries))
    return places


def _group(trace: Trace, places: _Places, units: list[int], names: dict[str, int]) -> ChannelGroup:
    first = places[units[0]]
    makers = [
        (int(trace.axes[axis].ids[entries[0]]), axis, len(entries))
        for axis, entries in first
        if trace.axes[axis].role is Role.OUT
    ]
    _, maker, width = min(makers)
    path = trace.axes[maker].path
    names[path] = names.get(path, 0) + 1
    members = []
    for position, (axis, _) in enumerate(first):
        indices = np.stack([places[unit][position][1] for unit in units])
        indices.flags.writeable = False
        members.append(_member(trace.axes[axis], indices))
    return ChannelGroup(
        name=path if names[path] == 1 else f"{path}#{names[path]}",
        members=tuple(members),
        channels=len(units),
        width=width,
        units=np.array(units, np.int64),
    )


def _member(axis: AxisMap, indices: IdVector) -> Member:
    return Member(
        layer=axis.path, weight=axis.weight, axis=axis.axis, role=axis.role, indices=indices
    )


def _resolve(trace: Trace, ignore: Sequence[str]) -> set[str]:
    """Paths of the layers to ignore."""
    paths = list(dict.fromkeys(call.path for call in trace.graph.calls))
    known = {path: {path} for path in paths}
    for path in paths:
        known.setdefault(path.rpartition("/")[2], set()).add(path)
    found: set[str] = set()
    for name in ignore:
        if name not in known:
            raise ConfigError(
                f"ignore: expected names of layers of model {trace.model.name!r}. Received: "
                f"{name!r}.{did_you_mean(name, known)} List them with model.summary()."
            )
        found |= known[name]
    return found


def _locked_classes(trace: Trace, places: _Places, ignored: set[str]) -> dict[int, list[str]]:
    """Why each locked class stays: the reasons in the order of the graph."""
    reasons: dict[int, list[str]] = {}
    for event in trace.locks:
        text = event.reason if event.reason in _PLAIN else f"{event.path!r}: {event.reason}"
        for unit in np.unique(trace.roots[event.ids]).tolist():
            if text not in reasons.setdefault(unit, []):
                reasons[unit].append(text)
    for unit, members in places.items():
        for axis, _ in members:
            path = trace.axes[axis].path
            if path in ignored and trace.axes[axis].role is not Role.IN:
                text = f"{path!r}: ignored"
                if text not in reasons.setdefault(unit, []):
                    reasons[unit].append(text)
    return reasons


_SINGLE = "one channel, or several that can only go together: removing it empties the layer"

# Reasons that say all without the layer that gave them.
_PLAIN = frozenset({"model input", "model output"})


def _locks(trace: Trace, reasons: dict[int, list[str]], ignored: set[str]) -> tuple[Lock, ...]:
    """Every layer that locks something, and every layer whose channels are locked by others."""
    locks = [Lock(layer=event.path, reason=event.reason) for event in trace.locks]
    locks += [Lock(layer=path, reason="ignored") for path in sorted(ignored)]
    own = {(lock.layer, lock.reason) for lock in locks}
    for axis in trace.axes:
        if axis.role is not Role.OUT or axis.weight == "bias":
            continue
        texts: dict[str, None] = {}
        for unit in np.unique(trace.roots[axis.ids]).tolist():
            texts.update(dict.fromkeys(reasons.get(unit, [])))
        texts = {
            text: None
            for text in texts
            if (axis.path, text) not in own
            and (axis.path, text.removeprefix(f"{axis.path!r}: ")) not in own
        }
        if texts:
            locks.append(Lock(layer=axis.path, reason="held by " + "; ".join(texts)))
    return tuple(dict.fromkeys(locks))
