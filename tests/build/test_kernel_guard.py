"""The kernel guard: images with and without the kernels that they should have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.build.kernel_guard import check_kernels, function_names, missing_kernels
from pipeline.device.board import load_board
from pipeline.errors import BuildError
from pipeline.paths import cache_path
from pipeline.records import KernelGuard, OpKind

BOARD = load_board("mps2_an386")
CONV = KernelGuard(kind=OpKind.CONV_2D, library="CMSIS-NN", symbol_prefix="arm_convolve")
ADD = KernelGuard(kind=OpKind.ADD, library="CMSIS-NN", symbol_prefix="arm_elementwise_add_s8")
ESP = KernelGuard(kind=OpKind.CONV_2D, library="ESP-NN", symbol_prefix="esp_nn_conv_s8")


def image(folder: Path, *functions: str, strip: bool = False) -> Path:
    """An ELF file that defines some functions, and refers to another."""
    source = folder / "image.c"
    names = "\n".join(f"int {name}(void) {{ return arm_elsewhere(); }}" for name in functions)
    source.write_text(f"int arm_elsewhere(void);\n{names}\n")
    path = folder / "image.elf"
    caches = {f"ZIG_{scope}_CACHE_DIR": str(cache_path() / "zig") for scope in ("GLOBAL", "LOCAL")}
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "thumb-freestanding-eabi", "-r"]
    command += ["-nostdlib", "-g0", *(["-s"] if strip else []), str(source), "-o", str(path)]
    subprocess.run(command, check=True, env=os.environ | caches)
    return path


def test_names_of_defined_functions(tmp_path: Path) -> None:
    path = image(tmp_path, "arm_convolve_s8", "main_loop")
    assert set(function_names(path)) == {"arm_convolve_s8", "main_loop"}


def test_kernels_that_are_there_pass(tmp_path: Path) -> None:
    check_kernels(image(tmp_path, "arm_convolve_1x1_s8_fast"), BOARD, [CONV])


def test_reference_kernels_fail_with_operator_and_way_out(tmp_path: Path) -> None:
    path = image(tmp_path, "arm_elementwise_add_s8", "_ZN6tflite13reference_ops4ConvEv")
    with pytest.raises(
        BuildError,
        match=r"expected kernels of CMSIS-NN for CONV_2D\. .*without arm_convolve.*--engine aot",
    ):
        check_kernels(path, BOARD, [CONV, ADD])


def test_a_reference_to_a_kernel_is_none(tmp_path: Path) -> None:
    elsewhere = KernelGuard(kind=OpKind.ADD, library="CMSIS-NN", symbol_prefix="arm_elsewhere")
    with pytest.raises(BuildError, match="for ADD"):
        check_kernels(image(tmp_path, "main_loop"), BOARD, [elsewhere])


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        pytest.param(("esp_nn_conv_s8_opt",), (), id="optimised"),
        pytest.param(("esp_nn_depthwise_conv_s8_opt",), (ESP,), id="another kernel"),
        pytest.param((), (ESP,), id="nothing"),
    ],
)
def test_esp_nn(names: tuple[str, ...], missing: tuple[KernelGuard, ...]) -> None:
    assert missing_kernels(names, [ESP]) == missing


def test_no_guards_look_at_nothing(tmp_path: Path) -> None:
    check_kernels(tmp_path / "none.elf", BOARD, [])


def test_no_elf_file(tmp_path: Path) -> None:
    path = tmp_path / "text.elf"
    path.write_text("text")
    with pytest.raises(BuildError, match="expected a linked firmware in ELF format"):
        check_kernels(path, BOARD, [CONV])


def test_no_symbols(tmp_path: Path) -> None:
    empty = tmp_path / "empty.c"
    empty.write_text("")
    path = image(tmp_path)
    with pytest.raises(BuildError, match="Link without stripping"):
        check_kernels(path, BOARD, [CONV])
