from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.prune.estimate import estimate_facts, local_ratio
from pipeline.prune.facts import model_facts
from pipeline.prune.groups import find_groups
from pipeline.prune.select import Limits, select
from pipeline.prune.surgery import kept_ids, materialise
from pipeline.prune.trace import trace_model
from tests.prune.models import MODELS, chain, residual

TIGHT = Limits(round_to=1, min_channels=1)


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_estimates_are_the_facts_of_the_built_model(
    build: Callable[[], keras.Model], ratio: float
) -> None:
    trace = trace_model(build())
    groups = find_groups(trace).groups
    rng = np.random.default_rng(0)
    scores = [rng.standard_normal(group.channels) for group in groups]
    plan = select(groups, scores, ratio, limits=TIGHT)
    expected = model_facts(materialise(trace, plan))
    assert estimate_facts(trace, kept_ids(trace, plan)) == expected


def test_the_ratio_of_a_share_of_parameters() -> None:
    trace = trace_model(residual())
    groups = find_groups(trace).groups
    ratio = local_ratio(trace, groups, TIGHT, ratio=None, keep_params=0.5)
    scores = [np.zeros(group.channels) for group in groups]
    params = [
        estimate_facts(trace, kept_ids(trace, select(groups, scores, at, limits=TIGHT))).params
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
