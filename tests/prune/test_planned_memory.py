"""Memory by width as a planner has it, against a planner that is linear, and one that is not."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.prune.budget import parse_budget, prune_to_budget
from pipeline.prune.groups import find_groups
from pipeline.prune.planned_memory import measure_memory
from pipeline.prune.records import Counts
from pipeline.prune.select import Limits
from pipeline.prune.trace import trace_model
from pipeline.prune.widths import WidthCosts


def chain() -> keras.Model:
    """Three convolutions; layer by layer the first one's tensors are by far the largest."""
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, padding="same", name="first")(inputs)
    x = layers.Conv2D(16, 3, strides=2, padding="same", name="second")(x)
    x = layers.Conv2D(32, 3, strides=2, padding="same", name="third")(x)
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


def widths_of(model: keras.Model) -> list[int]:
    return [model.get_layer(name).filters for name in ("first", "second", "third")]


def streaming_cost(model: keras.Model) -> dict[str, object]:
    """Memory that hangs on the last layer most, as no layer-by-layer estimate has it."""
    first, second, third = widths_of(model)
    live = (1000 + 10 * first + 20 * second, 1000 + 20 * second + 100 * third, 50 * third)
    return {"arena_bytes": max(live), "live_bytes": live}


def measured(whole: Counts, units: Counts) -> tuple[list[Counts], np.ndarray, np.ndarray]:
    model = chain()
    trace = trace_model(model)
    asked: list[Counts] = []

    def live(keep: Counts) -> np.ndarray:
        asked.append(keep.copy())
        return np.array([100.0 + keep @ [1, 2, 3], keep @ [0, 5, 0]])

    lowest = np.array([4, 4, 4])
    costs = WidthCosts(trace, find_groups(trace).groups)
    memory = measure_memory(costs, whole, lowest, units, live, lambda line: None)
    found = memory(np.array([[8, 8, 8], [4, 16, 32]])).live_bytes
    return asked, memory.slopes, found


def test_each_group_is_narrowed_once_within_its_limits() -> None:
    asked, slopes, found = measured(np.array([16, 16, 32]), np.array([4, 4, 4]))
    assert [keep.tolist() for keep in asked] == [
        [16, 16, 32],
        [8, 16, 32],
        [16, 8, 32],
        [16, 16, 16],
    ]
    assert slopes.tolist() == [[1, 0], [2, 5], [3, 0]]
    assert found.tolist() == [[148, 40], [232, 80]]


def test_a_group_that_cannot_shrink_costs_nothing() -> None:
    asked, slopes, _ = measured(np.array([4, 16, 32]), np.array([4, 4, 4]))
    assert len(asked) == 3
    assert slopes[0].tolist() == [0, 0]


@pytest.mark.parametrize("limit", [4000, 3000, 2200])
def test_the_search_narrows_what_the_planner_needs(limit: int) -> None:
    result = prune_to_budget(
        chain(),
        parse_budget(f"arena={limit}"),
        cost=streaming_cost,
        limits=Limits(round_to=4, min_channels=4, max_ratio=0.9),
    )
    first, _, third = widths_of(result.model)
    # Layer by layer the first would have to go: it has nothing to do with this planner's peak.
    assert first == 16
    assert third < 32
    used = streaming_cost(result.model)["arena_bytes"]
    assert isinstance(used, int)
    assert limit - 400 <= used <= limit
