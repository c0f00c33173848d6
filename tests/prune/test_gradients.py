from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from pipeline.errors import UnsupportedModelError
from pipeline.prune.gradients import (
    Gradients,
    by_channel,
    gradient_function,
    losses_of,
    points_of,
    run_graph,
)
from pipeline.prune.groups import find_groups
from pipeline.prune.proof import outputs_of, random_inputs
from pipeline.prune.records import ChannelGroup
from pipeline.prune.trace import Trace, trace_model
from tests.prune.models import MODELS, chain, randomise, residual, squeeze_excite

# Small, for many functions have corners; large enough for float32.
STEP = 1e-3


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(0)


def squares(outputs: list[Any], y: Any) -> Any:
    """Some smooth loss of all outputs; labels shift it."""
    total = 0.1 * ops.cast(y, "float32")
    for output in outputs:
        total = total + ops.sum(ops.reshape((output - 0.3) ** 2, (len(output), -1)), axis=1)
    return total


def samples(model: keras.Model, count: int = 3) -> tuple[list[np.ndarray], np.ndarray]:
    return random_inputs(model, 5, count), np.arange(count)


def gradients(trace: Trace, weights: list[Any] | None = None, **kwargs: Any) -> Gradients:
    x, y = samples(trace.model)
    return gradient_function(trace, squares, weights=weights or (), **kwargs)(x, y)


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_the_flat_graph_is_the_model(build: Callable[[], keras.Model]) -> None:
    model = randomise(build())
    inputs = random_inputs(model, 1)
    found = run_graph(trace_model(model), inputs)
    for one, other in zip(outputs_of(model, inputs), found, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(other), one, rtol=1e-4, atol=1e-5)


def loss_with_gates(trace: Trace, group: ChannelGroup, gates: np.ndarray) -> float:
    """Loss when readers see the channels of a group multiplied by gates."""
    points = points_of(trace, group)
    x, y = samples(trace.model)

    def tap(index: int, z: Any) -> Any:
        point = points[index]
        factor = np.ones(z.shape[point.axis])
        factor[point.entries] = gates[:, None]
        shape = [1] * len(z.shape)
        shape[point.axis] = -1
        return z * ops.cast(factor.reshape(shape), z.dtype)

    return float(losses_of(run_graph(trace, x, points, tap), y, squares).sum(dtype=float))


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_products_are_the_slope_of_the_loss(build: Callable[[], keras.Model]) -> None:
    trace = trace_model(randomise(build()))
    rng = np.random.default_rng(0)
    for group in find_groups(trace).groups:
        points = points_of(trace, group)
        assert points, group.name
        found = gradients(trace, points=points)
        slopes = sum(
            by_channel(point, z * g).astype(float).sum(axis=(0, 2))
            for point, z, g in zip(points, found.activations, found.gradients, strict=True)
        )
        direction = rng.standard_normal(group.channels)
        up, down = (loss_with_gates(trace, group, 1 + step * direction) for step in (STEP, -STEP))
        assert (up - down) / (2 * STEP) == pytest.approx(slopes @ direction, rel=0.05, abs=0.02)


def test_a_gate_of_ones_has_the_products_as_its_gradient() -> None:
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(5, 3, activation="softplus", name="a")(inputs)
    x = layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer="ones", name="gate")(x)
    x = layers.Conv2D(4, 3, activation="tanh", name="b")(x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(layers.Flatten()(x)))
    trace = trace_model(model)
    group = find_groups(trace).groups[0]
    assert group.name == "a"
    points = points_of(trace, group)
    gate = model.get_layer("gate").kernel
    found = gradients(trace, [gate], points=points)
    product = by_channel(points[0], found.activations[0] * found.gradients[0])
    np.testing.assert_allclose(
        product.sum(axis=(0, 2)), found.weights[0].ravel(), rtol=1e-4, atol=1e-5
    )


def test_weight_gradients_are_slopes() -> None:
    model = randomise(chain())
    trace = trace_model(model)
    kernels = [model.get_layer(name).kernel for name in ("a", "b", "hidden")]
    model.get_layer("b").trainable = False
    found = gradients(trace, kernels).weights
    x, y = samples(model)
    rng = np.random.default_rng(0)
    for kernel, gradient in zip(kernels, found, strict=True):
        value = np.array(kernel)
        direction = rng.standard_normal(value.shape).astype("float32")
        losses = []
        for step in (STEP, -STEP):
            kernel.assign(value + step * direction)
            losses.append(losses_of(run_graph(trace, x), y, squares).sum(dtype=float))
        kernel.assign(value)
        slope = (losses[0] - losses[1]) / (2 * STEP)
        assert slope == pytest.approx(float((gradient * direction).sum()), rel=0.02, abs=2e-3)


def test_samples_do_not_see_each_other() -> None:
    model = randomise(residual())
    trace = trace_model(model)
    points = [p for g in find_groups(trace).groups for p in points_of(trace, g)]
    function = gradient_function(trace, squares, points)
    x, y = samples(model)
    together = function(x, y)
    for index in range(len(y)):
        alone = function([array[index : index + 1] for array in x], y[index : index + 1])
        np.testing.assert_allclose(alone.loss[0], together.loss[index], rtol=1e-5)
        for one, all_of_them in zip(alone.gradients, together.gradients, strict=True):
            np.testing.assert_allclose(one[0], all_of_them[index], rtol=1e-3, atol=1e-5)


def test_points_are_where_channels_are_read() -> None:
    trace = trace_model(squeeze_excite())
    group = next(g for g in find_groups(trace).groups if g.name == "main")
    calls = trace.graph.calls
    assert [calls[p.call].path for p in points_of(trace, group)] == ["reduce", "where", "after"]


def test_rows_behind_flatten_are_strided() -> None:
    inputs = keras.Input((2, 3, 1))
    x = layers.Flatten()(layers.Conv2D(4, 1, name="a")(inputs))
    trace = trace_model(keras.Model(inputs, layers.Dense(2)(x)))
    (point,) = points_of(trace, find_groups(trace).groups[0])
    assert point.entries[1].tolist() == [1, 5, 9, 13, 17, 21]


def test_masks_are_handed_on() -> None:
    tokens = keras.Input((6,), dtype="int32")
    x = layers.Embedding(5, 8, mask_zero=True, name="embed")(tokens)
    x = layers.Dense(6, name="fc")(x)
    x = layers.GlobalAveragePooling1D(name="gap")(x)
    model = keras.Model(tokens, layers.Dense(3, name="head")(x))
    trace = trace_model(model)
    points = points_of(trace, find_groups(trace).groups[0])
    x = [np.array([[1, 2, 0, 0, 0, 0], [3, 1, 4, 0, 0, 0]])]
    tapped = run_graph(trace, x, points, lambda _, z: z + 0.0)
    np.testing.assert_allclose(ops.convert_to_numpy(tapped[0]), outputs_of(model, x)[0], rtol=1e-5)


def test_calls_can_be_run_from_the_middle() -> None:
    model = randomise(residual())
    trace = trace_model(model)
    x, _ = samples(model)
    known: dict[int, Any] = {}
    whole = run_graph(trace, x, known=known)
    half = run_graph(trace, x, known=dict(known), start=len(trace.graph.calls) // 2)
    np.testing.assert_array_equal(ops.convert_to_numpy(whole[0]), ops.convert_to_numpy(half[0]))


def test_a_backend_without_gradients_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = trace_model(chain())
    monkeypatch.setattr(keras.config, "backend", lambda: "numpy")
    with pytest.raises(UnsupportedModelError, match=r"expected Keras on tensorflow, jax, torch"):
        gradient_function(trace, squares)
