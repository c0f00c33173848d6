"""Memory of a model by its widths, as its planner lays it out.

A planner that streams rows keeps a few rows of many layers at once, so what an operator needs while
it runs depends on the widths of all the layers around it, not on its own two tensors. That need is
close to linear in every width. It is measured: on the whole model, and on the model with one group
after the other made narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.prune.records import Counts, FloatArray
from pipeline.prune.widths import Estimate, WidthCosts

# How much of a group goes to see what its channels need.
_NARROWED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMemory:
    """Costs by width, memory by the planner's own figures.

    Attributes:
        costs: everything else.
        whole: channels of each group, int64 [groups].
        live_bytes: what each operator of the whole model needs, float64 [operators].
        slopes: what one channel more of each group needs of that, float64 [groups, operators].
    """

    costs: WidthCosts
    whole: Counts
    live_bytes: FloatArray
    slopes: FloatArray

    def __call__(self, keep: Counts) -> Estimate:
        """Costs of candidates; `keep` as of WidthCosts."""
        live = self.live_bytes + (keep - self.whole) @ self.slopes
        return replace(self.costs(keep), live_bytes=np.maximum(live, 0.0))


def measure_memory(
    costs: WidthCosts,
    whole: Counts,
    lowest: Counts,
    units: Counts,
    live_bytes: Callable[[Counts], FloatArray],
    log: Callable[[str], None],
) -> PlannedMemory:
    """Ask the planner about the whole model and about each group made narrow.

    Args:
        costs: everything but memory.
        whole, lowest, units: channels of each group, the fewest it may have, and of what its widths
            are multiples, int64 [groups].
        live_bytes: what each operator needs at given widths, float64 [operators]; as many for all.
        log: told how far it is.
    """
    base = live_bytes(whole)
    slopes = np.zeros((len(whole), len(base)))
    for group, channels in enumerate(whole.tolist()):
        narrow = int(channels * _NARROWED)
        narrow = max(narrow - narrow % int(units[group]), int(lowest[group]))
        if narrow == channels:
            continue
        keep = whole.copy()
        keep[group] = narrow
        slopes[group] = (base - live_bytes(keep)) / (channels - narrow)
        log(f"memory by width: {group + 1} of {len(whole)} groups")
    return PlannedMemory(costs=costs, whole=whole, live_bytes=base, slopes=slopes)
