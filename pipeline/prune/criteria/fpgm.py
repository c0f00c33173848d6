"""Distance from the geometric median (He et al. 2019, https://arxiv.org/abs/1811.00250).

A filter near the median of its layer is one that the others can replace.
"""

from __future__ import annotations

import numpy as np

from pipeline.prune.criteria.base import Scoring, each_group, kernels
from pipeline.prune.records import ChannelGroup, FloatArray


def rows(scoring: Scoring, group: ChannelGroup) -> list[FloatArray]:
    """Sum over j of |f_i - f_j|, Euclidean, for each kernel of the group."""
    return [_summed_distances(scoring.filters(member)) for member in kernels(group)]


def _summed_distances(filters: FloatArray) -> FloatArray:
    """Float64 [channels] from [channels, entries]; channel by channel, so that memory is small."""
    return np.array([np.sqrt(((filters - one) ** 2).sum(axis=1)).sum() for one in filters])


score = each_group(rows)
