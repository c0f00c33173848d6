"""Several plans, one after the other, as one."""

from __future__ import annotations

from dataclasses import replace

from pipeline.prune.records import PrunePlan


def composed(first: PrunePlan, second: PrunePlan) -> PrunePlan:
    """What two plans, one after the other, keep of the first one's groups."""
    # By members, for names may move to another group of the same layer.
    later = {
        (group.members, group.width): keep
        for group, keep in zip(second.groups, second.keep, strict=True)
    }
    keeps = []
    for group, kept in zip(first.groups, first.keep, strict=True):
        inner = later.get((group.members, group.width), range(len(kept)))
        keeps.append(tuple(kept[index] for index in inner))
    return replace(first, keep=tuple(keeps))
