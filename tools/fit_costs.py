"""Fit what kernels cost on a Cortex-M4, and write pipeline/estimate/costs.json.

Instructions and estimated cycles of each layer (tests/cost_samples.py) are explained by how often
the loops of its kernel turn (pipeline/estimate/loops): prices that are not negative, by least
squares over shares. Reference models take no part; where they are at hand the fit is held against
them, as it is against every second random network.

    make costs
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls  # type: ignore[import-untyped]

from pipeline.artifacts import tool_versions, write_json
from pipeline.device.board import load_board
from pipeline.estimate.costs import COSTS_PATH, Costs, parse_costs
from pipeline.estimate.loops.table import LOOPS
from pipeline.estimate.plan import estimate_plan
from pipeline.estimate.runs import kernel_runs
from pipeline.estimate.runtime import parts_of
from pipeline.report.progress import Reporter
from tests.cost_images import read_code
from tests.cost_samples import BOARD, Sample, measured

_PACKAGES = ("capstone", "numpy", "scipy", "unicorn")
_KINDS = ("instructions", "cycles")

# Errors count by share, and below so many instructions less and less.
_SMALL = 200.0
# Layers below take no part in the distribution of errors: there a call's constant is most.
_TINY = 1000
_HELD = ("held", "reference")
# Kernels that are the same instructions as others, but for a constant in one of them.
_ALIKE = {
    "depthwise_conv_2d_3x3_fine_dsp_s8": "depthwise_conv_2d_3x3_dsp_s8",
    "depthwise_conv_2d_3x3_relu_coarse_dsp_s8": "depthwise_conv_2d_3x3_relu_dsp_s8",
}

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that was measured.

    Attributes:
        sample: its plan, and what it took.
        layers: of each layer with a kernel: its function, its counts, and what it took.
    """

    sample: Sample
    layers: tuple[tuple[str, Mapping[str, int], Sequence[int]], ...]

    @property
    def name(self) -> str:
        """With the target's after it."""
        return self.sample.name

    @property
    def took(self) -> Mapping[str, Any]:
        """All of it together."""
        return self.sample.took

    @property
    def is_held(self) -> bool:
        """Whether it takes no part in the fit."""
        return self.name.startswith(_HELD)


def main() -> int:
    """Measure what is missing, fit, write, and print how good it is; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", action="store_true", help="measure everything anew")
    options = parser.parse_args()
    reporter = Reporter()
    found = read_models(measured(reporter, again=options.again))
    fitted = [model for model in found if not model.is_held]
    clocks = {kind: clock_cost(fitted, place) for place, kind in enumerate(_KINDS)}
    report: dict[str, Any] = {
        "schema": 1,
        "made_by": "make costs",
        "tools": {**tool_versions(_PACKAGES), "toolchain": found[0].took["toolchain"]},
        "core": load_board(BOARD).core,
        "flash_wait_states": load_board(BOARD).flash_wait_states,
        "models": len(fitted),
        "errors": {},
    }
    report["kernels"] = fit_kernels(fitted, clocks)
    report["code"] = fit_code(fitted, report["kernels"], reporter)
    report["errors"] = errors_of(found, parse_costs(report), clocks)
    write_json(COSTS_PATH, report)
    print_errors(report)
    print(f"written to {COSTS_PATH}")
    return 0


def read_models(samples: Sequence[Sample]) -> list[Model]:
    """Count the loops of every model."""
    found = []
    for sample in samples:
        layers = [
            (run.call.function, LOOPS[run.call.function](run), took)
            for run, took in zip(kernel_runs(sample.plan), sample.took["layers"], strict=True)
            if run is not None
        ]
        found.append(Model(sample=sample, layers=tuple(layers)))
    return found


def clock_cost(found: Sequence[Model], place: int) -> float:
    """What reading the clock adds to each step where layers are measured one by one.

    Args:
        found: models.
        place: 0 for instructions, 1 for cycles.
    """
    steps = np.array([len(model.sample.plan.steps) for model in found], dtype=np.float64)
    more = [
        sum(took[place] for _, _, took in model.layers) - model.took[_KINDS[place]]
        for model in found
    ]
    return float(np.polyfit(steps, np.array(more, dtype=np.float64), 1)[0])


def fit_kernels(found: Sequence[Model], clocks: Mapping[str, float]) -> dict[str, Any]:
    """Prices of every kernel's loops, how far off they are, and the functions that it needs."""
    layers = defaultdict(list)
    for model in found:
        for function, counts, took in model.layers:
            layers[_ALIKE.get(function, function)].append((counts, took))
    kernels = {}
    for function in sorted({*layers, *_ALIKE}):
        samples = layers[_ALIKE.get(function, function)]
        kernel: dict[str, Any] = {"layers": len(samples)}
        for place, kind in enumerate(_KINDS):
            spent = [sample[place] - clocks[kind] * counts["calls"] for counts, sample in samples]
            prices, shares = fit_prices([counts for counts, _ in samples], spent)
            kernel[kind] = prices
            kernel[f"{kind}_error"] = {
                "median": round(float(np.median(shares)), 4),
                "largest": round(float(shares.max()), 4),
            }
        kernels[function] = kernel
    return kernels


def fit_prices(
    counts: Sequence[Mapping[str, int]], took: Sequence[float]
) -> tuple[dict[str, float], FloatArray]:
    """Prices of counts, and the share by which each sum is off."""
    names = sorted({name for one in counts for name in one if any(c[name] for c in counts)})
    table = np.array([[one[name] for name in names] for one in counts], dtype=np.float64)
    wanted = np.array(took, dtype=np.float64)
    weights = 1 / (wanted + _SMALL)
    scaled = table * weights[:, np.newaxis]
    size = np.linalg.norm(scaled, axis=0)
    prices, _ = nnls(scaled / size, wanted * weights, maxiter=100 * len(names))
    prices = prices / size
    errors = np.abs(table @ prices - wanted) * weights
    return {
        name: float(f"{price:.5g}") for name, price in zip(names, prices, strict=True) if price
    }, errors


def fit_code(found: Sequence[Model], kernels: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Which functions each kernel needs, their sizes, and what a call takes in generated code."""
    code = read_code([model.sample for model in found], reporter)
    for function, kernel in kernels.items():
        kernel["symbols"] = sorted(code.needs[function])
    rows, wanted = [], []
    for model in found:
        parts = parts_of(model.sample.plan)
        names = frozenset[str]().union(*(code.needs[function] for function in parts.functions))
        rows.append([1, parts.layers, parts.arguments])
        known = parts.table_bytes + sum(code.sizes[name] for name in names)
        wanted.append(model.took["runtime_bytes"] - known)
    prices, _ = nnls(np.array(rows, dtype=np.float64), np.array(wanted, dtype=np.float64))
    base, layer, argument = (round(float(price), 2) for price in prices)
    return {
        "symbol_bytes": dict(sorted(code.sizes.items())),
        "base_bytes": base,
        "layer_bytes": layer,
        "argument_bytes": argument,
    }


def errors_of(found: Sequence[Model], costs: Costs, clocks: Mapping[str, float]) -> dict[str, Any]:
    """How far estimates are off for models that took no part in the fit."""
    report: dict[str, Any] = {"models": {}, "layers": {}}
    shares = defaultdict(list)
    for model in found:
        if not model.is_held:
            continue
        estimate = estimate_plan(model.sample.plan, costs)
        if estimate.unknown:
            print(f"{model.name} left out: no costs of {estimate.unknown}", file=sys.stderr)
            continue
        report["models"][model.name] = {
            "instructions": _share(estimate.instructions, model.took["instructions"]),
            "cycles": _share(estimate.cycles, model.took["cycles"]),
            "runtime_bytes": _share(estimate.runtime_bytes, model.took["runtime_bytes"]),
        }
        runs = [layer for layer in estimate.layers if layer.function]
        for layer, (_, counts, took) in zip(runs, model.layers, strict=True):
            for place, kind in enumerate(_KINDS):
                real = took[place] - clocks[kind] * counts["calls"]
                if real >= _TINY:
                    shares[kind].append(abs(_share(getattr(layer, kind), real)))
    for kind in _KINDS:
        cut = np.percentile(shares[kind], (50, 90, 99, 100))
        report["layers"][kind] = {
            "layers": len(shares[kind]),
            **{
                name: round(float(value), 4)
                for name, value in zip(("median", "p90", "p99", "largest"), cut, strict=True)
            },
        }
    return report


def _share(estimate: float | None, real: float) -> float:
    """By which share an estimate is off; negative where it is too low."""
    assert estimate is not None
    return round(estimate / real - 1, 4)


def print_errors(report: Mapping[str, Any]) -> None:
    """What people want to know before they trust it."""
    print(f"{'kernel':<44}{'layers':>7}  instructions: median, largest   cycles: median, largest")
    for function, kernel in report["kernels"].items():
        errors = [kernel[f"{kind}_error"] for kind in _KINDS]
        text = "".join(f"{e['median']:>14.1%}{e['largest']:>11.1%}" for e in errors)
        print(f"{function:<44}{kernel['layers']:>7}{text}")
    print("Held out of the fit:")
    for name, errors in report["errors"]["models"].items():
        print(f"  {name:<44}" + "".join(f"{key} {errors[key]:+.1%}  " for key in errors))
    for kind, cut in report["errors"]["layers"].items():
        print(
            f"  {cut['layers']} layers of {_TINY:,} {kind} and more: "
            f"median {cut['median']:.1%}, 90 % "
            f"within {cut['p90']:.1%}, 99 % within {cut['p99']:.1%}, largest {cut['largest']:.1%}"
        )


if __name__ == "__main__":
    sys.exit(main())
