"""Layer-adaptive magnitude (Lee et al. 2021, https://arxiv.org/abs/2010.07611), by filter."""

from __future__ import annotations

import numpy as np

from pipeline.prune.criteria.base import Scoring, each_group, kernels
from pipeline.prune.records import ChannelGroup, FloatArray


def rows(scoring: Scoring, group: ChannelGroup) -> list[FloatArray]:
    """|f_i|^2 / sum of |f_j|^2 over all j that are not smaller, for each kernel of the group.

    Of equal filters the lower index counts as the larger. The largest filter scores 1.
    """
    return [_adaptive((scoring.filters(m) ** 2).sum(axis=1)) for m in kernels(group)]


def _adaptive(squares: FloatArray) -> FloatArray:
    order = np.argsort(-squares, kind="stable")
    sums = np.cumsum(squares[order])
    scores = np.empty_like(squares)
    scores[order] = np.divide(squares[order], sums, out=np.zeros_like(sums), where=sums > 0)
    return scores


score = each_group(rows)
