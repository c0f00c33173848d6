"""Pruning for a board: its memory as a budget of the real planner, and whether a model fits."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import ConfigError, DoesNotFitError
from pipeline.records import Board
from pipeline.report.progress import Reporter
from pipeline.stages import costs
from pipeline.stages.costs import DeployedCost, Overhead
from pipeline.stages.prune_methods import Limits, PruneSettings, check_settings
from pipeline.stages.pruning import _with_board, prune_model
from tests.prune.models import detector

BOARD = Board(
    name="small",
    description="a board of few bytes",
    mcu="none",
    core="none",
    dsp=False,
    clock_hz=1,
    flash_bytes=8000,
    ram_bytes=9000,
    clock="cycles",
    instructions_per_tick=None,
    flash_wait_states=None,
    emulators=(),
)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Firmware is not built: it adds 3,000 bytes of RAM and 6,000 of flash."""
    overhead = Overhead(ram_bytes=3000, flash_bytes=6000, board="small")
    monkeypatch.setattr(DeployedCost, "_of_reference", lambda self, tflite, plan: overhead)
    monkeypatch.setattr(DeployedCost, "_deploy", lambda self, tflite, board: None)


@pytest.mark.slow
@pytest.mark.usefixtures("measured")
def test_a_boards_memory_is_a_budget_of_the_real_planner() -> None:
    model = detector()
    settings = PruneSettings(method="l1")
    pruned = prune_model(model, settings, None, BOARD, Reporter(quiet=True))
    deployed = pruned.report["deployed"]
    assert pruned.report["budget"] == "ram=9000,flash=8000"
    assert deployed["ram_bytes"] == deployed["arena_bytes"] + 3000 <= 9000
    assert deployed["flash_bytes"] == deployed["weights_bytes"] + 6000 <= 8000
    assert (deployed["measured"], deployed["overhead_of"]) == (False, "small")
    assert (deployed["fits"], deployed["reason"]) == (True, "")
    pruned.check_fits()
    cost = DeployedCost(BOARD, Reporter(quiet=True))
    assert cost(pruned.model)["arena_bytes"] == deployed["arena_bytes"]
    assert cost(model)["flash_bytes"] > 8000

    tighter = PruneSettings(method="l1", budget="ram=3100")
    with pytest.raises(DoesNotFitError, match=r"ram=3,100 B: at least .* are needed"):
        prune_model(model, tighter, None, BOARD, Reporter(quiet=True))


@pytest.mark.slow
@pytest.mark.usefixtures("measured")
def test_blockwise_fits_a_board_by_the_real_planner() -> None:
    settings = PruneSettings(method="blockwise", limits=Limits(round_to=2, min_channels=2))
    pruned = prune_model(detector(), settings, None, BOARD, Reporter(quiet=True))
    deployed = pruned.report["deployed"]
    assert pruned.report["budget"] == "ram=9000,flash=8000"
    assert deployed["ram_bytes"] <= 9000
    assert deployed["flash_bytes"] <= 8000


@pytest.mark.slow
def test_a_budget_of_the_arena_needs_no_firmware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(DeployedCost, "_deploy")
    cost = DeployedCost(BOARD, Reporter(quiet=True), measures=False)
    inputs = keras.Input((24, 24, 3))
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", name="stem")(inputs)
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    model = keras.Model(inputs, layers.Dense(2, name="head")(x), name="wide")
    whole = cost(model)
    assert whole.keys() == {"params", "macs", "arena_bytes", "live_bytes", "weights_bytes"}
    limit = whole["arena_bytes"] * 19 // 20
    settings = PruneSettings(method="l1", budget=f"arena={limit}")
    pruned = prune_model(model, settings, None, None, Reporter(quiet=True))
    assert pruned.report["deployed"] is None
    assert cost(pruned.model)["arena_bytes"] <= limit


def test_a_board_is_the_budget_where_nothing_else_says_how_much_goes() -> None:
    def budget(**settings: Any) -> str:
        return _with_board(PruneSettings(**settings), BOARD).budget

    whole = "ram=9000,flash=8000"
    # A smaller budget wins over the board.
    mixed = "ram=5120,macs=3000000,flash=8000,accuracy>=0.5"
    assert budget(budget="ram=5KiB,macs=3M,accuracy>=0.5") == mixed
    assert budget(method="l2") == budget(method="blockwise") == whole
    assert budget(method="blockwise", options=("r_max=0.8",)) == whole
    assert budget(ratio=0.5) == budget(keep_params=0.5) == budget(accuracy_floor=0.5) == ""
    assert budget(method="blockwise", options=("paper=true",)) == ""
    assert budget(method="blockwise", options=("k=2",)) == ""
    assert budget(method="magnitude-unstructured", options=("sparsity=0.5",)) == ""


FITTING = {
    "fits": ({"ram_bytes": 90_000, "flash_bytes": 90_000}, True, ""),
    "no RAM": ({"ram_bytes": 1000}, False, r"board small: [\d,]+ B of RAM are needed, of 1,000 B"),
    "no flash": ({"flash_bytes": 6100}, False, r"[\d,]+ B of flash are needed, of 6,100 B"),
    "no limits": ({"ram_bytes": None, "flash_bytes": None}, True, "no limits"),
}


@pytest.mark.slow
@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(("memory", "fits", "reason"), FITTING.values(), ids=FITTING)
def test_beside_a_ratio_a_board_is_asked_whether_the_model_fits(
    memory: dict[str, int | None], fits: bool, reason: str
) -> None:
    board = dataclasses.replace(BOARD, **memory)
    pruned = prune_model(detector(), PruneSettings(ratio=0.5), None, board, Reporter(quiet=True))
    deployed = pruned.report["deployed"]
    assert pruned.report["after"]["params"] < pruned.report["before"]["params"]
    assert deployed["fits"] is fits
    assert re.search(reason, deployed["reason"])
    if fits:
        pruned.check_fits()
    else:
        with pytest.raises(DoesNotFitError, match="pruned, but it does not fit: .*needed"):
            pruned.check_fits()


def test_a_model_that_no_board_can_run_is_pruned_all_the_same() -> None:
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, activation="gelu", name="a")(inputs)
    x = layers.Conv3D(4, 1, name="b")(layers.Reshape((4, 4, 1, 8))(x))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    pruned = prune_model(model, PruneSettings(ratio=0.5), None, BOARD, Reporter(quiet=True))
    deployed = pruned.report["deployed"]
    assert deployed["fits"] is None
    assert deployed["reason"]
    pruned.check_fits()


def test_an_untrained_model_can_be_costed() -> None:
    # With its own weights, activations would vanish on the way.
    model = detector()
    model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    assert costs.convert_stand_in(model)[4:8] == b"TFL3"


def test_settings_are_checked_before_anything_is_loaded() -> None:
    with pytest.raises(ConfigError, match="method"):
        check_settings(PruneSettings(method="none", ratio=0.5), has_data=False)
