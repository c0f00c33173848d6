"""What each stage depends on: its sources, its tools, its inputs and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.artifacts import StageKey, hash_tree, hash_value, tool_versions
from pipeline.paths import boards_path, firmware_path

_PACKAGE = Path(__file__).resolve().parents[1]

# The sources that each stage runs: a change there makes its results stale.
_CODE = {
    "train": ("data", "model", "samples.py"),
    "prune": ("data", "model", "prune", "quantize", "ops", "plan", "samples.py", "stages"),
    "trial": (
        *("data", "model", "prune", "quantize", "ops", "plan", "samples.py"),
        *("stages/costs.py", "stages/prune_methods.py", "stages/prune_table.py"),
        *("stages/pruning.py", "stages/tuning.py", "study/space.py", "study/trial.py"),
    ),
    "costs": (
        *("model", "ops", "plan", "quantize", "reference.py", "samples.py"),
        *("codegen", "fixed_point.py", "stages/costs.py", "study/trial.py"),
    ),
    "quantize": (
        *("data", "model", "quantize", "reference.py", "samples.py"),
        *("stages/quantizing.py", "stages/subjects.py"),
    ),
    "plan": (
        *("ops", "plan", "fixed_point.py"),
        *("report/channels.py", "report/memory.py", "report/memory_picture.py"),
        *("report/model.py", "report/tflm.py"),
    ),
    "generate": ("ops", "plan", "codegen", "fixed_point.py"),
    "build": ("build",),
    "measure": (
        *("device", "measure", "reference.py", "stages/emulating.py"),
        *("report/accuracy.py", "report/channels.py", "report/deployment.py", "report/model.py"),
    ),
    "report": ("report", "build/symbols.py", "codegen/symbols.py", "stages/reporting.py"),
}
_CODE_SUFFIXES = (".py", ".jinja", ".c", ".css", ".js")

# Packages whose versions decide what a stage makes.
_TOOLS = {
    "train": ("tensorflow", "keras", "numpy", "pillow"),
    "prune": ("tensorflow", "keras", "numpy", "pillow", "tflite"),
    "trial": ("tensorflow", "keras", "numpy", "pillow", "tflite"),
    "costs": ("tensorflow", "keras", "numpy", "ai-edge-litert", "tflite"),
    "quantize": ("tensorflow", "keras", "numpy", "pillow", "ai-edge-litert"),
    "plan": ("tflite", "numpy"),
    "generate": ("jinja2", "numpy"),
    "build": ("platformio", "scons", "ziglang", "pyelftools"),
    "measure": ("unicorn", "capstone", "pyserial", "ai-edge-litert", "numpy"),
    "report": ("jinja2", "plotly", "pyelftools"),
}


def stage_key(
    stage: str, *, inputs: Mapping[str, str], config: Mapping[str, Any], seed: int = 0
) -> StageKey:
    """Everything that a stage's outputs depend on, besides the named inputs from its code."""
    names = ("records", *_CODE[stage])
    parts = {name: hash_tree(_PACKAGE / name, suffixes=_CODE_SUFFIXES) for name in names}
    if stage in ("build", "costs"):
        parts["firmware"] = hash_tree(firmware_path())
        parts["boards"] = hash_tree(boards_path())
    return StageKey(
        inputs=inputs,
        config=config,
        code=hash_value(parts),
        tools=tool_versions(_TOOLS[stage]),
        seed=seed,
    )
