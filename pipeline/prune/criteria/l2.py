"""Euclidean norm of a filter."""

from __future__ import annotations

import numpy as np

from pipeline.prune.criteria.base import Scoring, each_group, kernels
from pipeline.prune.records import ChannelGroup, FloatArray


def rows(scoring: Scoring, group: ChannelGroup) -> list[FloatArray]:
    """sqrt(sum w^2) for each kernel of the group, depthwise ones included."""
    return [np.sqrt((scoring.filters(member) ** 2).sum(axis=1)) for member in kernels(group)]


score = each_group(rows)
