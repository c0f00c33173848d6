from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.prune.criteria import taylor as module
from pipeline.prune.criteria.base import Criterion, Scored, Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.criteria.taylor import (
    LAYER_NORM,
    layer_norm_of,
    macs_of_channels,
    regularised,
    taylor,
)
from pipeline.prune.facts import model_facts
from pipeline.prune.gradients import by_channel, gradient_function, points_of
from pipeline.prune.groups import find_groups
from pipeline.prune.proof import random_inputs
from pipeline.prune.prune import prune_once
from pipeline.prune.select import Limits, select
from pipeline.prune.surgery import materialise
from pipeline.prune.trace import trace_model
from pipeline.records import InputSet
from tests.prune.models import MODELS, chain, randomise, residual, shared
from tests.prune.test_gradients import squares


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(0)


def data_for(model: keras.Model, count: int = 6, seed: int = 3) -> InputSet:
    rng = np.random.default_rng(seed)
    return InputSet(
        spec="random",
        names=tuple(map(str, range(count))),
        x=tuple(random_inputs(model, seed, count)),
        y=rng.integers(0, 3, count),
    )


def scored(
    model: keras.Model, criterion: Criterion, data: InputSet | None = None, **options: Any
) -> Scored:
    trace = trace_model(model)
    scoring = Scoring(trace=trace, data=data or data_for(model))
    return importance(criterion, scoring, find_groups(trace), **options)


def products_of(
    model: keras.Model, group: str, data: InputSet, loss: Any = squares
) -> list[np.ndarray]:
    """Of each place that reads the group: z g, [samples, channels, entries]."""
    trace = trace_model(model)
    points = points_of(trace, next(g for g in find_groups(trace).groups if g.name == group))
    found = gradient_function(trace, loss, points)(data.x, data.y)
    return [
        by_channel(point, z).astype(float) * by_channel(point, g)
        for point, z, g in zip(points, found.activations, found.gradients, strict=True)
    ]


@pytest.mark.parametrize("variant", LAYER_NORM)
@pytest.mark.parametrize("model", MODELS)
def test_every_variant_scores_every_graph(variant: str, model: str) -> None:
    built = randomise(MODELS[model]())
    found = scored(built, taylor(variant, loss=squares))
    assert [g.name for g in found.grouping.groups] == [
        g.name for g in find_groups(trace_model(built)).groups
    ]
    for group, scores in zip(found.grouping.groups, found.importance, strict=True):
        assert scores.shape == (group.channels,)
        assert np.isfinite(scores).all()
        assert (scores >= 0).all()
    assert any((scores > 0).any() for scores in found.importance)


@pytest.mark.parametrize("variant", LAYER_NORM)
def test_a_dead_channel_scores_nothing(variant: str) -> None:
    # Dead to its reader, although not where it is made: relu6(0 * x - 1) behind the depthwise.
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, activation="relu", name="a")(inputs)
    x = layers.DepthwiseConv2D(3, name="dw")(x)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(6.0)(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="b")(x))
    model = randomise(keras.Model(inputs, layers.Dense(3)(x)))
    bn = model.get_layer("bn")
    gamma, beta = np.array(bn.gamma), np.array(bn.beta)
    gamma[2], beta[2] = 0, -1
    bn.gamma.assign(gamma)
    bn.beta.assign(beta)
    scores = scored(model, taylor(variant)).importance[0]
    assert scores[2] == 0
    assert (np.delete(scores, 2) > 0).all()


@pytest.mark.parametrize("variant", ["paper", "jacobgil"])
@pytest.mark.parametrize("size", [1, 3])
def test_on_a_linear_net_it_is_the_change_of_the_loss(variant: str, size: int) -> None:
    """The loss is linear in all activations, so that first order is all there is."""
    inputs = keras.Input((size, size, 2))
    x = layers.Conv2D(5, 1, name="a")(inputs)
    x = layers.Conv2D(1, size, name="b")(x)
    model = randomise(keras.Model(inputs, x))
    data = data_for(model, 1)

    def linear(outputs: list[Any], y: Any) -> Any:
        return outputs[0][:, 0, 0, 0]

    found = scored(model, taylor(variant, loss=linear), data).importance[0] * size**2
    kernel = np.array(model.get_layer("b").kernel)

    def loss() -> float:
        return float(ops.convert_to_numpy(model(data.x[0])).ravel()[0])

    whole, changes = loss(), []
    for channel in range(5):
        without = kernel.copy()
        without[:, :, channel] = 0
        model.get_layer("b").kernel.assign(without)
        changes.append(abs(loss() - whole))
    model.get_layer("b").kernel.assign(kernel)
    np.testing.assert_allclose(found, changes, rtol=1e-4, atol=1e-6)


def test_paper_by_its_formula() -> None:
    model = randomise(residual())
    data = data_for(model)
    rows = [np.abs(p.mean(axis=2)).mean(axis=0) for p in products_of(model, "stem", data)]
    # Read by two expansions and by the pooled head.
    assert len(rows) == 3
    found = scored(model, taylor(loss=squares, batch_size=4), data)
    np.testing.assert_allclose(found.importance[0], sum(rows), rtol=1e-4)


def test_nvlabs_m6_by_its_formula() -> None:
    model = randomise(residual())
    data = data_for(model)
    total = np.zeros(8)
    for part in (slice(0, 4), slice(4, 6)):
        batch = InputSet(spec="", names=(), x=(data.x[0][part],), y=data.y[part])
        for product in products_of(model, "stem", batch):
            row = np.abs(product).mean(axis=(0, 2))
            total += row / np.linalg.norm(row) / 2
    found = scored(model, taylor("nvlabs_m6", loss=squares, batch_size=4), data)
    np.testing.assert_allclose(found.importance[0], total, rtol=1e-4)


def test_jacobgil_by_its_formula() -> None:
    model = randomise(residual())
    data = data_for(model)
    rows = [np.abs(p.mean(axis=(0, 2))) for p in products_of(model, "stem", data)]
    found = scored(model, taylor("jacobgil", loss=squares, batch_size=4), data)
    np.testing.assert_allclose(found.importance[0], sum(rows), rtol=1e-3, atol=1e-7)


def test_gate2019_by_its_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    model = randomise(residual())
    data = data_for(model)
    squared = []
    for part in (slice(0, 4), slice(4, 6)):
        batch = InputSet(spec="", names=(), x=(data.x[0][part],), y=data.y[part])
        gate = sum(p.sum(axis=(0, 2)) for p in products_of(model, "stem", batch))
        squared.append((gate / len(batch.y)) ** 2)
    criterion = taylor("gate2019", loss=squares, batch_size=4)
    found = scored(model, criterion, data).importance[0]
    np.testing.assert_allclose(found, (squared[0] + squared[1]) / 2, rtol=1e-3, atol=1e-7)
    monkeypatch.setattr(module, "WINDOW", 1)
    found = scored(model, criterion, data).importance[0]
    np.testing.assert_allclose(found, 0.9 * squared[0] + 0.1 * squared[1], rtol=1e-3, atol=1e-7)


def test_weight_by_its_formula() -> None:
    model = randomise(chain())
    data = data_for(model)
    trace = trace_model(model)
    found = scored(model, taylor("weight", loss=squares, batch_size=4), data)
    a, bn, b = (model.get_layer(name) for name in ("a", "a_bn", "b"))
    weights = [a.kernel, bn.gamma, b.kernel]
    gradients = gradient_function(trace, squares, weights=weights)(data.x, data.y).weights
    products = [np.abs(np.array(w, float) * g / 6) for w, g in zip(weights, gradients, strict=True)]
    expected = products[0].sum(axis=(0, 1, 2)) + products[1] + products[2].sum(axis=(0, 1, 3))
    np.testing.assert_allclose(found.importance[0], expected, rtol=1e-3)


@pytest.mark.parametrize("variant", LAYER_NORM)
def test_the_scale_of_the_loss_does_not_matter_after_the_norm(variant: str) -> None:
    model = randomise(residual())

    def louder(outputs: list[Any], y: Any) -> Any:
        return 100 * squares(outputs, y)

    one, other = (
        scored(model, taylor(variant, loss=loss), normalization="l2").importance
        for loss in (squares, louder)
    )
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3)
        assert np.linalg.norm(b) == pytest.approx(1)


def test_macs_of_a_channel_are_what_surgery_saves() -> None:
    model = residual()
    trace = trace_model(model)
    groups = find_groups(trace).groups
    before = model_facts(model).macs
    for group, macs in zip(groups, macs_of_channels(trace, groups), strict=True):
        scores = [np.arange(g.channels, dtype=float) for g in groups]
        ratio = {group.name: 1 / group.channels}
        plan = select(groups, scores, ratio, limits=Limits(round_to=1))
        assert before - model_facts(materialise(trace, plan)).macs == macs


def test_a_large_penalty_removes_the_dearest_channels_first() -> None:
    model = randomise(chain())
    trace = trace_model(model)
    plain = scored(model, taylor(), normalization="l2")
    costs = macs_of_channels(trace, plain.grouping.groups)
    assert len(set(costs)) == len(costs)
    assert regularised(plain, trace, 0.0) is plain
    found = regularised(plain, trace, 1e6).importance
    order = np.argsort([score.max() for score in found]).tolist()
    assert order == np.argsort(costs)[::-1].tolist()
    dearest = found[order[0]].max()
    assert all((found[index] > dearest).all() for index in order[1:])


def test_names_and_norms() -> None:
    assert criterion_named("taylor").name == "taylor"
    assert layer_norm_of(criterion_named("taylor")) == "l2"
    assert layer_norm_of(criterion_named("taylor:gate2019")) == "none"
    assert layer_norm_of(criterion_named("l1")) is None


def test_it_prunes() -> None:
    model = randomise(chain())
    result = prune_once(
        model, criterion="taylor", ratio=0.5, scope="global", data=data_for(model), seed=1
    )
    assert result.after.params < result.before.params
    assert result.max_abs_difference < 1e-5


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="variant of paper, .*Received: 'gates'"):
        taylor("gates")
    with pytest.raises(ConfigError, match="batch_size: expected at least 1. Received: 0"):
        taylor(batch_size=0)
    with pytest.raises(ConfigError, match="criterion taylor: needs labelled data"):
        prune_once(chain(), criterion="taylor", ratio=0.5)
    unlabelled = InputSet(spec="photos", names=(), x=tuple(random_inputs(chain(), 0)))
    with pytest.raises(ConfigError, match="criterion taylor: needs labelled.*'photos' without"):
        prune_once(chain(), criterion="taylor", ratio=0.5, data=unlabelled)
    with pytest.raises(ConfigError, match="2 outputs. Give a loss"):
        prune_once(shared(), criterion="taylor", ratio=0.5, data=data_for(shared()))
    model = chain()
    with pytest.raises(ConfigError, match="macs_penalty: expected at least 0. Received: -1"):
        regularised(scored(model, taylor()), trace_model(model), -1)


def test_open_sizes_have_no_macs() -> None:
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(5, 3)(layers.Conv2D(8, 3)(inputs))
    trace = trace_model(keras.Model(inputs, x))
    with pytest.raises(UnsupportedModelError, match="expected fixed sizes, for MACs"):
        macs_of_channels(trace, find_groups(trace).groups)
