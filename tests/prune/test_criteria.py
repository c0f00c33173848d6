from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import ConfigError
from pipeline.prune.criteria.base import Criterion, Scored, Scoring, importance
from pipeline.prune.criteria.table import CRITERIA, criterion_named
from pipeline.prune.groups import find_groups
from pipeline.prune.trace import trace_model
from tests.prune.models import MODELS, depthwise_multiplier, randomise, residual

# Four filters of two weights each.
FILTERS = np.array([[3, 4], [0, 0], [-1, 1], [6, -8]], float)


def one_layer(norm: bool = False) -> keras.Model:
    inputs = keras.Input((1, 2, 1))
    x = layers.Conv2D(4, (1, 2), use_bias=False, name="conv")(inputs)
    if norm:
        x = layers.BatchNormalization(name="bn", epsilon=0.0)(x)
    model = keras.Model(inputs, layers.Conv2D(2, 1, name="head")(x))
    model.get_layer("conv").set_weights([FILTERS.T.reshape(1, 2, 1, 4)])
    return model


def scored(
    model: keras.Model,
    criterion: str | Criterion,
    *,
    seed: int = 0,
    batch_norm: str = "ignore",
    reduction: str = "sum",
    normalization: str = "none",
) -> Scored:
    trace = trace_model(model)
    if isinstance(criterion, str):
        criterion = criterion_named(criterion)
    return importance(
        criterion,
        Scoring(trace=trace, seed=seed, batch_norm=batch_norm),
        find_groups(trace),
        reduction=reduction,
        normalization=normalization,
    )


def test_l1_and_l2_by_hand() -> None:
    assert scored(one_layer(), "l1").importance[0].tolist() == [7, 0, 2, 14]
    np.testing.assert_allclose(scored(one_layer(), "l2").importance[0], [5, 0, 2**0.5, 10])


def test_fpgm_by_hand() -> None:
    distances = np.linalg.norm(FILTERS[:, None] - FILTERS[None], axis=2).sum(axis=1)
    np.testing.assert_allclose(scored(one_layer(), "fpgm").importance[0], distances)


def test_fpgm_is_no_norm() -> None:
    # The zero filter is the farthest from the others; a norm would remove it first.
    model = one_layer()
    filters = np.array([[10, 0], [11, 0], [12, 0], [0, 0]], float)
    model.get_layer("conv").set_weights([filters.T.reshape(1, 2, 1, 4)])
    assert scored(model, "fpgm").importance[0].tolist() == [13, 13, 15, 33]


def test_lamp_by_hand() -> None:
    # Squares 25, 0, 2, 100 over the sums of all that are not smaller.
    expected = [25 / 125, 0 / 127, 2 / 127, 1]
    np.testing.assert_allclose(scored(one_layer(), "lamp").importance[0], expected)


def test_lamp_of_equal_filters_prefers_the_lower_index() -> None:
    model = one_layer()
    model.get_layer("conv").set_weights([np.ones((1, 2, 1, 4))])
    np.testing.assert_allclose(scored(model, "lamp").importance[0], [1, 1 / 2, 1 / 3, 1 / 4])


def test_bn_scale_is_the_absolute_gamma() -> None:
    model = one_layer(norm=True)
    model.get_layer("bn").gamma.assign([0.5, -2.0, 0.0, 1.0])
    assert scored(model, "bn-scale").importance[0].tolist() == [0.5, 2.0, 0.0, 1.0]


def test_bn_scale_locks_groups_without_a_scale() -> None:
    found = scored(one_layer(), "bn-scale")
    assert not found.grouping.groups
    assert not found.importance
    lock = found.grouping.locks[-1]
    assert lock.layer == "conv"
    assert lock.reason == "criterion bn-scale: no batch normalization with a scale in the group"


def test_folding_the_batch_norm_changes_the_ranking() -> None:
    model = one_layer(norm=True)
    bn = model.get_layer("bn")
    bn.gamma.assign([0.1, 1.0, 1.0, -1.0])
    bn.moving_variance.assign([1.0, 1.0, 0.01, 100.0])
    assert scored(model, "l1").importance[0].tolist() == [7, 0, 2, 14]
    gamma = scored(model, "l1", batch_norm="gamma").importance[0]
    np.testing.assert_allclose(gamma, [0.7, 0, 2, 14], rtol=1e-6)
    fold = scored(model, "l1", batch_norm="fold").importance[0]
    np.testing.assert_allclose(fold, [0.7, 0, 20, 1.4], rtol=1e-6)


def test_a_norm_behind_an_activation_is_not_folded() -> None:
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(4, 1, activation="relu", name="a")(inputs)
    x = layers.BatchNormalization(name="a_bn")(x)
    y = layers.Conv2D(4, 1, name="b")(x)
    z = layers.BatchNormalization(name="b_bn")(y)
    x = layers.Concatenate()([y, z])
    trace = trace_model(keras.Model(inputs, layers.Conv2D(2, 1)(x)))
    # Neither can be folded: a has a nonlinearity between, b is read by another layer too.
    assert not trace.folds


def test_folding_works_for_depthwise_multipliers() -> None:
    model = randomise(depthwise_multiplier())
    group = find_groups(trace_model(model)).groups[0]
    assert group.name == "a"
    plain, folded = scored(model, "l1"), scored(model, "l1", batch_norm="gamma")
    gamma = np.abs(np.array(model.get_layer("bn").gamma, float))
    dw = np.abs(np.array(model.get_layer("dw").kernel, float)).sum(axis=(0, 1))
    difference = (dw * (gamma.reshape(6, 2) - 1)).sum(axis=1)
    np.testing.assert_allclose(folded.importance[0] - plain.importance[0], difference)


def test_random_follows_the_seed() -> None:
    one, same, other = (scored(residual(), "random", seed=s) for s in (1, 1, 2))
    for a, b, c in zip(one.importance, same.importance, other.importance, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_reductions_over_the_members_of_a_group() -> None:
    model = randomise(residual())
    parts = [
        np.abs(np.array(model.get_layer(name).kernel, float)).sum(axis=(0, 1, 2))
        for name in ("stem", "project0", "project1")
    ]
    for name, reduce in (("sum", np.sum), ("mean", np.mean), ("max", np.max)):
        found = scored(model, "l1", reduction=name).importance[0]
        np.testing.assert_allclose(found, reduce(parts, axis=0))


def test_depthwise_filters_count() -> None:
    model = randomise(residual())
    expand = np.abs(np.array(model.get_layer("expand0").kernel, float)).sum(axis=(0, 1, 2))
    depthwise = np.abs(np.array(model.get_layer("dw0").kernel, float)).sum(axis=(0, 1, 3))
    np.testing.assert_allclose(scored(model, "l1").importance[1], expand + depthwise)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", [7, 0, 2, 14]),
        ("mean", np.array([7, 0, 2, 14]) / 5.75),
        ("max", np.array([7, 0, 2, 14]) / 14),
        ("sum", np.array([7, 0, 2, 14]) / 23),
        ("l2", np.array([7, 0, 2, 14]) / 249**0.5),
        ("standard", (np.array([7, 0, 2, 14]) - 5.75) / np.std([7, 0, 2, 14])),
    ],
)
def test_normalizations(name: str, expected: object) -> None:
    found = scored(one_layer(), "l1", normalization=name).importance[0]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("name", ["mean", "max", "sum", "l2", "standard"])
def test_a_group_of_zeros_stays_finite(name: str) -> None:
    model = one_layer()
    model.get_layer("conv").set_weights([np.zeros((1, 2, 1, 4))])
    assert scored(model, "l1", normalization=name).importance[0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("criterion", [c.name for c in CRITERIA.values() if not c.needs_data])
@pytest.mark.parametrize("model", MODELS)
def test_every_criterion_scores_every_graph(criterion: str, model: str) -> None:
    found = scored(MODELS[model](), criterion)
    for group, scores in zip(found.grouping.groups, found.importance, strict=True):
        assert scores.shape == (group.channels,)
        assert np.isfinite(scores).all()
        assert (scores >= 0).all()


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"Received: 'bn_scale'\. Did you mean 'bn-scale'"):
        criterion_named("bn_scale")
    with pytest.raises(ConfigError, match="reduction: expected one of sum, mean, max"):
        scored(one_layer(), "l1", reduction="median")
    with pytest.raises(ConfigError, match="normalization: expected one of"):
        scored(one_layer(), "l1", normalization="median")
    with pytest.raises(ConfigError, match="batch_norm: expected one of"):
        scored(one_layer(), "l1", batch_norm="median")


def test_a_criterion_that_needs_data_says_so() -> None:
    needy = Criterion(name="needy", score=CRITERIA["l1"].score, needs_data=True)
    with pytest.raises(ConfigError, match="criterion needy: needs labelled data"):
        scored(one_layer(), needy)
