"""What each turn of a kernel's loops costs, as tools/fit_costs.py measured it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import read_json
from pipeline.estimate.loops.table import LOOPS
from pipeline.estimate.runs import KernelRun

COSTS_PATH = Path(__file__).with_name("costs.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCosts:
    """Costs of one kernel.

    Attributes:
        instructions, cycles: of one turn of each loop, by the loop's name.
        symbols: functions and tables that an image with this kernel holds.
    """

    instructions: Mapping[str, float]
    cycles: Mapping[str, float]
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """All that was fitted.

    Attributes:
        kernels: by C function.
        symbol_bytes: size of each function and table.
        base_bytes: of every image, beside its kernels.
        layer_bytes, argument_bytes: generated code of a call, and of one of its arguments.
        toolchain: that compiled what was measured.
        core, flash_wait_states: that costs are right for.
        errors: of estimates for models that took no part in the fit (docs/profile.md).
    """

    kernels: Mapping[str, KernelCosts]
    symbol_bytes: Mapping[str, int]
    base_bytes: float
    layer_bytes: float
    argument_bytes: float
    toolchain: str
    core: str
    flash_wait_states: int
    errors: Mapping[str, Any]


@functools.cache
def read_costs() -> Costs:
    """The costs that come with the package."""
    return parse_costs(read_json(COSTS_PATH))


def parse_costs(data: Mapping[str, Any]) -> Costs:
    """Costs from the contents of their file."""
    code = data["code"]
    return Costs(
        kernels={
            function: KernelCosts(
                instructions=kernel["instructions"],
                cycles=kernel["cycles"],
                symbols=tuple(kernel["symbols"]),
            )
            for function, kernel in data["kernels"].items()
        },
        symbol_bytes=code["symbol_bytes"],
        base_bytes=code["base_bytes"],
        layer_bytes=code["layer_bytes"],
        argument_bytes=code["argument_bytes"],
        toolchain=data["tools"]["toolchain"],
        core=data["core"],
        flash_wait_states=data["flash_wait_states"],
        errors=data["errors"],
    )


def cost_of(run: KernelRun, costs: Costs) -> tuple[int, int] | None:
    """Instructions and cycles of a layer in one inference; None where its kernel was not fitted."""
    kernel, loops = costs.kernels.get(run.call.function), LOOPS.get(run.call.function)
    if kernel is None or loops is None:
        return None
    counts = loops(run)
    instructions, cycles = (
        sum(price * counts[name] for name, price in prices.items())
        for prices in (kernel.instructions, kernel.cycles)
    )
    return round(instructions), round(cycles)
