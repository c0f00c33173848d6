"""The zoo's cards: complete, and what the builders give today."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.device.board import load_board
from pipeline.errors import ConfigError
from pipeline.estimate.costs import read_costs
from pipeline.estimate.plan import estimate_plan
from pipeline.model.build import ARCHITECTURES
from pipeline.model.zoo import USUAL, ZOO
from pipeline.stages import card_report, plan_model, zoo_report

SMALL = ("mobilenet_v1_010_48", "ds_cnn", "autoencoder")


def test_every_variant_has_a_card() -> None:
    cards = {card["name"]: card for card in zoo_report()["cards"]}
    for variant in ZOO:
        builder = cards[variant.name]["builder"]
        assert builder["architecture"] == variant.architecture
        assert tuple(builder["input_shape"]) == variant.input_shape
        assert (builder["classes"], builder["alpha"]) == (variant.classes, variant.alpha)
        assert cards[variant.name]["instructions"] > cards[variant.name]["macs"] / 2


def test_every_builder_has_a_variant_and_something_usual() -> None:
    assert {variant.architecture for variant in ZOO} == set(USUAL) == set(ARCHITECTURES)


def test_accuracies_say_where_they_come_from() -> None:
    for card in zoo_report()["cards"]:
        if card["accuracy"] is not None:
            assert 0 < card["accuracy"]["value"] <= 1
            wanted = {"value", "metric", "data", "samples", "split", "seed", "command"}
            assert set(card["accuracy"]) == wanted


def test_a_card_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'resnet8'"):
        card_report("resnet_8")


@pytest.mark.slow  # it builds and converts three models
@pytest.mark.parametrize("name", SMALL)
def test_cards_are_what_builders_give(name: str, tmp_path: Path) -> None:
    from pipeline.model.build import build_model
    from pipeline.model.facts import model_facts
    from pipeline.stages.costs import convert_stand_in

    variant = next(variant for variant in ZOO if variant.name == name)
    model = build_model(
        variant.architecture, variant.input_shape, variant.classes, alpha=variant.alpha
    )
    path = tmp_path / "model.tflite"
    path.write_bytes(convert_stand_in(model))
    plan = plan_model(path, load_board("mps2_an386"), keep_constant_channels=True)
    card = card_report(name)["card"]
    assert {
        "params": model_facts(model).params,
        "macs": plan.macs,
        "arena_bytes": plan.arena_bytes,
        "weights_bytes": plan.weights_bytes,
    } == {key: card[key] for key in ("params", "macs", "arena_bytes", "weights_bytes")}, (
        "run `make zoo`, and look at the difference"
    )
    estimate = estimate_plan(plan, read_costs())
    assert estimate.instructions == pytest.approx(card["instructions"], rel=0.03)
    assert estimate.cycles == pytest.approx(card["estimated_cycles"], rel=0.03)
