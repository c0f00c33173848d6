"""Generated sources and kernels: strict C11 under every compiler, with next to no library."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from pipeline.codegen.camera import generate_camera
from pipeline.codegen.render import generate
from pipeline.data.frames import parse_camera
from pipeline.data.resampling import plan_frame
from pipeline.device.board import load_board
from pipeline.paths import cache_path, firmware_path
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import parse_graph
from pipeline.records import KernelTarget
from pipeline.stages import plan_model
from tests.random_draw import SeededDraw
from tests.random_models import random_graph, random_operator
from tests.random_operators import OPERATORS
from tests.small_models import residual_network

STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
KERNELS = firmware_path() / "lib" / "kernels"
CAMERA = firmware_path() / "lib" / "camera"
_FREESTANDING = firmware_path() / "lib" / "freestanding" / "include"

# Zig makes one object of several sources only as a linker, with which some options have no say.
_ZIG = (sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=all")
_ZIG += ("-r", "-nostdlib", "-Wno-unused-command-line-argument")
_BARE = ("-ffreestanding", "-isystem", str(_FREESTANDING))
_ARM = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
COMPILERS = {
    "cc": ("cc",),
    "clang": ("clang",),
    "arm-none-eabi-gcc": ("arm-none-eabi-gcc", *_ARM, *_BARE),
    "zig": _ZIG,
    "zig for cortex-m4": (
        *_ZIG, "-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp", *_BARE,
    ),
}  # fmt: skip
_NEEDS = {"zig": "ziglang", "zig for cortex-m4": "ziglang"}
_TARGETS = [
    pytest.param(name, marks=pytest.mark.needs(_NEEDS.get(name, command[0])))
    for name, command in COMPILERS.items()
]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders of models with every operator, and of some graphs, for both kinds of kernels."""
    rng = np.random.default_rng(4)
    models = [random_operator(SeededDraw(rng), name) for name in OPERATORS]
    models += [random_graph(SeededDraw(rng)) for _ in range(4)]
    root = tmp_path_factory.mktemp("strict")
    folders = []
    for number, model in enumerate(models):
        path = root / f"{number}.tflite"
        path.write_bytes(model)
        for board in (None, load_board("mps2_an386")):
            folders.append(root / f"{number}-{'dsp' if board else 'portable'}")
            generate(plan_model(path, board), folders[-1], command="test")
    return folders


def units_of(sources: list[Path], out: Path) -> list[Path]:
    """One file for each model that holds all of its code, with names of its own."""
    units = []
    for number, folder in enumerate(sources):
        text = "".join(
            (folder / name).read_text(encoding="ascii")
            for name in ("weights.h", "model.h", "model.c", "weights.c")
        )
        text = re.sub(r'#include "(model|weights)\.h"', "", text)
        units.append(out / f"model_{number}.c")
        units[-1].write_text(re.sub(r"\bmodel_(?=\w)", f"m{number}_", text), encoding="ascii")
    return units


def compile_all(name: str, folder: Path, *arguments: str | Path) -> None:
    """Compile with warnings as errors; objects land in `folder`."""
    cache = str(cache_path() / "zig")
    done = subprocess.run(
        [*COMPILERS[name], *STRICT, "-O2", "-c", f"-I{KERNELS}", *map(str, arguments)],
        cwd=folder,
        env={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache, **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# As on boards whose compilers or flags make char the other type.
@pytest.mark.slow
@pytest.mark.parametrize("char", ["-fsigned-char", "-funsigned-char"])
@pytest.mark.parametrize("name", _TARGETS)
def test_kernels_compile_without_a_warning(name: str, char: str, tmp_path: Path) -> None:
    compile_all(name, tmp_path, char, *sorted(KERNELS.rglob("*.c")))


@pytest.mark.slow
@pytest.mark.parametrize("char", ["-fsigned-char", "-funsigned-char"])
@pytest.mark.parametrize("name", _TARGETS)
def test_cameras_compile_without_a_warning(name: str, char: str, tmp_path: Path) -> None:
    graph = parse_graph(residual_network(), "m", "m")
    plan = make_plan(graph, KernelTarget.PORTABLE)
    generate_camera(plan_frame(parse_camera("9x7:rgb565"), graph), plan, tmp_path, command="test")
    sources = [tmp_path / "model_camera.c", *sorted(CAMERA.glob("*.c"))]
    compile_all(name, tmp_path, char, f"-I{CAMERA.parent}", *sources)


@pytest.mark.slow
@pytest.mark.parametrize("name", _TARGETS)
def test_generated_sources_compile_without_a_warning(
    name: str, sources: list[Path], tmp_path: Path
) -> None:
    compile_all(name, tmp_path, *units_of(sources, tmp_path))


def test_they_need_two_headers_and_no_heap(sources: list[Path]) -> None:
    files = [path for folder in (KERNELS, CAMERA, *sources) for path in folder.rglob("*.[ch]")]
    assert len(files) > 60
    for path in files:
        text = path.read_text(encoding="ascii")
        assert set(re.findall(r"#include <(.*?)>", text)) <= {"stdint.h", "string.h"}, path
        assert not re.search(r"\b(malloc|calloc|realloc|free|alloca)\s*\(", text), path


@pytest.mark.needs("arm-none-eabi-gcc")
def test_they_keep_nothing_between_calls(sources: list[Path], tmp_path: Path) -> None:
    """All that is written lies in the arena or on the stack: several tasks may run one model."""
    units = [*units_of(sources, tmp_path), *sorted(KERNELS.rglob("*.c")), *CAMERA.glob("*.c")]
    compile_all("arm-none-eabi-gcc", tmp_path, *units)
    objects = sorted(tmp_path.glob("*.o"))
    assert len(objects) == len(units)
    for path in objects:
        with path.open("rb") as file:
            sections = list(ELFFile(file).iter_sections())
        written = [s.name for s in sections if s["sh_flags"] & SH_FLAGS.SHF_WRITE and s["sh_size"]]
        assert not written, path
