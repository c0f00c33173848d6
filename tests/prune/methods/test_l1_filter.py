from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.prune.groups import find_groups
from pipeline.prune.methods.l1_filter import prune_l1_filter, select_filters, sensitivity
from pipeline.prune.select import Limits
from pipeline.prune.trace import trace_model
from tests.prune.methods.training import Trainer
from tests.prune.models import chain, residual

LOOSE = Limits(round_to=1, min_channels=1)


def two_convolutions() -> keras.Model:
    """The second layer's first filter is large only in what it reads from a small filter."""
    inputs = keras.Input((4, 4, 1))
    x = layers.Conv2D(2, 1, use_bias=False, name="a")(inputs)
    x = layers.Conv2D(2, 1, use_bias=False, name="b")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2, name="head")(x))
    model.get_layer("a").kernel.assign(np.array([0.1, 5.0]).reshape(1, 1, 1, 2))
    # Rows are inputs, columns filters.
    model.get_layer("b").kernel.assign(np.array([[9.0, -1.0], [1.0, -3.0]]).reshape(1, 1, 2, 2))
    return model


@pytest.mark.parametrize(("strategy", "kept"), [("independent", (0,)), ("greedy", (1,))])
def test_greedy_leaves_out_what_is_gone(strategy: str, kept: tuple[int, ...]) -> None:
    trace = trace_model(two_convolutions())
    plan = select_filters(trace, find_groups(trace).groups, 0.5, strategy, LOOSE)
    assert plan.keep == ((1,), kept)
    expected = [10.0, 4.0] if strategy == "independent" else [1.0, 3.0]
    np.testing.assert_allclose(plan.importance[1], expected)


def test_the_shortcut_decides() -> None:
    model = residual()
    rng = np.random.default_rng(0)
    stem = model.get_layer("stem").kernel
    stem.assign(rng.permuted(np.arange(1.0, 9.0))[None, None, None] * np.ones(stem.shape))
    model.get_layer("project0").kernel.assign(np.full((1, 1, 12, 8), 100.0) * np.arange(8))
    result = prune_l1_filter(model, ratio=0.5, limits=LOOSE)
    assert result.plan is not None
    names = [group.name for group in result.plan.groups]
    expected = np.sort(np.argsort(-stem.numpy()[0, 0, 0])[:4])
    assert result.plan.keep[names.index("stem")] == tuple(expected)


def test_dense_layers_are_left() -> None:
    result = prune_l1_filter(chain(), ratio=0.5)
    assert result.model.get_layer("hidden").units == 16
    assert result.model.get_layer("b").filters == 4
    reasons = {lock.layer: lock.reason for lock in result.locked}
    assert reasons["hidden"] == "method l1-filter: 'hidden', a Dense, has no filters"


def test_fine_tuning_and_a_share_of_parameters() -> None:
    trainer = Trainer()
    result = prune_l1_filter(
        residual(), keep_params=0.6, epochs=3, fine_tune=trainer, evaluate=trainer.evaluate
    )
    assert trainer.epochs == [3]
    assert result.after.params <= 0.6 * result.before.params
    assert result.after.accuracy == result.steps[0].metrics["accuracy"]


def test_sensitivity_of_each_layer_alone() -> None:
    seen = []

    def evaluate(model: keras.Model) -> dict[str, float]:
        widths = tuple(model.get_layer(n).filters for n in ("stem", "expand0", "expand1"))
        seen.append(widths)
        return {"accuracy": sum(widths) / 32, "balanced_accuracy": 0.0}

    curves = sensitivity(residual(), evaluate, ratios=(0.25, 0.5), limits=LOOSE)
    assert seen == [(6, 12, 12), (4, 12, 12), (8, 9, 12), (8, 6, 12), (8, 12, 9), (8, 12, 6)]
    assert curves == {
        "stem": (30 / 32, 28 / 32),
        "expand0": (29 / 32, 26 / 32),
        "expand1": (29 / 32, 26 / 32),
    }


def test_an_unknown_strategy() -> None:
    with pytest.raises(ConfigError, match="strategy: expected one of independent, greedy"):
        prune_l1_filter(chain(), ratio=0.5, strategy="lazy")


def test_a_model_without_convolutions() -> None:
    inputs = keras.Input((4,))
    x = layers.Dense(8)(inputs)
    with pytest.raises(UnsupportedModelError, match="expected convolutions whose filters can go"):
        prune_l1_filter(keras.Model(inputs, layers.Dense(2)(x)), ratio=0.5)
