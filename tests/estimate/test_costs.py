"""Estimates against instructions that were pinned, and against what the fit says of itself."""

from __future__ import annotations

import itertools
import statistics
from pathlib import Path

import pytest

from pipeline.artifacts import read_json
from pipeline.device.board import load_board
from pipeline.estimate.costs import COSTS_PATH, cost_of, read_costs
from pipeline.estimate.loops.table import LOOPS
from pipeline.estimate.plan import estimate_plan
from pipeline.estimate.runs import kernel_runs
from pipeline.records import DeployPlan
from pipeline.stages import plan_model
from tests import pins
from tests.shared import REFERENCE_MODELS, shared_path

# What estimates promise: of any reference model, and of half of all models that were held out.
WORST = 0.20
MEDIAN = 0.10
# And what they keep: more is a kernel that changed, or a loop that is not counted. Models below so
# many instructions are mostly calls, and softmaxes of a few values.
KEPT = 0.03
SMALL = 20_000


def pinned(name: str) -> dict[str, int]:
    by_toolchain = read_json(pins.PINS)["pins"]
    (models,) = (by_toolchain[tool] for tool in by_toolchain if tool.startswith("arm-none-eabi"))
    return dict(models[name])


def plan_of(name: str, folder: Path) -> DeployPlan:
    path = pins.model_path(name, folder)
    if not path.exists():
        shared_path(f"models/{path.name}")
    return plan_model(path, load_board(pins.BOARD))


@pytest.mark.parametrize("name", pins.MODELS)
def test_estimates_agree_with_pinned_figures(name: str, tmp_path: Path) -> None:
    plan = plan_of(name, tmp_path)
    estimate, wanted = estimate_plan(plan, read_costs()), pinned(name)
    assert estimate.instructions is not None
    assert estimate.cycles is not None
    for got, kind in (
        (estimate.instructions, "instructions"),
        (estimate.cycles, "estimated_cycles"),
    ):
        off = abs(got / wanted[kind] - 1)
        assert off < WORST, f"{name}: {kind} {got:,}, pinned {wanted[kind]:,}"
        if wanted["instructions"] > SMALL:
            assert off < KEPT, f"{name}: {kind} {got:,}, pinned {wanted[kind]:,}; run `make costs`"


@pytest.mark.parametrize("name", pins.MODELS)
def test_flash_agrees_with_pinned_figures(name: str, tmp_path: Path) -> None:
    plan = plan_of(name, tmp_path)
    runtime = estimate_plan(plan, read_costs()).runtime_bytes
    assert runtime is not None
    flash = pinned(name)["flash_bytes"]
    assert abs(plan.weights_bytes + runtime - flash) < max(0.03 * flash, 600)


def test_layers_add_up_to_the_model(tmp_path: Path) -> None:
    plan = plan_of("residual", tmp_path)
    estimate = estimate_plan(plan, read_costs())
    assert len(estimate.layers) == len(plan.graph.ops)
    assert sum(layer.weights_bytes for layer in estimate.layers) == plan.weights_bytes
    assert estimate.instructions == sum(layer.instructions or 0 for layer in estimate.layers)


def test_the_fit_keeps_what_is_promised() -> None:
    errors = read_costs().errors
    models = errors["models"]
    held = [model for name, model in models.items() if name.startswith("held")]
    assert len(held) >= 20
    for kind in ("instructions", "cycles"):
        assert statistics.median(abs(model[kind]) for model in models.values()) < MEDIAN
        assert errors["layers"][kind]["median"] < MEDIAN
        for name in REFERENCE_MODELS:
            for bits, target in itertools.product(("", "4"), ("dsp", "portable")):
                assert abs(models[f"reference{bits}-{name}-{target}"][kind]) < WORST


def test_every_kernel_whose_loops_are_counted_was_fitted() -> None:
    kernels = read_costs().kernels
    assert set(kernels) == set(LOOPS)
    data = read_json(COSTS_PATH)["kernels"]
    assert all(min(kernel.instructions.values()) > 0 for kernel in kernels.values())
    assert all(kernel["layers"] >= 5 for kernel in data.values())


def test_a_kernel_that_nobody_fitted_is_unknown(tmp_path: Path) -> None:
    import dataclasses

    plan = plan_of("residual", tmp_path)
    costs = read_costs()
    run = next(run for run in kernel_runs(plan) if run is not None)
    without = {name: one for name, one in costs.kernels.items() if name != run.call.function}
    costs = dataclasses.replace(costs, kernels=without)
    assert cost_of(run, costs) is None
    estimate = estimate_plan(plan, costs)
    assert estimate.instructions is None
    assert estimate.runtime_bytes is None
    assert estimate.unknown == (run.call.function,)
