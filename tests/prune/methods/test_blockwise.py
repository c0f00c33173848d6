from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import ConfigError, DoesNotFitError, UnsupportedModelError
from pipeline.prune.facts import model_facts
from pipeline.prune.methods.blockwise import prune_blockwise
from pipeline.prune.records import MethodResult
from pipeline.prune.select import Limits
from tests.prune.methods.training import Trainer
from tests.prune.models import chain, randomise, residual, shapes

GOLDEN_RATIOS = [*[0.96] * 14, 0.97, 0.97, 0.99, 0.97]
GOLDEN_EXPANSIONS = [3, 5, 5, 7, 7, 7, 15, 15, 15, 15, 23, 23, 23, 28, 28, 9]


def mobilenet_v2() -> keras.Model:
    """Of the challenge: width 1.0 at 80x80, person or not."""
    return keras.applications.MobileNetV2((80, 80, 3), weights=None, classes=2)


@pytest.fixture(scope="module")
def published() -> tuple[keras.Model, MethodResult]:
    model = mobilenet_v2()
    return model, prune_blockwise(model, paper=True)


def ratios_of(result: MethodResult) -> list[float]:
    return [float(note.split()[-1].rstrip(".")) for note in result.notes]


def filters(model: keras.Model, name: str) -> int:
    return int(model.get_layer(name).filters)


def test_golden_ratios(published: tuple[keras.Model, MethodResult]) -> None:
    assert ratios_of(published[1]) == GOLDEN_RATIOS


def test_golden_widths(published: tuple[keras.Model, MethodResult]) -> None:
    pruned = published[1].model
    assert [filters(pruned, f"block_{n}_expand") for n in range(1, 17)] == GOLDEN_EXPANSIONS
    assert filters(pruned, "block_16_project") == 3
    assert filters(pruned, "Conv_1") == 38


def test_golden_parameters(published: tuple[keras.Model, MethodResult]) -> None:
    result = published[1]
    assert result.before.params == 2_260_546
    assert result.after.params == 55_363
    trainable = sum(int(np.prod(weight.shape)) for weight in result.model.trainable_weights)
    assert trainable == 51_873


def test_coupled_outputs_and_the_stem_stay(published: tuple[keras.Model, MethodResult]) -> None:
    model, result = published
    for block in range(1, 16):
        name = f"block_{block}_project"
        assert filters(result.model, name) == filters(model, name)
    assert filters(result.model, "Conv1") == 32
    reasons = {lock.layer: lock.reason for lock in result.locked}
    assert reasons["block_3_project"] == "reaches block_3, block_4, block_5"
    assert reasons["Conv1"] == "reaches layers outside of all blocks, expanded_conv"


def test_a_layer_that_would_be_emptied_is_refused_and_named(
    published: tuple[keras.Model, MethodResult],
) -> None:
    _, result = published
    assert result.plan is not None
    (refused,) = result.plan.shortfalls
    assert (refused.group, refused.kept) == ("expanded_conv_project", 16)
    assert filters(result.model, "expanded_conv_project") == 16


def test_published_ratios_stay_close_however_steep() -> None:
    """Shares of all importance hardly differ, so that even k = 50 gives no less than 0.4."""
    ratios = prune_blockwise(mobilenet_v2(), paper=True, k=50, r_max=0.9)
    assert (min(ratios_of(ratios)), max(ratios_of(ratios))) == (0.40, 0.90)


def test_the_default_mode_meets_a_budget_and_not_by_far() -> None:
    model = mobilenet_v2()
    budget = {"params": 400_000, "macs": 8_000_000, "peak_activation_bytes": 150_000}
    result = prune_blockwise(model, budget=budget, limits=Limits(round_to=1))
    reached = {name: getattr(result.after, name) for name in budget}
    assert all(reached[name] <= most for name, most in budget.items())
    assert max(reached[name] / most for name, most in budget.items()) > 0.97
    assert filters(result.model, "Conv1") < 32
    assert filters(result.model, "block_4_project") < 32


def test_a_share_of_the_parameters_is_a_budget() -> None:
    model = mobilenet_v2()
    result = prune_blockwise(model, keep_params=0.5, limits=Limits(round_to=1))
    assert 0.49 <= result.after.params / result.before.params <= 0.5
    tighter = prune_blockwise(model, keep_params=0.5, budget={"params": 400_000})
    assert tighter.after.params <= 400_000


def test_parameters_never_rise_as_k_falls() -> None:
    model = residual()
    params = [
        prune_blockwise(model, k=k, limits=Limits(round_to=1, min_channels=1)).after.params
        for k in (0.0, 0.5, 2.0, 8.0, 100.0)
    ]
    assert params == sorted(params)
    assert params[0] < params[-1] == model_facts(model).params


def test_an_impossible_budget_says_by_how_much() -> None:
    words = r"params=10: at least \d+ are needed, \d+ more.*Raise the budget"
    with pytest.raises(DoesNotFitError, match=words):
        prune_blockwise(residual(), budget={"params": 10})


def test_budgets_of_ram_and_flash_are_met_by_what_a_model_really_costs() -> None:
    model = mobilenet_v2()
    asked: list[int] = []

    def cost(candidate: keras.Model) -> dict[str, int]:
        facts = model_facts(candidate)
        assert facts.peak_activation_bytes is not None
        asked.append(facts.params)
        # What no estimate knows of.
        ram = int(1.2 * facts.peak_activation_bytes) + 3000
        return {"ram_bytes": ram, "flash_bytes": facts.params + 6000}

    budget = {"ram": 120_000, "flash": 500_000, "macs": 50_000_000}
    result = prune_blockwise(model, budget=budget, cost=cost, limits=Limits(round_to=8))
    reached = cost(result.model)
    assert reached["ram_bytes"] <= budget["ram"]
    assert reached["flash_bytes"] <= budget["flash"]
    assert max(reached["ram_bytes"] / 120_000, reached["flash_bytes"] / 500_000) > 0.85
    # A conversion each: those that an estimate rules out are not asked for.
    assert len(set(asked)) < 20
    with pytest.raises(DoesNotFitError, match=r"ram=3,000: at least"):
        prune_blockwise(model, budget={"ram": 3000}, cost=cost)


def test_one_block() -> None:
    result = prune_blockwise(
        residual(),
        blocks={"only": ["expand0", "expand0_bn", "dw0", "dw0_bn"]},
        budget={"params": 950},
        limits=Limits(round_to=1),
    )
    assert result.after.params <= 950
    assert filters(result.model, "expand0") < 12 == filters(result.model, "expand1")


def test_probes_do_not_touch_the_model_or_each_other() -> None:
    model = randomise(residual())
    before = [weight.copy() for weight in model.get_weights()]
    blocks = {n: [n, f"{n}_bn", f"dw{n[-1]}", f"dw{n[-1]}_bn"] for n in ("expand0", "expand1")}
    one = prune_blockwise(model, paper=True, blocks=blocks)
    other = prune_blockwise(model, paper=True, blocks=dict(reversed(blocks.items())))
    assert shapes(one.model) == shapes(other.model)
    assert ratios_of(one) == ratios_of(other)[::-1]
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_accuracy_and_fine_tuning() -> None:
    trainer = Trainer()
    model = residual()
    lines: list[str] = []
    result = prune_blockwise(
        model, epochs=2, fine_tune=trainer, evaluate=trainer.evaluate, log=lines.append
    )
    assert trainer.epochs == [2]
    assert result.before.accuracy is not None
    assert result.after.accuracy == result.steps[0].metrics["accuracy"]
    assert sum("points of accuracy alone" in line for line in lines) == 2
    assert result.max_abs_difference < 1e-5


def test_a_model_with_open_sizes() -> None:
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, name="a")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    with pytest.raises(UnsupportedModelError, match="expected fixed sizes"):
        prune_blockwise(keras.Model(inputs, layers.Dense(2)(x)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": -1.0}, "k: expected at least 0"),
        ({"r_max": 1.0}, "r_max: expected the share"),
        ({"paper": True, "budget": {"params": 9}}, "knows no budget"),
        ({"budget": {"accuracy": 1}}, "budget: expected some of"),
        ({"weights": {"speed": 1.0}}, "weights: expected some of"),
        ({"budget": {"ram": 9}}, "ram and flash need a cost"),
        ({"keep_params": 1.5}, "share of parameters that stays"),
        ({"keep_params": 0.5, "paper": True}, "knows no budget"),
        ({"weights": {"params": 0.0}}, "not all 0"),
        ({"weights": {"params": "much"}}, "not all 0"),
        ({"weights": {"accuracy": 1.0}}, "accuracy needs labelled data"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prune_blockwise(chain(), **options)


def test_no_block_with_channels_of_its_own() -> None:
    with pytest.raises(UnsupportedModelError, match="expected channels that lie within one"):
        prune_blockwise(residual(), paper=True, blocks={"add": ["add0"]})
