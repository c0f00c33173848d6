"""Sum of absolute weights of a filter (Li et al. 2017, https://arxiv.org/abs/1608.08710)."""

from __future__ import annotations

import numpy as np

from pipeline.prune.criteria.base import Scoring, each_group, kernels
from pipeline.prune.records import ChannelGroup, FloatArray


def rows(scoring: Scoring, group: ChannelGroup) -> list[FloatArray]:
    """Sum |w| for each kernel of the group, depthwise ones included."""
    return [np.abs(scoring.filters(member)).sum(axis=1) for member in kernels(group)]


score = each_group(rows)
