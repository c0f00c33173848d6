"""|gamma| of batch normalization (Liu et al. 2017, https://arxiv.org/abs/1708.06519)."""

from __future__ import annotations

import numpy as np

from pipeline.prune.criteria.base import CannotScoreError, Scoring, each_group
from pipeline.prune.records import ChannelGroup, FloatArray, Role


def rows(scoring: Scoring, group: ChannelGroup) -> list[FloatArray]:
    """|gamma| for each batch normalization of the group; mean over a channel's entries.

    Raises:
        CannotScoreError: the group has none, or none with a scale.
    """
    scales = [m for m in group.weighted(Role.THROUGH) if m.weight == "gamma"]
    if not scales:
        raise CannotScoreError("no batch normalization with a scale in the group")
    return [np.abs(scoring.weight(m))[m.indices].mean(axis=1) for m in scales]


score = each_group(rows)
