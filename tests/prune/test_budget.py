from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import ConfigError, DoesNotFitError
from pipeline.prune.budget import Budget, parse_budget, prune_to_budget
from pipeline.prune.facts import model_facts
from pipeline.prune.fit import RESOURCES, Problem, make_problem, plan_of
from pipeline.prune.floor import prune_to_floor
from pipeline.prune.recalibrate import mean_loss, recalibrate
from pipeline.prune.select import Limits
from pipeline.prune.surgery import materialise
from pipeline.records import InputSet
from tests.prune.models import chain, concat, depthwise_multiplier, nested, residual, shared


def cost(model: keras.Model) -> dict[str, int]:
    """One byte per parameter and per live activation."""
    facts = model_facts(model)
    assert facts.macs is not None
    assert facts.peak_activation_bytes is not None
    return {
        "params": facts.params,
        "macs": facts.macs,
        "flash_bytes": 1000 + facts.params,
        "ram_bytes": 500 + facts.peak_activation_bytes,
        "arena_bytes": facts.peak_activation_bytes,
    }


PARSED = {
    "ram=48KiB": {"ram": 48 * 1024},
    "ram=48KiB, flash=96kB ,macs=3M,params=1200": {
        "ram": 49152,
        "flash": 96_000,
        "macs": 3_000_000,
        "params": 1200,
    },
    "macs<=1.5M": {"macs": 1_500_000},
}


@pytest.mark.parametrize(("text", "limits"), PARSED.items())
def test_budgets_are_read(text: str, limits: dict[str, int]) -> None:
    assert parse_budget(text) == Budget(limits=limits)


@pytest.mark.parametrize("text", ["ram=1,accuracy>=0.85", "ram=1,accuracy>=85%"])
def test_accuracy_is_a_share(text: str) -> None:
    assert parse_budget(text) == Budget(limits={"ram": 1}, accuracy=0.85)


WRONG = ("rom=1", "ram", "ram=", "ram=1,ram=2", "ram=-1", "ram=1..2", "ram=1 cm", "ram=0",
         "ram=1,accuracy=0.8", "ram=1,accuracy>=1.5", "ram>=3")  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_budget_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=r"Received: .*Write for example ram=48KiB"):
        parse_budget(text)


def test_an_accuracy_alone_is_no_budget() -> None:
    with pytest.raises(ConfigError, match="--accuracy-floor"):
        parse_budget("accuracy>=0.8")


@pytest.mark.parametrize(
    "build",
    [chain, residual, concat, depthwise_multiplier, shared, nested],
    ids=lambda f: f.__name__,
)
def test_estimates_are_the_facts_of_the_model_that_is_built(
    build: Callable[[], keras.Model],
) -> None:
    problem = problem_of(build())
    rng = np.random.default_rng(0)
    keeps = rng.integers(problem.lowest, problem.whole + 1, (4, len(problem.whole)))
    estimate = problem.estimate(keeps)
    for number, keep in enumerate(keeps):
        facts = model_facts(
            materialise(problem.trace, plan_of(problem, problem.weighings[0], keep))
        )
        assert estimate.params[number] == facts.params
        assert estimate.macs[number] == facts.macs
        assert estimate.peak_bytes[number] == facts.peak_activation_bytes


def problem_of(model: keras.Model) -> Problem:
    return make_problem(
        model,
        criterion="l1",
        reduction="sum",
        batch_norm="ignore",
        limits=Limits(round_to=1, min_channels=1),
        ignore=(),
        data=None,
        seed=0,
    )


SHARES = [
    {"macs": 0.5},
    {"params": 0.4},
    {"ram": 0.7},
    {"arena": 0.6},
    {"flash": 0.7, "ram": 0.8, "macs": 0.9},
]


@pytest.mark.parametrize("shares", SHARES, ids=str)
@pytest.mark.parametrize("build", [chain, residual], ids=lambda f: f.__name__)
def test_the_result_is_within_the_budget_and_near_it(
    build: Callable[[], keras.Model], shares: Mapping[str, float]
) -> None:
    model = build()
    keys = {name: key for name, (key, _) in RESOURCES.items()}
    whole = cost(model)
    limits = {name: int(share * whole[keys[name]]) for name, share in shares.items()}
    options = Limits(round_to=1, min_channels=1)
    result = prune_to_budget(model, Budget(limits=limits), cost=cost, limits=options)
    after = cost(result.model)
    for name, limit in limits.items():
        assert after[keys[name]] <= limit
    # One more channel anywhere would be too much: some budget is nearly used up.
    assert any(after[keys[name]] > 0.85 * limit for name, limit in limits.items())
    assert result.max_abs_difference < 1e-4
    assert result.after == model_facts(result.model)


def two_peaks() -> keras.Model:
    """The stem sets the peak of the RAM, the tail has nearly all parameters."""
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="stem")(inputs)
    x = layers.Conv2D(16, 3, strides=4, activation="relu", name="down")(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu", name="tail")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


def widths(result: object) -> dict[str, int]:
    plan = result.plan  # type: ignore[attr-defined]
    return {group.name: len(keep) for group, keep in zip(plan.groups, plan.keep, strict=True)}


def test_a_ram_budget_goes_to_the_stem_and_a_parameter_budget_to_the_tail() -> None:
    keras.utils.set_random_seed(1)
    model = two_peaks()
    whole = cost(model)
    limits = Limits(round_to=4)
    budget = Budget(limits={"ram": 500 + (whole["ram_bytes"] - 500) // 2})
    assert widths(prune_to_budget(model, budget, cost=cost, limits=limits)) == {
        "stem": 4,
        "down": 16,
        "tail": 64,
    }
    budget = Budget(limits={"params": whole["params"] // 2})
    kept = widths(prune_to_budget(model, budget, cost=cost, limits=limits))
    assert kept["tail"] < 64
    assert kept["stem"] >= 8


def test_a_budget_that_holds_already_removes_nothing() -> None:
    model = residual()
    result = prune_to_budget(model, Budget(limits={"macs": 10**9}), cost=cost)
    assert model_facts(result.model) == model_facts(model)


def test_what_is_out_of_reach_is_named_with_what_is_missing() -> None:
    budget = Budget(limits={"ram": 600, "macs": 10**9, "flash": 1001})
    with pytest.raises(DoesNotFitError) as caught:
        prune_to_budget(residual(), budget, cost=cost)
    message = str(caught.value)
    for part in ("ram=600 B: at least", "flash=1,001 B: at least", "more"):
        assert part in message
    assert "macs" not in message.split("Raise")[0]


def test_costs_that_estimates_do_not_know_are_learned() -> None:
    def dearer(model: keras.Model) -> dict[str, int]:
        costs = cost(model)
        return {**costs, "macs": int(costs["macs"] * 1.3) + 5000}

    limit = dearer(residual())["macs"] // 2
    limits = Limits(round_to=1, min_channels=1)
    result = prune_to_budget(residual(), Budget(limits={"macs": limit}), cost=dearer, limits=limits)
    assert 0.85 * limit < dearer(result.model)["macs"] <= limit


def accuracies(values: list[float]) -> Callable[[keras.Model], dict[str, float]]:
    left = iter(values)

    def evaluate(model: keras.Model) -> dict[str, float]:
        value = next(left)
        return {"accuracy": value, "balanced_accuracy": value}

    return evaluate


def labelled(model: keras.Model, count: int = 96) -> InputSet:
    """Random samples with the classes that the model gives them."""
    x = np.random.default_rng(0).normal(size=(count, *model.input_shape[1:])).astype(np.float32)
    y = np.asarray(model.predict(x, verbose=0)).argmax(axis=1)
    return InputSet(spec="labelled", names=tuple(map(str, range(count))), x=(x,), y=y)


def classifier() -> keras.Model:
    """A stem of which most channels lead nowhere, though their filters are the largest."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="tail")(x)
    x = layers.BatchNormalization()(x)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x))
    stem, tail = model.get_layer("stem"), model.get_layer("tail")
    kernel, reader = np.array(stem.kernel), np.array(tail.kernel)
    kernel[..., 8:] *= 4
    reader[:, :, 8:] = 0
    stem.set_weights([kernel])
    tail.set_weights([reader])
    return model


def test_with_data_the_candidate_of_least_loss_is_fine_tuned() -> None:
    tuned, told = [], []

    def fine_tune(model: keras.Model, epochs: int) -> keras.Model:
        tuned.append(epochs)
        return model

    model = classifier()
    data = labelled(model)
    result = prune_to_budget(
        model,
        Budget(limits={"macs": cost(model)["macs"] // 2}),
        cost=cost,
        data=data,
        evaluate=accuracies([0.75]),
        fine_tune=fine_tune,
        epochs=3,
        limits=Limits(round_to=1, min_channels=1),
        log=told.append,
    )
    assert tuned == [3]
    assert result.after.accuracy == 0.75
    losses = {line: float(line.split()[-3]) for line in told if "before fine-tuning" in line}
    assert len(losses) > 1
    assert f"of {len(losses)} models within the budget" in result.notes[0]
    assert result.plan is not None
    # l1 would keep the large filters that nothing reads.
    kept = dict(zip((g.name for g in result.plan.groups), result.plan.keep, strict=True))
    assert set(kept["stem"]) <= set(range(8))
    assert mean_loss(result.model, data) == pytest.approx(min(losses.values()), abs=0.01)


def test_recalibration_takes_the_mean_of_all_samples() -> None:
    model = classifier()
    data = labelled(model, 100)
    before = model.get_weights()
    norm = next(one for one in model.layers if isinstance(one, layers.BatchNormalization))
    momentum = norm.momentum
    recalibrate(model, data)
    seen = keras.Model(model.inputs, norm.input).predict(data.x[0], verbose=0)
    np.testing.assert_allclose(norm.moving_mean, seen.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(norm.moving_variance, seen.var(axis=(0, 1, 2)), rtol=0.05)
    assert norm.momentum == momentum
    after = dict(zip((w.path for w in model.weights), model.get_weights(), strict=True))
    for weight, old in zip(model.weights, before, strict=True):
        if "moving" not in weight.path:
            np.testing.assert_array_equal(after[weight.path], old)


def test_recalibration_knows_no_dropout() -> None:
    # What is random in training would give other weights each time, from which an interrupted
    # fine-tuning does not go on.
    plain = classifier()
    inputs = keras.Input(plain.input_shape[1:])
    x = layers.Conv2D(6, 3, name="conv")(inputs)
    x = layers.SpatialDropout2D(0.5)(layers.GaussianNoise(1.0)(layers.Dropout(0.5)(x)))
    x = layers.GlobalAveragePooling2D()(layers.BatchNormalization(name="norm")(x))
    model = keras.Model(inputs, layers.Dense(plain.output_shape[-1], activation="softmax")(x))
    data = labelled(plain, 70)
    recalibrate(model, data)
    norm, once = model.get_layer("norm"), model.get_weights()
    seen = keras.Model(inputs, model.get_layer("conv").output).predict(data.x[0], verbose=0)
    np.testing.assert_allclose(norm.moving_mean, seen.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-3)
    recalibrate(model, data)
    for one, other in zip(once, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_accuracy_that_does_not_remain_is_an_error() -> None:
    budget = Budget(limits={"macs": 10**9}, accuracy=0.8)
    with pytest.raises(DoesNotFitError, match=r"at most 0\.7000, 0\.1000 too little"):
        prune_to_budget(residual(), budget, cost=cost, evaluate=accuracies([0.7]))
    with pytest.raises(ConfigError, match="Give --data"):
        prune_to_budget(residual(), budget, cost=cost)


def test_the_last_model_above_the_floor_is_kept() -> None:
    model = residual()
    options = {"limits": Limits(round_to=1, min_channels=1), "criterion": "l2"}
    values = [0.9, 0.88, 0.85, 0.79]
    result = prune_to_floor(model, 0.8, evaluate=accuracies(values), **options)
    assert [step.metrics["accuracy"] for step in result.steps] == [0.88, 0.85]
    assert result.after == dataclasses.replace(model_facts(result.model), accuracy=0.85)
    assert result.after.params <= 0.85**2 * result.before.params
    # What is kept is told in channels of the model before.
    kept = {g.name: k for g, k in zip(result.plan.groups, result.plan.keep, strict=True)}
    for name, keep in kept.items():
        new = result.model.get_layer(name).get_weights()[0]
        old = model.get_layer(name).get_weights()[0]
        assert new.shape[-1] == len(keep)
        if name == "stem":
            np.testing.assert_array_equal(new, old[..., list(keep)])


def test_a_model_below_the_floor_and_one_that_never_falls_below() -> None:
    with pytest.raises(DoesNotFitError, match=r"0\.7000, 0\.1000 too little"):
        prune_to_floor(residual(), 0.8, evaluate=accuracies([0.7]))
    lines: list[str] = []
    result = prune_to_floor(residual(), 0.8, evaluate=accuracies([0.9] * 50), log=lines.append)
    assert lines[-1] == "no channels are left to remove"
    assert result.after.params < result.before.params
