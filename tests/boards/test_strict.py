"""The firmware keeps to what the oldest compiler of a board takes: C11, and C++14."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.build.environments import environment_option
from pipeline.codegen.render import generate
from pipeline.device.board import load_board
from pipeline.paths import boards_path, cache_path, firmware_path
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import read_graph
from pipeline.records import KernelTarget
from tests.small_models import residual_network

LIB = firmware_path() / "lib"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wvla", "-Wundef", "-Werror")
LANGUAGES = {".c": ("-std=c11",), ".cc": ("-std=gnu++14", "-fno-exceptions", "-fno-rtti")}
IDENTITY = tuple(f'-DESPALIER_{key}="x"' for key in ("BUILD_ID", "MODEL_NAME", "BOARD"))
_ARM = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=softfp", "-mfpu=fpv4-sp-d16")
_BARE = ("-ffreestanding", "-isystem", str(LIB / "freestanding" / "include"))
COMPILERS = {
    "cc": ("cc",),
    "clang": ("clang",),
    "zig": (sys.executable, "-m", "ziglang", "cc"),
    "arm-none-eabi-gcc": ("arm-none-eabi-gcc", *_ARM, *_BARE),
}
_NEEDS = {"zig": "ziglang"}
NAMES = [pytest.param(name, marks=pytest.mark.needs(_NEEDS.get(name, name))) for name in COMPILERS]
# Of compilers, and of the standard headers that every C library has.
HEADERS = {"stddef.h", "stdint.h", "string.h"}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_firmware_compiles_without_a_warning(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(residual_network())
    generated = tmp_path / "generate"
    generate(make_plan(read_graph(path), KernelTarget.DSP), generated, command="test")
    board = load_board("mps2_an386" if name == "arm-none-eabi-gcc" else "host")
    shared = (environment_option(board, "aot", "custom_port_libraries") or "").split()
    folders = [LIB / name for name in ("core", "engine_aot", "kernels", *shared)]
    folders += [generated, boards_path() / board.name]
    sources = [firmware_path() / "src" / "main.cc", LIB / "engine_echo" / "engine_echo.c"]
    sources += [path for folder in folders for path in sorted(folder.rglob("*.c*"))]
    includes = [f"-I{folder}" for folder in folders]
    for suffix, language in LANGUAGES.items():
        units = [str(source) for source in sources if source.suffix == suffix]
        assert len(units) >= 8
        compile_units(name, units, *language, "-funsigned-char", *includes, cwd=tmp_path)


def compile_units(name: str, units: list[str], *flags: str, cwd: Path) -> None:
    """Compile each unit with strict warnings as errors."""
    cache = str(cache_path() / "zig")
    command = [*COMPILERS[name], *STRICT, *IDENTITY, "-O2", *flags]
    # Zig compiles one source at a time.
    for group in [[unit] for unit in units] if name == "zig" else [units]:
        done = subprocess.run(
            [*command, "-c", *group],
            cwd=cwd,
            env={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache, **os.environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_no_header_beyond_those_of_a_bare_machine() -> None:
    for folder in ("core", "engine_aot", "engine_echo", "kernels"):
        for path in (LIB / folder).rglob("*.[ch]*"):
            found = set(re.findall(r"#include <(.*?)>", path.read_text(encoding="ascii")))
            assert found <= HEADERS, path


def test_no_intrinsic_of_the_acle() -> None:
    """GCC 7 lacks arm_acle.h's SIMD: `__sxtb16` and its like end in an undefined reference."""
    for path in LIB.rglob("*.[ch]*"):
        text = path.read_text(encoding="ascii")
        assert "arm_acle" not in re.sub(r"//.*", "", text), path
        assert not re.search(r"\b__(s|u|q|ss|us)\w+(16|8|ad|lad\w*)\s*\(", text), path
