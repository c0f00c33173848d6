from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import MismatchError
from pipeline.prune.groups import find_groups
from pipeline.prune.proof import (
    masked_weights,
    outputs_of,
    prove,
    random_inputs,
    telling_inputs,
)
from pipeline.prune.prune import prune_once
from pipeline.prune.records import ChannelGroup, Role
from pipeline.prune.select import select
from pipeline.prune.surgery import materialise
from pipeline.prune.trace import Trace, trace_model
from tests.prune.models import MODELS, chain, randomise, residual


def depthwise_block() -> keras.Model:
    """Conv, BN, ReLU, depthwise, BN, ReLU, head: beta of the second BN leaks a constant."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv")(inputs)
    x = layers.BatchNormalization(name="bn1")(x)
    x = layers.ReLU(name="relu1")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="dw")(x)
    x = layers.BatchNormalization(name="bn2")(x)
    x = layers.ReLU(name="relu2")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return randomise(keras.Model(inputs, layers.Dense(3, name="head")(x), name="block"))


def zero_norms(model: keras.Model, group: ChannelGroup, kept: tuple[int, ...], names: set[str]):
    """The spec's oracle: gamma and beta of the group's batch norms zeroed where channels go."""
    for member in group.members:
        if member.weight in ("gamma", "beta") and member.layer in names:
            variable = getattr(model.get_layer(member.layer), member.weight)
            value = np.array(variable)
            value[np.delete(member.indices, kept, axis=0).ravel()] = 0
            variable.assign(value)


def test_all_norms_of_a_group_have_to_be_masked() -> None:
    model = depthwise_block()
    result = prune_once(model, ratio=0.5)
    assert result.max_abs_difference < 1e-6
    (group,) = result.plan.groups
    inputs = random_inputs(model, 3)
    (pruned,) = outputs_of(result.model, inputs)
    zero_norms(model, group, result.plan.keep[0], {"bn1"})
    (leaking,) = outputs_of(model, inputs)
    assert np.abs(leaking - pruned).max() > 0.05
    zero_norms(model, group, result.plan.keep[0], {"bn2"})
    (masked,) = outputs_of(model, inputs)
    np.testing.assert_allclose(masked, pruned, atol=1e-6)


def test_the_oracle_of_the_spec_holds_on_mobilenet_v2() -> None:
    model = randomise(
        keras.applications.MobileNetV2(
            (32, 32, 3), alpha=0.35, weights=None, classes=3, classifier_activation=None
        )
    )
    result = prune_once(model, ratio=0.5)
    inputs = random_inputs(model, 3)
    (pruned,) = outputs_of(result.model, inputs)
    for group, keep in zip(result.plan.groups, result.plan.keep, strict=True):
        norms = {member.layer for member in group.members if member.weight == "gamma"}
        zero_norms(model, group, keep, norms)
    (masked,) = outputs_of(model, inputs)
    np.testing.assert_allclose(masked, pruned, atol=1e-5)


def wrong_map(trace: Trace, weight: str, layer: str) -> Trace:
    """The same trace with the ids of one weight's rows in another order."""
    axes = tuple(
        replace(axis, ids=np.roll(axis.ids, 1))
        if (axis.path, axis.weight, axis.role) == (layer, weight, Role.IN)
        else axis
        for axis in trace.axes
    )
    return replace(trace, axes=axes)


def test_a_wrong_index_map_fails_and_names_the_group() -> None:
    model = randomise(residual())
    trace = wrong_map(trace_model(model), "kernel", "project1")
    groups = find_groups(trace).groups
    plan = select(groups, [np.arange(g.channels, dtype=float) for g in groups], 0.5)
    pruned = materialise(trace, plan)
    before = [np.array(weight) for weight in model.weights]
    with pytest.raises(MismatchError, match="in group 'expand1'.*ignore"):
        prove(trace, plan, pruned)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.array(weight), value)


def test_contiguous_flatten_rows_fail() -> None:
    # The map of channels_first, the trap of the spec.
    inputs = keras.Input((4, 4, 3))
    x = layers.Flatten(name="flat")(layers.Conv2D(8, 1, name="conv")(inputs))
    model = randomise(keras.Model(inputs, layers.Dense(2, name="head")(x)))
    trace = trace_model(model)
    axes = tuple(
        replace(axis, ids=np.sort(axis.ids)) if axis.path == "head" else axis for axis in trace.axes
    )
    trace = replace(trace, axes=axes)
    groups = find_groups(trace).groups
    plan = select(groups, [np.arange(8.0)], 0.5)
    with pytest.raises(MismatchError, match="in group 'conv'"):
        prove(trace, plan, materialise(trace, plan))


def test_changed_weights_fail() -> None:
    model = randomise(chain())
    result = prune_once(model, ratio=0.5)
    trace = trace_model(model)
    bias = result.model.get_layer("head").bias
    bias.assign(np.array(bias) + np.arange(3))
    with pytest.raises(MismatchError, match="only with all groups pruned together"):
        prove(trace, result.plan, result.model)


def test_outputs_that_are_no_numbers_fail() -> None:
    model = randomise(chain())
    model.get_layer("head").bias.assign([np.nan] * 3)
    with pytest.raises(MismatchError, match="difference of nan"):
        prune_once(model, ratio=0.5)


def test_masks_of_producers_serve_gradual_pruning() -> None:
    model = randomise(residual())
    trace = trace_model(model)
    groups = find_groups(trace).groups
    plan = select(groups, [np.arange(g.channels, dtype=float) for g in groups], 0.5)
    masks = {
        (layer.name, name): mask
        for layer, name, mask in masked_weights(trace, plan, Role.OUT, Role.THROUGH)
    }
    assert masks["stem", "kernel"].shape == (3, 3, 3, 8)
    assert masks["stem", "kernel"].sum(axis=(0, 1, 2)).tolist() == [0] * 4 + [27] * 4
    assert masks["dw0", "kernel"][0, 0, :, 0].tolist() == [0] * 8 + [1] * 4
    assert masks["dw0_bn", "beta"].tolist() == [0] * 8 + [1] * 4
    assert ("head", "kernel") not in masks


@pytest.mark.parametrize("name", MODELS)
def test_open_sizes_and_whole_number_inputs_get_values(name: str) -> None:
    model = MODELS[name]()
    for array, tensor in zip(random_inputs(model, 0), model.inputs, strict=True):
        assert array.dtype == np.dtype(tensor.dtype)
        assert all(a == b for a, b in zip(array.shape[1:], tensor.shape[1:], strict=True) if b)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_given_its_rounding(policy: str) -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, name="a", dtype=policy)(inputs)
    x = layers.ReLU(dtype=policy)(x)
    x = layers.GlobalAveragePooling2D(dtype=policy)(x)
    model = randomise(keras.Model(inputs, layers.Dense(3, name="head", dtype=policy)(x)))
    result = prune_once(model, ratio=0.5)
    assert result.model.get_layer("a").compute_dtype == policy.removeprefix("mixed_")
    assert result.max_abs_difference < 0.02


def test_a_tolerance_of_ones_own() -> None:
    model = randomise(chain())
    result = prune_once(model, ratio=0.5)
    bias = result.model.get_layer("head").bias
    bias.assign(np.array(bias) + np.array([1e-3, 0, 0]))
    trace = trace_model(model)
    with pytest.raises(MismatchError):
        prove(trace, result.plan, result.model)
    assert prove(trace, result.plan, result.model, tolerance=0.5) > 1e-5


HEADS = {
    "dense softmax": lambda: [layers.Dense(3, activation="softmax", name="head")],
    "dense sigmoid": lambda: [layers.Dense(3, activation="sigmoid", name="head")],
    "softmax layer": lambda: [layers.Dense(3, name="head"), layers.Softmax(name="softmax")],
    "activation layer": lambda: [layers.Dense(3, name="head"), layers.Activation("softmax")],
    "operation": lambda: [layers.Dense(3, name="head"), keras.ops.softmax],
    "convolution": lambda: [
        layers.Reshape((1, 1, 12)),
        layers.Conv2D(3, 1, activation="softmax", name="head"),
        layers.Flatten(),
    ],
}


def saturated(head: list[object]) -> keras.Model:
    """A model whose scores are so far apart that every softmax gives 0 and 1."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(12, 3, activation="relu", name="conv")(inputs)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    for layer in head:
        x = layer(x)  # type: ignore[operator]
    model = randomise(keras.Model(inputs, x, name="saturated"))
    kernel, _ = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([10 * kernel, np.array([120.0, -120.0, -120.0])])
    return model


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_broken_surgery_shows_behind_a_saturated_activation(
    head: Callable[[], list[object]],
) -> None:
    model = saturated(head())
    inputs = random_inputs(model, 0)
    (output,) = outputs_of(model, inputs)
    assert set(np.unique(output)) == {0.0, 1.0}
    assert prune_once(model, ratio=0.5).max_abs_difference == 0
    (conv,) = [call.layer for call in trace_model(model).graph.calls if call.path == "head"]
    activation = conv.activation

    trace = wrong_map(trace_model(model), "kernel", "head")
    groups = find_groups(trace).groups
    plan = select(groups, [np.arange(12.0)], 0.5)
    pruned = materialise(trace, plan)
    # Outputs alone would not tell.
    np.testing.assert_array_equal(outputs_of(pruned, inputs)[0], output)
    with pytest.raises(MismatchError, match=r"of 0, before the last activation \d.*'conv'"):
        prove(trace, plan, pruned)
    assert conv.activation is activation


def test_a_broken_head_shows_behind_a_saturated_softmax() -> None:
    model = saturated(HEADS["dense softmax"]())
    result = prune_once(model, ratio=0.5)
    kernel = result.model.get_layer("head").kernel
    kernel.assign(np.roll(np.array(kernel), 1, axis=0))
    with pytest.raises(MismatchError, match="only with all groups"):
        prove(trace_model(model), result.plan, result.model)


def test_inputs_move_what_a_model_makes_of_pixels() -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 127.5, -1.0)(inputs)
    x = layers.Conv2D(8, 3, activation="relu", name="conv")(x)
    x = layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, x)
    normal, larger = telling_inputs(trace_model(model), 0)
    assert np.abs(normal[0]).max() < 10
    assert np.abs(larger[0]).max() > 100
    assert len(telling_inputs(trace_model(randomise(chain())), 0)) == 1
