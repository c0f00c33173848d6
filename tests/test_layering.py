"""Imports go down only, and each library has one home. The tables below are the law."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shared import REPOSITORY

PACKAGE = REPOSITORY / "pipeline"

# Every top-level module or package of pipeline/, and the level it stands on.
LEVELS = {
    "errors": 0,
    "records": 0,
    "fixed_point": 0,
    "steps": 0,
    "paths": 0,
    "suggest": 0,
    "quiet": 0,
    "samples": 1,
    "strict_toml": 1,
    "config": 1,
    "config_text": 1,
    "artifacts": 1,
    "reference": 1,
    "keras_graph": 1,
    "training": 1,
    "ops": 1,
    "device": 1,
    "data": 2,
    "model": 2,
    "prune": 2,
    "quantize": 2,
    "plan": 2,
    "codegen": 2,
    "estimate": 2,
    "build": 2,
    "measure": 2,
    "report": 2,
    "stages": 3,
    "study": 3,
    "doctor": 3,
    "cli": 3,
}

# Third-party (and a few standard) libraries, and the only places that may import them.
HOMES = {
    "tensorflow": {"data", "model", "prune", "quantize", "training"},
    "tensorflow_model_optimization": {"quantize"},
    "tf_keras": {"quantize"},
    "jax": {"prune"},
    "torch": {"prune"},
    "keras": {"data", "keras_graph", "model", "prune", "quantize"},
    "h5py": {"model"},
    "ai_edge_litert": {"plan", "reference"},
    "flatbuffers": {"plan", "quantize"},
    "tflite": {"ops", "plan"},
    "tflite_micro": {"device"},
    "serial": {"device"},
    "unicorn": {"device"},
    "capstone": {"device"},
    "jinja2": {"codegen", "report"},
    "optuna": {"study"},
    "sqlalchemy": {"study"},
    "matplotlib": {"report"},
    "markupsafe": {"report"},
    "plotly": {"report"},
    "subprocess": {"build", "device"},
    "platformio": {"build"},
    "ziglang": {"build"},
    "click": {"cli"},
    "rich": {"cli", "report"},
    "elftools": {"build", "device"},
    "PIL": {"data"},
}


def module_files() -> list[Path]:
    return sorted(
        path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or is_layer(path)
    )


def is_layer(path: Path) -> bool:
    return path.stem not in {"__init__", "__main__"}


def layer_of(path: Path) -> str:
    """First component below pipeline/: a package's folder name or a module's stem."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line, dotted module) of every import, also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write it in full"
            assert node.module is not None
            if node.module == "pipeline":
                for alias in node.names:
                    yield node.lineno, f"pipeline.{alias.name}"
            else:
                yield node.lineno, node.module


@pytest.mark.parametrize("path", module_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_and_libraries_stay_home(path: Path) -> None:
    layer = layer_of(path)
    assert layer in LEVELS, f"pipeline/{layer} has no level: add it to LEVELS"
    wrong = []
    for line, module in imported_modules(path):
        top, *rest = module.split(".")
        where = f"{path.relative_to(REPOSITORY)}:{line}"
        if top == "pipeline" and rest and rest[0] != "__version__":
            target = rest[0]
            if target != layer and not imports_down(layer, target):
                wrong.append(f"{where}: {layer} (level {LEVELS[layer]}) imports {target}")
        elif top in HOMES and layer not in HOMES[top]:
            wrong.append(f"{where}: {top} belongs to {', '.join(sorted(HOMES[top]))}")
        elif top in {"tests", "tools"}:
            wrong.append(f"{where}: the pipeline does not import {top}/")
    assert not wrong, "\n".join(wrong)


def imports_down(layer: str, target: str) -> bool:
    """Whether `layer` may import `target`: lower levels always, siblings only beside level 2."""
    above, below = LEVELS[layer], LEVELS[target]
    return below < above or (below == above and above != 2)


@pytest.mark.parametrize("layer", [name for name, level in LEVELS.items() if level == 0])
def test_level_0_needs_only_numpy(layer: str) -> None:
    path = PACKAGE / f"{layer}.py"
    if not path.exists():
        return
    allowed = {"numpy", "pipeline"} | set(sys.stdlib_module_names)
    used = {module.split(".")[0] for _, module in imported_modules(path)}
    assert used <= allowed


def test_every_level_stands() -> None:
    missing = [
        name
        for name in LEVELS
        if not (PACKAGE / f"{name}.py").exists() and not (PACKAGE / name).is_dir()
    ]
    assert not missing, f"in LEVELS but not in pipeline/: {missing}"
