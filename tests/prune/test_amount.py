from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.prune.amount import local_ratio
from pipeline.prune.groups import find_groups
from pipeline.prune.select import Limits, select
from pipeline.prune.surgery import count_params, kept_ids
from pipeline.prune.trace import trace_model
from tests.prune.models import chain, residual

TIGHT = Limits(round_to=1, min_channels=1)


def test_the_ratio_of_a_share_of_parameters() -> None:
    trace = trace_model(residual())
    groups = find_groups(trace).groups
    ratio = local_ratio(trace, groups, TIGHT, ratio=None, keep_params=0.5)
    scores = [np.zeros(group.channels) for group in groups]
    params = [
        count_params(trace, kept_ids(trace, select(groups, scores, at, limits=TIGHT)))
        for at in (0.0, ratio, ratio - 1e-4)
    ]
    assert params[1] <= 0.5 * params[0] < params[2]


@pytest.mark.parametrize(
    ("ratio", "keep_params", "message"),
    [
        (None, None, "Received: neither"),
        (0.5, 0.5, "Received: both"),
        (1.0, None, "empties a layer"),
        (None, 1.5, "keep_params: expected the share"),
        (None, 0.001, r"at least \d+ \(0\.\d+\) stay"),
    ],
)
def test_ratios_that_make_no_sense(
    ratio: float | None, keep_params: float | None, message: str
) -> None:
    trace = trace_model(chain())
    groups = find_groups(trace).groups
    with pytest.raises(ConfigError, match=message):
        local_ratio(trace, groups, Limits(), ratio=ratio, keep_params=keep_params)
