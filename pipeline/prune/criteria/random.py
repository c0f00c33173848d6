"""Uniform noise: the baseline that every criterion has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.prune.criteria.base import Rows, Scoring
from pipeline.prune.records import ChannelGroup


def score(scoring: Scoring, groups: Sequence[ChannelGroup]) -> Rows:
    """One row per group in [0, 1), from the seed; groups in order share one generator."""
    rng = np.random.default_rng(scoring.seed)
    return {group.name: rng.random((1, group.channels)) for group in groups}
