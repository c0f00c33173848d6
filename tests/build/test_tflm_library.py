"""TFLM from a user's folder: which files are taken, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.build.environments import board_engines
from pipeline.build.platformio import (
    build_firmware,
    takes_tflm_folder,
    tflm_runtime,
)
from pipeline.build.tflm_library import (
    VARIABLE,
    build_tflm_library,
    library_sources,
    tflm_folder,
)
from pipeline.device.board import load_board
from pipeline.errors import BuildError, ConfigError, MissingToolError
from pipeline.plan.tflm.runtimes import find_runtime
from pipeline.records import SourceTree

MICRO = "tensorflow/lite/micro"
TAKEN = (
    f"{MICRO}/kernels/cmsis_nn/conv.cc",
    f"{MICRO}/kernels/reshape.cc",
    f"{MICRO}/micro_interpreter.cc",
    "third_party/cmsis_nn/Source/ConvolutionFunctions/arm_convolve_s8.c",
)
LEFT = (
    f"{MICRO}/debug_log.cc",
    f"{MICRO}/examples/hello_world/main.cc",
    f"{MICRO}/kernels/conv.cc",
    f"{MICRO}/kernels/esp_nn/conv.cc",
    f"{MICRO}/kernels/kernel_runner.cc",
    f"{MICRO}/micro_interpreter.h",
    f"{MICRO}/micro_log_test.cc",
    "third_party/cmsis_nn/Source/ConvolutionFunctions/arm_convolve_f16.c",
    "third_party/cmsis_nn/Source/ConvolutionFunctions/arm_convolve_f32.c",
    "third_party/kissfft/kiss_fft.c",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder laid out like TFLM's."""
    for name in (*TAKEN, *LEFT):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path


def test_files_of_the_library(tree: Path) -> None:
    taken = [path.relative_to(tree).as_posix() for path in library_sources(tree)]
    assert taken == sorted(TAKEN)


def test_folder_or_its_src(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tree))
    assert tflm_folder() == tree.resolve()
    library = tree.parent / f"{tree.name}_library"
    library.mkdir()
    tree.rename(library / "src")
    monkeypatch.setenv(VARIABLE, str(library))
    assert tflm_folder() == (library / "src").resolve()


def test_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(MissingToolError, match=r"ESPALIER_TFLM .*Received: nothing\. docs/tflm"):
        tflm_folder()


def test_folder_without_tflm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(ConfigError, match="which has none"):
        tflm_folder()


def test_firmware_without_tflm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    source = SourceTree(root=tmp_path, files=(), digest="0")
    with pytest.raises(MissingToolError, match="engine tflm: expected ESPALIER_TFLM"):
        build_firmware(load_board("mps2_an386"), "tflm", source, tmp_path / "out")


@pytest.mark.needs("cc", "gcc", "ar")
def test_compiles_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.build.tflm_library.cache_path", lambda: tree / ".cache")
    said: list[str] = []
    first = build_tflm_library(tree, "", [], said.append)
    assert said == ["compiling 4 files of TensorFlow Lite Micro once: some minutes"]
    assert first.archive.is_file()
    assert first.includes[0] == tree
    assert build_tflm_library(tree, "", [], said.append) == first
    assert len(said) == 1


@pytest.mark.needs("cc", "gcc", "ar")
def test_file_that_does_not_compile(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.build.tflm_library.cache_path", lambda: tree / ".cache")
    (tree / TAKEN[1]).write_text("no program\n")
    with pytest.raises(BuildError, match=r"expected reshape\.cc to compile"):
        build_tflm_library(tree, "", [], print)
    assert not list((tree / ".cache").rglob("*.a"))


@pytest.mark.parametrize("name", ["mps2_an386"])
def test_snapshot_of_a_board_is_known(name: str) -> None:
    board = load_board(name)
    assert find_runtime(tflm_runtime(board)).word_bytes == 4
    assert takes_tflm_folder(board, "tflm")
    assert not takes_tflm_folder(board, "aot")


def test_board_without_the_engine() -> None:
    board = load_board("host")
    assert "tflm" not in board_engines(board)
    with pytest.raises(ConfigError, match="engine: expected one of"):
        tflm_runtime(board)
