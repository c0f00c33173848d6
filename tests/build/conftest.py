"""Boards, compilers and small models for the tests of building."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.codegen.render import generate
from pipeline.device.board import load_board
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import read_graph
from pipeline.records import Board, KernelTarget, SourceTree
from tests.desk import platformio, plugged
from tests.one_op import fully_connected, single

__all__ = ["platformio", "plugged"]


@pytest.fixture(scope="session")
def board() -> Board:
    return load_board("mps2_an386")


@pytest.fixture(scope="session")
def no_model(tmp_path_factory: pytest.TempPathFactory) -> SourceTree:
    """What the echo engine is built with."""
    return SourceTree(root=tmp_path_factory.mktemp("no-model"), files=(), digest="")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> SourceTree:
    """The generated sources of one fully connected layer, 64 to 10."""
    folder = tmp_path_factory.mktemp("model")
    path = folder / "dense.tflite"
    path.write_bytes(single(fully_connected, (1, 64), (1 / 128, 0), outputs=10))
    return generate(
        make_plan(read_graph(path), KernelTarget.PORTABLE),
        folder / "generate",
        command="espalier generate",
    )


@pytest.fixture(params=["gcc", "zig"])
def toolchain(request: pytest.FixtureRequest) -> str:
    """Each compiler for bare-metal Arm; GCC skips where it is absent, as the mark `needs` does."""
    gcc = "arm-none-eabi-gcc"
    if request.param == "gcc" and shutil.which(gcc) is None:
        if gcc in request.config.getoption("--require"):
            pytest.fail(f"{gcc} is required (--require {gcc}) and not installed")
        pytest.skip(f"{gcc} is not installed")
    return str(request.param)


def copy_tree(source: SourceTree, root: Path) -> SourceTree:
    """The same sources in another folder."""
    shutil.copytree(source.root, root)
    return SourceTree(root=root, files=source.files, digest=source.digest)
