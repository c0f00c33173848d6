"""Pinned figures: what the engine took for each model when somebody last said that this is right.

tests/golden/pins.json holds them, written by `make pin`; tests/e2e/test_pins.py compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.device.board import load_board
from pipeline.report.progress import Reporter
from pipeline.stages import Request, Target, deploy
from tests.shared import REFERENCE_MODELS, REPOSITORY, shared_root
from tests.small_models import SMALL_MODELS

PINS = REPOSITORY / "tests" / "golden" / "pins.json"
BOARD = "mps2_an386"
# Compilers, and the emulator that each is measured on: all four are seen, in two runs.
WAYS = {"gcc": "qemu", "zig": "unicorn"}
MODELS = (*SMALL_MODELS, *REFERENCE_MODELS)

# A rise above this share is a regression, a fall below it an improvement.
TOLERANCE = 0.01
# Emulators count in ticks of so many instructions.
TICK = 40


def model_path(name: str, folder: Path) -> Path:
    """The file of a model, made in `folder` if it is a small one; it may not exist."""
    if name not in SMALL_MODELS:
        return shared_root() / "models" / f"{name}.tflite"
    path = folder / f"{name}.tflite"
    path.write_bytes(SMALL_MODELS[name]())
    return path


def measure(path: Path, compiler: str, reporter: Reporter) -> dict[str, Any]:
    """Deploy a model; the report, see pipeline/report/deployment.py."""
    target = Target(board=load_board(BOARD), toolchain=compiler, emulator=WAYS[compiler])
    request = Request(model=path, inputs="random:1:4", command=f"espalier deploy {path.name}")
    return dict(deploy(request, target, reporter).report)


def figures(report: Mapping[str, Any]) -> dict[str, int]:
    """What is pinned of a deployment: what the model and the engine take, without the harness."""
    ram, flash = report["ram"], report["flash"]
    return {
        "instructions": report["instructions_per_inference"]["median"],
        "estimated_cycles": report["estimated_cycles"]["median"],
        "ram_bytes": ram["arena_bytes"] + ram["stack_peak_bytes"],
        "flash_bytes": flash["weights_bytes"] + flash["runtime_bytes"],
    }


def changes(pinned: Mapping[str, int], now: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Figures that rose and figures that fell by more than the tolerance, in words."""
    rises, falls = [], []
    for name, before in pinned.items():
        after = now[name]
        slack = max(TOLERANCE * before, TICK if name in ("instructions", "estimated_cycles") else 0)
        words = f"{name} {before:,} -> {after:,} ({after / before - 1:+.1%})"
        if after > before + slack:
            rises.append(words)
        elif after < before - slack:
            falls.append(words)
    return rises, falls
