from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.study.config import (
    STUDY_METHODS,
    EqualSection,
    MethodTable,
    ModelSection,
    SpaceSection,
    StudyConfig,
    StudySection,
)
from pipeline.study.space import (
    Point,
    Whole,
    absolute_budget,
    grid,
    needs_board,
    prune_settings,
    suggested,
)

WHOLE = Whole(params=1000, macs=50_000)


def study(
    methods: Sequence[str],
    tables: Mapping[str, MethodTable] | None = None,
    *,
    seeds: tuple[int, ...] = (0,),
    epochs: int = 8,
    files: tuple[str, ...] = ("net.keras",),
    **space: Any,
) -> StudyConfig:
    return StudyConfig(
        study=StudySection(seeds=seeds),
        model=ModelSection(files=files),
        equal=EqualSection(epochs=epochs),
        space=SpaceSection(methods=tuple(methods), **space),
        methods=tables or {},
    )


def told(**options: Any) -> MethodTable:
    return MethodTable(options={name: (value,) for name, value in options.items()})


def test_a_grid_is_everything_with_everything() -> None:
    table = MethodTable(options={"scope": ("local", "global"), "reduction": ("sum",)})
    config = study(
        ["none", "l1", "taylor"],
        {"l1": table},
        seeds=(0, 1),
        files=("a.keras", "b.keras"),
        ratios=(0.25, 0.5, 0.5),
    )
    points = grid(config)
    # 2 models, 2 seeds; none once, l1 in 2 scopes and 2 amounts, taylor in 2 amounts.
    assert len(points) == len(set(points)) == 2 * 2 * (1 + 2 * 2 + 2)
    assert points[0] == Point(model="a", method="none", seed=0)
    assert points[1].amount == ("ratio", 0.25)
    assert points[1].told == {"reduction": "sum", "scope": "local"}
    # The first seed is done with everything before the second begins.
    assert [point.seed for point in points] == [0] * 14 + [1] * 14
    assert [Point.from_dict(point.to_dict()) for point in points] == points


def test_each_method_takes_the_amount_that_it_can_follow() -> None:
    config = study(
        ["l1", "blockwise", "budget", "magnitude-unstructured", "combined"],
        {"combined": MethodTable(ratios=(0.3,))},
        keep_params=(0.6,),
        budgets=("macs=50%",),
    )
    amounts = {point.method: point.amount for point in grid(config)}
    assert amounts == {
        "l1": ("keep_params", 0.6),
        "blockwise": ("keep_params", 0.6),
        "budget": ("budget", "macs=50%"),
        "magnitude-unstructured": ("keep_params", 0.6),
        "combined": ("ratio", 0.3),
    }
    settings = {p.method: prune_settings(p, config.equal, WHOLE) for p in grid(config)}
    assert settings["l1"].keep_params == 0.6
    assert settings["blockwise"].budget == "params=600"
    assert (settings["budget"].method, settings["budget"].budget) == ("l1", "macs=25000")
    assert settings["magnitude-unstructured"].options == ("sparsity=0.4",)
    assert settings["combined"].options == ("sparsity=0.3",)
    assert settings["combined"].ratio == 0.3


def test_options_of_its_own_say_how_much_too() -> None:
    tables = {
        "blockwise": MethodTable(options={"k": (1.0, 2.0), "paper": (True,)}),
        "magnitude-unstructured": MethodTable(options={"sparsity": (0.9,), "scope": ("layer",)}),
    }
    config = study(["blockwise", "magnitude-unstructured"], tables)
    points = grid(config)
    assert [point.amount for point in points] == [None, None, None]
    assert [prune_settings(point, config.equal, WHOLE).options for point in points] == [
        ("k=1.0", "paper=true"),
        ("k=2.0", "paper=true"),
        ("scope=layer", "sparsity=0.9"),
    ]


WRONG = {
    "no amount": (study(["l1"]), "method l1: expected ratios or keep_params under [space]"),
    "a budget for none": (
        study(["slimming"], budgets=("macs=50%",)),
        "method slimming: expected ratios or keep_params",
    ),
    "no budget": (
        study(["budget"], ratios=(0.5,)),
        "method budget: expected budgets or keep_params",
    ),
    "a ratio that it cannot follow": (
        study(["combined"], keep_params=(0.5,)),
        "method combined: expected ratios",
    ),
    "no known budget": (study(["budget"], budgets=("rom=3",)), "Received: 'rom=3'"),
    "more steps than epochs": (
        study(
            ["iterative"], {"iterative": MethodTable(options={"iterations": (9,)})}, ratios=(0.5,)
        ),
        "expected 1 to 8 iterations, for each takes one of the equal.epochs at least. Received: 9",
    ),
    "more sparsity than epochs": (
        study(
            ["slimming"],
            {"slimming": MethodTable(options={"sparsity_epochs": (9,)})},
            ratios=(0.5,),
        ),
        "expected 0 to 8 sparsity_epochs",
    ),
}


@pytest.mark.parametrize(("config", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_no_trial_could_do_is_refused(config: StudyConfig, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        grid(config)
    assert words in str(caught.value)


# Method, options, epochs in all; epochs that the method is told, and what it is told of them.
DIVISIONS = {
    "one step": ("l1", {}, 9, 9, ()),
    "blockwise": ("blockwise", {}, 9, 9, ()),
    "iterations": ("iterative", {"iterations": 4}, 9, 2, ("iterations=4",)),
    "ten iterations": ("iterative", {}, 25, 2, ("iterations=10",)),
    "as many iterations as epochs": ("magnitude", {}, 3, 1, ("iterations=3",)),
    "stages": ("multistage", {}, 9, 4, ("ramp_epochs=2", "stages=2")),
    "a long ramp": ("multistage", {"stages": 1}, 40, 40, ("ramp_epochs=4", "stages=1")),
    "a ramp of its own": (
        *("multistage", {"ramp_epochs": 3}, 8, 4),
        ("ramp_epochs=3", "stages=2"),
    ),
    "sparsity": ("slimming", {}, 9, 5, ("sparsity_epochs=4",)),
    "no sparsity": ("slimming", {"sparsity_epochs": 0}, 9, 9, ("sparsity_epochs=0",)),
    "nothing": ("iterative", {}, 0, 0, ()),
    "no stages": ("multistage", {}, 0, 0, ("ramp_epochs=0",)),
}


@pytest.mark.parametrize("case", DIVISIONS.values(), ids=DIVISIONS.keys())
def test_methods_of_several_steps_divide_the_epochs(case: tuple[Any, ...]) -> None:
    method, options, epochs, told, own = case
    point = Point(
        model="net",
        method=method,
        amount=("keep_params", 0.5),
        options=tuple(options.items()),
    )
    settings = prune_settings(point, EqualSection(epochs=epochs), WHOLE)
    assert settings.epochs == told
    assert settings.options == own


def test_what_is_equal_is_equal() -> None:
    equal = EqualSection(epochs=4, learning_rate=0.5, batch=7, round_to=2, ignore=("head",))
    for method in STUDY_METHODS:
        if method == "none":
            continue
        settings = prune_settings(
            Point(model="net", method=method, amount=("ratio", 0.5), seed=3), equal, WHOLE
        )
        assert (settings.learning_rate, settings.batch, settings.seed) == (0.5, 7, 3)
        assert settings.limits.round_to == 2
        assert settings.ignore == ("head",)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("macs=50%", "macs=25000"),
        ("params<=12.5%,macs=3M", "params<=125,macs=3M"),
        ("ram=48KiB,accuracy>=85%", "ram=48KiB,accuracy>=85%"),
    ],
)
def test_shares_in_budgets_are_of_the_model(text: str, number: str) -> None:
    assert absolute_budget(text, WHOLE) == number


def test_params_need_no_firmware() -> None:
    assert needs_board("macs=3M,ram=48KiB")
    assert needs_board("flash=96KiB")
    assert needs_board("arena=20000")
    assert not needs_board("params=50%,macs=3M")


@dataclasses.dataclass
class Dice:
    """A trial that takes the last choice and the upper bound."""

    asked: list[str]

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.asked.append(name)
        return choices[-1]

    def suggest_float(self, name: str, low: float, high: float) -> float:
        self.asked.append(f"{name} {low} {high}")
        return high - 0.000123


def test_a_search_asks_for_what_there_is_to_choose() -> None:
    table = MethodTable(options={"scope": ("local", "global"), "reduction": ("sum",)})
    config = study(["none", "taylor"], {"taylor": table}, seeds=(5,), ratios=(0.7, 0.1))
    dice = Dice([])
    assert suggested(dice, config) == Point(
        model="net",
        method="taylor",
        amount=("ratio", 0.7),
        options=(("reduction", "sum"), ("scope", "global")),
        seed=5,
    )
    assert dice.asked == ["method", "taylor.scope", "ratio 0.1 0.7"]


def test_a_search_within_a_methods_own_amounts() -> None:
    tables = {"budget": MethodTable(budgets=("macs=50%", "macs=30%"))}
    dice = Dice([])
    point = suggested(dice, study(["l1", "budget"], tables, ratios=(0.5,)))
    assert point.amount == ("budget", "macs=30%")
    assert dice.asked == ["method", "budget.budget"]
