"""What layers took on an emulated core, measured once and remembered in .cache/costs/.

The models of tests/cost_sheets.py, and reference models to check with, run on an emulated nRF52840,
whose cycle counter counts each instruction: the same core, kernels and compiler as on mps2_an386.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.artifacts import read_json, write_json
from pipeline.device.board import load_board
from pipeline.errors import PipelineError
from pipeline.paths import cache_path
from pipeline.records import Board, DeployPlan, KernelTarget
from pipeline.report.progress import Reporter
from pipeline.stages import Request, Target, deploy, plan_model
from tests.cost_sheets import sheets
from tests.shared import REFERENCE_MODELS, shared_root

BOARD = "nrf52840"
EMULATOR = "unicorn"
SAMPLES = cache_path() / "costs"


def models() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """All models by name; reference models where they are at hand."""
    yield from sheets()
    for name in REFERENCE_MODELS:
        path = shared_root() / "models" / f"{name}.tflite"
        if path.is_file():
            yield f"reference-{name}", path.read_bytes


def board_of(target: KernelTarget) -> Board:
    """The emulated board, with the kernels of a target."""
    return dataclasses.replace(load_board(BOARD), dsp=target is KernelTarget.DSP)


def plan_of(make: Callable[[], bytes], target: KernelTarget) -> DeployPlan:
    """The plan of what `measure` ran."""
    with tempfile.TemporaryDirectory(prefix="espalier-costs-") as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(make())
        return plan_model(path, target=target, keep_constant_channels=True)


def measured(log: Callable[[str], None], *, again: bool) -> dict[str, dict[str, Any]]:
    """What every model took with either kind of kernels, by "name-target"; measured if need be.

    Args:
        log: told about each model.
        again: forget what was measured before.
    """
    SAMPLES.mkdir(parents=True, exist_ok=True)
    samples: dict[str, dict[str, Any]] = {}
    for target in (KernelTarget.DSP, KernelTarget.PORTABLE):
        for name, make in models():
            path = SAMPLES / f"{name}-{target.value}.json"
            if path.is_file() and not again:
                samples[path.stem] = read_json(path)
                continue
            try:
                samples[path.stem] = measure(make, board_of(target))
            except PipelineError as error:
                samples[path.stem] = {"error": str(error)}
            log(f"{path.stem}: {samples[path.stem].get('error', 'measured')}")
            write_json(path, samples[path.stem])
    return samples


def measure(make: Callable[[], bytes], board: Board) -> dict[str, Any]:
    """One model on the emulator: its layers, and what its image holds."""
    with tempfile.TemporaryDirectory(prefix="espalier-costs-") as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(make())
        work = Path(folder) / "work"
        request = Request(model=path, inputs="random:1:1", work=work, command="make costs")
        target = Target(board=board, emulator=EMULATOR, keep_constant_channels=True)
        done = deploy(request, target, Reporter(quiet=True))
        took = done.measurement
        if took.mismatches:
            raise PipelineError("its outputs differ from the reference")
        assert took.estimate is not None
        assert done.firmware.size is not None
        return {
            "toolchain": done.firmware.toolchain,
            "instructions": took.ticks[0],
            "cycles": took.estimate.inferences[0],
            # With the clock read around each step.
            "layers": [
                list(pair) for pair in zip(took.layer_ticks, took.estimate.layers, strict=True)
            ],
            "runtime_bytes": done.firmware.size.runtime_bytes,
        }
