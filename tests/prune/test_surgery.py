from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import UnsupportedModelError
from pipeline.prune.criteria.base import Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.groups import find_groups
from pipeline.prune.prune import PruneResult, prune_once
from pipeline.prune.select import Limits, select
from pipeline.prune.surgery import count_params, kept_ids, materialise
from pipeline.prune.trace import trace_model
from tests.prune.models import MODELS, chain, nested, predictions, randomise, shapes, shared

FINE = Limits(round_to=1, min_channels=1)


def prune(model: keras.Model, ratio: float = 0.5, seed: int = 0) -> PruneResult:
    return prune_once(model, criterion="random", ratio=ratio, limits=FINE, seed=seed)


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_graph_prunes_saves_and_loads(name: str, tmp_path: Path) -> None:
    model = randomise(MODELS[name]())
    before = [np.array(weight) for weight in model.weights]
    result = prune(model)
    assert result.max_abs_difference < 1e-5
    assert result.after.params < result.before.params
    assert result.plan.groups
    for group, keep in zip(result.plan.groups, result.plan.keep, strict=True):
        assert len(keep) < group.channels
    # The original is as it was.
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.array(weight), value)
    assert type(result.model) is type(model)
    assert result.model.name == model.name
    assert [layer.name for layer in result.model.layers] == [layer.name for layer in model.layers]
    if not isinstance(model, keras.Sequential):
        assert result.model.output_names == model.output_names
    result.model.save(tmp_path / "pruned.keras")
    loaded = keras.models.load_model(tmp_path / "pruned.keras")
    for one, other in zip(predictions(result.model), predictions(loaded), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_known_before_surgery(name: str) -> None:
    trace = trace_model(MODELS[name]())
    groups = find_groups(trace).groups
    plan = select(groups, [np.zeros(g.channels) for g in groups], 0.4, limits=FINE)
    pruned = materialise(trace, plan)
    assert count_params(trace, kept_ids(trace, plan)) == pruned.count_params()


@pytest.mark.parametrize("name", MODELS)
def test_nothing_removed_is_the_same_model(name: str) -> None:
    model = randomise(MODELS[name]())
    result = prune_once(model, ratio=0.0)
    assert shapes(result.model) == shapes(model)
    for one, other in zip(predictions(model), predictions(result.model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pruning_twice_works_on_the_pruned_model() -> None:
    first = prune(randomise(nested()), 0.3)
    second = prune(first.model, 0.3, seed=1)
    assert second.before == first.after
    assert second.after.params < first.after.params


def test_flatten_rows_are_strided() -> None:
    # The spec's example: C = 4, channel 1 of a 6-position map is rows 1, 5, 9, 13, 17, 21.
    inputs = keras.Input((2, 3, 2))
    x = layers.Conv2D(4, 1, name="conv")(inputs)
    x = layers.Flatten()(x)
    model = keras.Model(inputs, layers.Dense(2, name="head")(x))
    (group,) = find_groups(trace_model(model)).groups
    rows = next(m for m in group.members if m.layer == "head")
    assert rows.axis == 0
    assert rows.indices[1].tolist() == [1, 5, 9, 13, 17, 21]


def test_depthwise_outputs_follow_whole_inputs() -> None:
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 1, name="conv")(inputs)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="dw")(x)
    model = keras.Model(inputs, layers.Conv2D(2, 1, name="head")(x))
    (group,) = find_groups(trace_model(model)).groups
    members = {(m.layer, m.weight, m.axis): m.indices.tolist() for m in group.members}
    assert members["dw", "kernel", 2] == [[0], [1], [2]]
    assert members["dw", "bias", 0] == [[0, 1], [2, 3], [4, 5]]
    assert members["head", "kernel", 2] == [[0, 1], [2, 3], [4, 5]]


def test_shared_layers_are_emitted_once() -> None:
    pruned = prune(shared()).model
    assert [layer.name for layer in pruned.layers].count("conv") == 1
    assert len({id(layer) for layer in pruned.layers}) == len(pruned.layers)
    conv = pruned.get_layer("conv")
    assert conv.filters < 8


def test_configurations_tell_the_new_sizes() -> None:
    pruned = prune(randomise(chain())).model
    assert pruned.get_layer("a").get_config()["filters"] == 4
    assert pruned.get_layer("hidden").get_config()["units"] == 8
    assert pruned.get_layer("head").get_config()["units"] == 3


def test_inputs_and_outputs_keep_their_structure() -> None:
    pruned = prune(randomise(shared())).model
    assert [tensor.name for tensor in pruned.inputs] == ["one", "other"]
    assert set(pruned.output) == {"score", "map"}


def test_call_arguments_and_trainable_flags_survive() -> None:
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(8, 1, name="conv", trainable=False)(inputs)
    x = layers.Dropout(0.5, name="drop")(x, training=True)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2, name="head")(x))
    trace = trace_model(model)
    groups = find_groups(trace).groups
    plan = select(groups, [np.zeros(8)], 0.5)
    pruned = materialise(trace, plan)
    assert not pruned.get_layer("conv").trainable
    assert pruned.get_layer("head").trainable
    # Dropout stays on outside of training, as it was called.
    x = np.ones((1, 4, 4, 2), np.float32)
    assert not np.array_equal(np.array(pruned(x)), np.array(pruned(x)))


def test_equal_widths_make_no_new_shortcut() -> None:
    # A builder that adds a shortcut where widths are equal would add one here after pruning.
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, name="a")(inputs)
    x = layers.Conv2D(12, 1, name="b")(x)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    result = prune_once(model, ratio={"b": 1 / 3})
    assert result.model.get_layer("b").filters == result.model.get_layer("a").filters == 8
    assert not any(isinstance(layer, layers.Add) for layer in result.model.layers)


def test_batch_norm_without_scale_and_center_has_two_vectors() -> None:
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, name="conv")(inputs)
    x = layers.BatchNormalization(scale=False, center=False, name="bn")(x)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    pruned = prune_once(randomise(model), ratio=0.5).model
    assert shapes(pruned)["bn"] == [(4,), (4,)]


def test_the_pruned_model_is_not_compiled() -> None:
    model = chain()
    model.compile("adam", "categorical_crossentropy")
    assert not prune(model).model.compiled


class Frozen(keras.layers.Layer):
    def __init__(self, secret: object, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.secret = secret

    def call(self, x: object) -> object:
        return x


def test_a_layer_without_configuration_is_named() -> None:
    inputs = keras.Input((4,))
    x = layers.Dense(8, name="a")(inputs)
    model = keras.Model(inputs, Frozen(object(), name="odd")(x))
    with pytest.raises(UnsupportedModelError, match="layer 'odd': cannot be rebuilt"):
        prune_once(model, ratio=0.5)


def test_a_subclassed_model_is_refused() -> None:
    class Own(keras.Model):
        def call(self, x: object) -> object:
            return x

    with pytest.raises(UnsupportedModelError, match="expected a Functional model"):
        prune_once(Own(), ratio=0.5)


def test_importance_of_a_criterion_decides() -> None:
    inputs = keras.Input((4, 4, 1))
    x = layers.Conv2D(8, 1, use_bias=False, name="conv")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    kernel = np.array([3, -9, 1, 8, -2, 7, 6, 4], np.float32).reshape(1, 1, 1, 8)
    model.get_layer("conv").set_weights([kernel])
    trace = trace_model(model)
    scored = importance(criterion_named("l1"), Scoring(trace=trace), find_groups(trace))
    assert scored.importance[0].tolist() == [3, 9, 1, 8, 2, 7, 6, 4]
    result = prune_once(model, ratio=0.5)
    assert result.plan.keep == ((1, 3, 5, 6),)
    np.testing.assert_array_equal(
        np.array(result.model.get_layer("conv").kernel).ravel(), [-9, 8, 7, 6]
    )
