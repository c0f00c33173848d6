from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.prune.groups import find_groups
from pipeline.prune.records import ChannelGroup, FloatArray, Member, PrunePlan, Role
from pipeline.prune.select import Limits, select
from pipeline.prune.trace import trace_model
from tests.prune.models import residual

FINE = Limits(round_to=1, min_channels=1, max_ratio=0.99)


def group(name: str, channels: int, width: int = 1, weight: str = "kernel") -> ChannelGroup:
    indices = np.arange(channels * width).reshape(width, channels).T
    member = Member(layer=name, weight=weight, axis=3, role=Role.OUT, indices=indices)
    return ChannelGroup(
        name=name, members=(member,), channels=channels, width=width, units=np.arange(channels)
    )


def counts(plan: PrunePlan) -> list[int]:
    return [len(keep) for keep in plan.keep]


@pytest.mark.parametrize(
    ("channels", "ratio", "kept"),
    [
        (32, 0.25, 24),
        (32, 0.5, 16),
        (32, 0.3, 20),
        (30, 0.3, 20),
        (10, 0.1, 8),
        (30, 0.0, 30),
        (8, 0.5, 4),
        (6, 0.5, 4),
        (4, 0.5, 4),
        (3, 0.5, 3),
        (100, 0.95, 12),
    ],
)
def test_local_counts(channels: int, ratio: float, kept: int) -> None:
    # keep = max(min_channels, floor_to(round_to, C * (1 - r))), at most 0.9 removed.
    plan = select([group("a", channels)], [np.arange(channels, dtype=float)], ratio)
    assert counts(plan) == [kept]
    assert plan.keep[0] == tuple(range(channels - kept, channels))


def test_what_falls_short_is_reported() -> None:
    groups = [group("a", 6), group("b", 100), group("c", 32)]
    plan = select(groups, [np.zeros(g.channels) for g in groups], 0.95)
    found = [(s.group, s.wanted, s.kept, s.reason) for s in plan.shortfalls]
    assert found == [
        ("a", 0, 4, "min_channels 4"),
        ("b", 5, 12, "max_ratio 0.9"),
        ("c", 1, 4, "min_channels 4"),
    ]


def test_a_hair_below_a_whole_number_is_whole() -> None:
    # 10 * (1 - 0.9) is 0.99999...
    assert counts(select([group("a", 10)], [np.zeros(10)], 0.9, limits=FINE)) == [1]


def test_of_equals_the_lower_index_stays() -> None:
    plan = select([group("a", 8)], [np.ones(8)], 0.5)
    assert plan.keep == ((0, 1, 2, 3),)


def test_global_scope_removes_exactly_k() -> None:
    groups = [group("a", 8), group("b", 8)]
    scores = [np.arange(8.0), np.arange(8.0) + 4]
    plan = select(groups, scores, 0.5, scope="global", limits=FINE)
    # Removed: 0-3 of a; then of the equal pairs 4..7 (a) and 0..3 (b) the later group's first.
    assert plan.keep == ((6, 7), (2, 3, 4, 5, 6, 7))
    assert sum(counts(plan)) == 8


def test_global_ties_take_no_more_than_k() -> None:
    groups = [group("a", 5), group("b", 5)]
    plan = select(groups, [np.ones(5)] * 2, 0.3, scope="global", limits=FINE)
    assert counts(plan) == [5, 2]


def test_global_scope_leaves_no_group_empty() -> None:
    groups = [group("a", 8), group("b", 8)]
    plan = select(groups, [np.zeros(8), np.ones(8)], 0.5, scope="global")
    assert counts(plan) == [4, 4]
    tight = select(groups, [np.zeros(8), np.ones(8)], 0.9, scope="global")
    assert [s.reason for s in tight.shortfalls] == ["min_channels or max_ratio in every group"]


def test_isomorphic_scope_compares_within_structures() -> None:
    groups = [group("a", 8), group("b", 8), group("c", 8, weight="pointwise_kernel")]
    scores = [np.zeros(8), np.ones(8), np.zeros(8) - 1]
    plan = select(groups, scores, 0.25, scope="isomorphic", limits=FINE)
    assert counts(plan) == [4, 8, 6]


def test_rounding_counts_filters_not_units() -> None:
    # Three filters go at once: 4 units are 12 filters, a multiple of 4.
    plan = select([group("a", 10, width=3)], [np.arange(10.0)], 0.5)
    assert counts(plan) == [4]
    plan = select([group("a", 10, width=4)], [np.arange(10.0)], 0.5)
    assert counts(plan) == [5]


def test_a_ratio_for_each_group() -> None:
    groups = [group("a", 8), group("b", 8)]
    assert counts(select(groups, [np.zeros(8)] * 2, {"b": 0.5})) == [8, 4]


def test_monotone_in_the_ratio() -> None:
    groups = [group("a", 33), group("b", 64)]
    scores = [np.arange(33.0), np.arange(64.0)]
    for scope in ("local", "global"):
        kept = [sum(counts(select(groups, scores, r / 20, scope=scope))) for r in range(20)]
        assert kept == sorted(kept, reverse=True)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5)), min_size=1, max_size=5),
    st.floats(0, 0.999),
    st.sampled_from(["local", "global", "isomorphic"]),
    st.integers(1, 8),
    st.integers(1, 8),
    st.integers(0, 99),
)
def test_no_limit_is_ever_broken(
    sizes: list[tuple[int, int]], ratio: float, scope: str, step: int, least: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    groups = [group(f"g{i}", channels, width) for i, (channels, width) in enumerate(sizes)]
    scores: list[FloatArray] = [rng.integers(0, 4, g.channels).astype(float) for g in groups]
    limits = Limits(round_to=step, min_channels=least)
    plan = select(groups, scores, ratio, scope=scope, limits=limits)
    for g, keep, score in zip(groups, plan.keep, scores, strict=True):
        assert 1 <= len(keep) <= g.channels
        assert list(keep) == sorted(set(keep))
        if len(keep) < g.channels:
            assert len(keep) * g.width >= least
            assert len(keep) * g.width % step == 0
            assert g.channels - len(keep) <= 0.9 * g.channels + 1e-9
            gone = np.delete(score, keep)
            assert gone.max() <= score[list(keep)].min()


@pytest.mark.parametrize("ratio", [1.0, 1.5, -0.1, float("nan")])
def test_a_ratio_that_empties_a_layer_is_refused(ratio: float) -> None:
    with pytest.raises(ConfigError, match=r"in \[0, 1\); 1 empties a layer\. Received"):
        select([group("a", 8)], [np.zeros(8)], ratio)


def test_limits_are_checked() -> None:
    with pytest.raises(ConfigError, match="min_channels: expected at least 1"):
        Limits(min_channels=0)
    with pytest.raises(ConfigError, match="round_to: expected"):
        Limits(round_to=0)
    with pytest.raises(ConfigError, match="max_ratio: expected"):
        Limits(max_ratio=1.0)


def test_bad_scopes_and_ratios_by_group_are_refused() -> None:
    groups, scores = [group("a", 8)], [np.zeros(8)]
    with pytest.raises(ConfigError, match="scope: expected one of local, global, isomorphic"):
        select(groups, scores, 0.5, scope="everywhere")
    with pytest.raises(ConfigError, match="expected names of groups. Received: 'b'"):
        select(groups, scores, {"b": 0.5})
    with pytest.raises(ConfigError, match="ratio of a: "):
        select(groups, scores, {"a": 1.0})
    with pytest.raises(ConfigError, match="expected one number with scope 'global'"):
        select(groups, scores, {"a": 0.5}, scope="global")


def test_structures_of_a_real_model() -> None:
    from pipeline.prune.select import structure_of

    groups = {g.name: structure_of(g) for g in find_groups(trace_model(residual())).groups}
    assert groups["expand0"] == groups["expand1"] != groups["stem"]
    keras.backend.clear_session()
