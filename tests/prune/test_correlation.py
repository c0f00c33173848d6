from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import ConfigError
from pipeline.prune.correlation import ranks, spearman, spearman_against_oracle
from pipeline.prune.gradients import losses_of, run_graph
from pipeline.prune.groups import find_groups
from pipeline.prune.losses import classification_loss
from pipeline.prune.proof import masked_weights
from pipeline.prune.records import PrunePlan, Role
from pipeline.prune.surgery import weight_named
from pipeline.prune.trace import trace_model
from pipeline.records import InputSet
from tests.prune.models import chain, randomise, residual
from tests.prune.test_taylor import data_for


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(0)


def planted() -> tuple[keras.Model, InputSet]:
    """Units with large filters that hardly anything reads, and small ones that all depends on."""
    inputs = keras.Input((8,))
    x = layers.Dense(12, activation="relu", name="hidden")(inputs)
    model = keras.Model(inputs, layers.Dense(3, name="head")(x))
    rng = np.random.default_rng(0)
    kernel, rows = rng.standard_normal((8, 12)), rng.standard_normal((12, 3))
    sizes = np.geomspace(0.3, 3, 12)
    model.get_layer("hidden").kernel.assign(kernel / np.linalg.norm(kernel, axis=0) * sizes)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) * sizes[:, None] ** 3
    model.get_layer("head").kernel.assign(0.1 * rows)
    x = rng.standard_normal((200, 8)).astype("float32")
    y = keras.ops.convert_to_numpy(model(x)).argmax(axis=1)
    return model, InputSet(spec="planted", names=tuple(map(str, range(200))), x=(x,), y=y)


def test_ranks_of_equals_are_their_mean() -> None:
    assert ranks(np.array([10.0, 30, 20, 20])).tolist() == [1, 4, 2.5, 2.5]
    assert ranks(np.array([5.0, 5, 5])).tolist() == [2, 2, 2]


def test_spearman_by_hand() -> None:
    first = np.array([1.0, 2, 3, 4, 5])
    assert spearman(first, first**3) == pytest.approx(1)
    assert spearman(first, -first) == pytest.approx(-1)
    # 1 - 6 sum(d^2) / (n (n^2 - 1)), with d = (1, 1, 0, 0, 0).
    assert spearman(first, np.array([2.0, 1, 3, 4, 5])) == pytest.approx(1 - 6 * 2 / 120)
    # With ties, the correlation of the ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4.
    tied = spearman(np.array([0.0, 1, 1, 2]), np.array([0.0, 2, 1, 3]))
    assert tied == pytest.approx(4.5 / (4.5 * 5) ** 0.5)
    assert spearman(first, np.ones(5)) is None
    assert spearman(np.ones(0), np.ones(0)) is None


def test_the_oracle_removes_each_channel_alone() -> None:
    model = randomise(residual())
    data = data_for(model, 5)
    study = spearman_against_oracle(model, ["l1"], data, batch_size=2)
    trace = trace_model(model)
    loss = classification_loss(trace, data)

    def mean_loss() -> float:
        return float(losses_of(run_graph(trace, data.x), data.y, loss).mean(dtype=float))

    assert study.loss == pytest.approx(mean_loss(), rel=1e-5)
    groups = find_groups(trace).groups
    for index, group in enumerate(groups):
        found = study.changes[group.name]
        assert study.looked_at[group.name].tolist() == list(range(group.channels))
        for channel in (0, group.channels - 1):
            keep: list[tuple[int, ...]] = [tuple(range(g.channels)) for g in groups]
            keep[index] = tuple(c for c in keep[index] if c != channel)
            plan = PrunePlan(groups=groups, keep=tuple(keep), importance=(), seed=0)
            saved = []
            for layer, name, mask in masked_weights(trace, plan, Role.IN):
                weight = weight_named(layer, name)
                saved.append((weight, np.array(weight)))
                weight.assign(np.array(weight) * mask)
            assert found[channel] == pytest.approx(mean_loss() - study.loss, rel=0.01, abs=1e-5)
            for weight, value in saved:
                weight.assign(value)


def test_taylor_beats_magnitude_where_redundancy_is_planted() -> None:
    model, data = planted()
    names = ["taylor", "taylor:gate2019", "taylor:weight", "l1", "random"]
    study = spearman_against_oracle(model, names, data)
    found = {one.criterion: one for one in study.correlations}
    assert list(found) == names
    assert found["l1"].channels == 12
    by_magnitude = found["l1"].overall
    assert by_magnitude is not None
    assert by_magnitude < 0
    for name in names[:3]:
        overall = found[name].overall
        assert overall is not None
        assert overall > max(0.6, by_magnitude)
        assert found[name].by_group == {"hidden": pytest.approx(overall)}
        assert found[name].mean == pytest.approx(overall)


def test_a_part_of_the_channels_and_progress() -> None:
    model = randomise(chain())
    calls: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        calls.append((done, total))

    options: dict[str, Any] = {"channels_per_group": 3, "batch_size": 4, "seed": 7}
    data = data_for(model)
    study = spearman_against_oracle(model, ["l2"], data, on_progress=note, **options)
    assert [len(chosen) for chosen in study.looked_at.values()] == [3, 3, 3]
    assert study.correlations[0].channels == 9
    # Two batches of nine channels.
    assert calls == [(done, 18) for done in range(1, 19)]
    again = spearman_against_oracle(model, ["l2"], data, **options)
    assert again.correlations == study.correlations


def test_what_a_criterion_cannot_score_is_left_out() -> None:
    model = randomise(chain())
    study = spearman_against_oracle(model, ["bn-scale"], data_for(model))
    assert list(study.correlations[0].by_group) == ["a"]
    assert set(study.changes) == {"a", "b", "hidden"}
    assert ("head", "model output") in [(lock.layer, lock.reason) for lock in study.locked]


def test_the_sign_of_the_change_can_count() -> None:
    model = randomise(chain())
    data = data_for(model)
    one, other = (
        spearman_against_oracle(model, ["l1"], data, magnitude=magnitude).correlations[0]
        for magnitude in (True, False)
    )
    assert one.overall != other.overall


def test_a_single_channel_cannot_be_ranked() -> None:
    model = chain()
    with pytest.raises(ConfigError, match="channels_per_group: expected at least 2"):
        spearman_against_oracle(model, ["l1"], data_for(model), channels_per_group=1)
