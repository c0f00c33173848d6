from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import ConfigError
from pipeline.prune.facts import model_facts
from pipeline.prune.methods.iterative import prune_iterative
from pipeline.prune.proof import TOLERANCE
from pipeline.prune.select import Limits
from pipeline.records import InputSet
from tests.prune.methods.training import Trainer
from tests.prune.models import chain, randomise, residual

FREE = Limits(round_to=1, min_channels=1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(0)


def data_of(trainer: Trainer) -> InputSet:
    names = tuple(map(str, range(len(trainer.y))))
    return InputSet(spec="fixed", names=names, x=(trainer.x,), y=trainer.y.astype(np.int64))


@pytest.mark.parametrize("criterion", ["taylor", "l1"])
def test_the_target_is_reached_with_a_proof_at_each_step(criterion: str) -> None:
    model = randomise(residual())
    before = [np.array(weight) for weight in model.weights]
    trainer = Trainer()
    lines: list[str] = []
    result = prune_iterative(
        model,
        keep_params=0.5,
        iterations=4,
        criterion=criterion,
        limits=FREE,
        data=data_of(trainer),
        epochs=2,
        fine_tune=trainer,
        evaluate=trainer.evaluate,
        log=lines.append,
    )
    whole = model_facts(model).params
    assert [step.name for step in result.steps] == [f"iteration {i}" for i in range(1, 5)]
    for iteration, step in enumerate(result.steps, 1):
        allowed = whole * 0.5 ** (iteration / 4)
        # One channel of the stem's group has 84 parameters.
        assert allowed - 84 < step.params <= allowed
        assert step.removed > 0
        assert step.max_abs_difference is not None
        assert step.max_abs_difference < TOLERANCE
        assert set(step.metrics) == {"accuracy", "balanced_accuracy"}
    assert trainer.epochs == [2, 2, 2, 2]
    assert result.after.params == model_facts(result.model).params <= whole // 2
    assert result.after.accuracy == result.steps[-1].metrics["accuracy"]
    assert result.max_abs_difference == max(s.max_abs_difference for s in result.steps)
    assert len(lines) == 4
    for one, other in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(one, np.array(other))


def test_the_least_important_of_all_groups_go_first() -> None:
    model = randomise(chain())
    # Magnitudes, each divided by the mean of its layer: only order within all counts.
    sizes = {"a": np.linspace(1, 2, 8), "b": np.linspace(1, 3, 12), "hidden": np.linspace(1, 4, 16)}
    for name, values in sizes.items():
        kernel = model.get_layer(name).kernel
        ones = np.ones(kernel.shape) / np.prod(kernel.shape[:-1])
        kernel.assign(ones * np.random.default_rng(1).permutation(values))
    result = prune_iterative(
        model, ratio=0.25, iterations=1, criterion="l1", limits=FREE, normalization="mean"
    )
    assert result.plan is not None
    scores = np.concatenate(result.plan.importance)
    kept = np.concatenate(
        [
            np.isin(np.arange(group.channels), keep)
            for group, keep in zip(result.plan.groups, result.plan.keep, strict=True)
        ]
    )
    assert (~kept).sum() == 9
    assert scores[~kept].max() < scores[kept].min()


def test_a_channel_that_nothing_depends_on_goes_first() -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, activation="relu", name="a")(inputs)
    x = layers.Conv2D(8, 3, activation="relu", name="b")(x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(layers.GlobalMaxPooling2D()(x)))
    # Large where it is made, and read by nobody.
    kernel, rows = np.array(model.get_layer("a").kernel), np.array(model.get_layer("b").kernel)
    kernel[..., 5] *= 10
    rows[:, :, 5] = 0
    model.get_layer("a").kernel.assign(kernel)
    model.get_layer("b").kernel.assign(rows)
    for criterion, goes in (("taylor", True), ("l1", False)):
        result = prune_iterative(
            model,
            ratio=1 / 16,
            iterations=1,
            criterion=criterion,
            limits=FREE,
            data=data_of(Trainer()),
        )
        assert result.plan is not None
        assert (5 not in result.plan.keep[0]) is goes


def test_limits_hold_against_the_original_widths() -> None:
    model = randomise(residual())
    limits = Limits(round_to=2, min_channels=1, max_ratio=0.5)
    result = prune_iterative(model, ratio=0.45, iterations=6, criterion="l1", limits=limits)
    for name in ("stem", "project0", "project1"):
        assert result.model.get_layer(name).filters >= 4
    for name in ("expand0", "expand1"):
        assert result.model.get_layer(name).filters >= 6
    for layer in result.model.layers:
        assert getattr(layer, "filters", 2) % 2 == 0
    # 32 channels in three groups, of which floor(32 * 0.55) = 17 may stay.
    filters = [result.model.get_layer(n).filters for n in ("stem", "expand0", "expand1")]
    assert 15 <= sum(filters) <= 17


def test_a_penalty_on_macs_saves_macs() -> None:
    model = randomise(chain())
    plain, penalised = (
        prune_iterative(
            model, ratio=0.3, iterations=2, criterion="l1", limits=FREE, macs_penalty=penalty
        ).after.macs
        for penalty in (0.0, 1e4)
    )
    assert plain is not None
    assert penalised is not None
    assert penalised < plain


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "expected either ratio or keep_params. Received: neither"),
        ({"ratio": 0.5, "keep_params": 0.5}, "Received: both"),
        ({"keep_params": 1.0}, r"share of parameters that stays, in \(0, 1\). Received: 1.0"),
        ({"ratio": 1.0}, "1 empties a layer. Received: 1.0"),
        ({"ratio": 0.5, "iterations": 0}, "iterations: expected at least 1. Received: 0"),
        ({"ratio": 0.5, "epochs": -1}, "epochs: expected 0 or more. Received: -1"),
        ({"ratio": 0.99}, "iterative: 0.01 of 32 channels are 0. Received: .* at least 12 stay"),
        ({"keep_params": 0.05}, "parameters are .* Received: a model of which at least"),
        ({"ratio": 0.5, "ignore": ["nobody"]}, "ignore: expected names of layers"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prune_iterative(residual(), criterion="l1", **options)  # type: ignore[arg-type]
