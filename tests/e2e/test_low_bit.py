"""Weights of four bits on emulated boards: budgets of real images, and outputs that agree."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipeline import stages
from pipeline.device.board import load_board
from pipeline.errors import DoesNotFitError
from pipeline.report.progress import Reporter
from pipeline.stages.lowering import lower_file, lower_model
from tests.ops.test_int4 import MODELS
from tests.quantize.low_bit.images import network, samples
from tests.shared import shared_path, unpack

QUIET = Reporter(quiet=True)
BOARD = "mps2_an386"

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.needs("arm-none-eabi-gcc", "qemu-system-arm"),
]


def deployed(
    model: Path, board: str = BOARD, emulator: str = "qemu", toolchain: str = "gcc"
) -> stages.Deployment:
    target = stages.Target(board=load_board(board), emulator=emulator, toolchain=toolchain)
    request = stages.Request(model=model, inputs="random:3:6", command="espalier deploy")
    return stages.deploy(request, target, QUIET)


@pytest.mark.parametrize("case", ["conv_2d-deep", "fully_connected-chunks"])
@pytest.mark.parametrize(
    ("board", "emulator", "toolchain"),
    [
        (BOARD, "qemu", "gcc"),
        pytest.param(BOARD, "unicorn", "gcc", marks=pytest.mark.needs("unicorn")),
        pytest.param(BOARD, "qemu", "zig", marks=pytest.mark.needs("ziglang")),
        pytest.param("nrf52840", "unicorn", "gcc", marks=pytest.mark.needs("unicorn")),
        ("host", "host", "auto"),
    ],
)
def test_kernels_agree_with_the_reference(
    case: str, board: str, emulator: str, toolchain: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(MODELS[case])
    assert deployed(path, board, emulator, toolchain).report["mismatches"] == 0


def test_a_budget_holds_in_the_real_image(tmp_path: Path) -> None:
    board = load_board(BOARD)
    whole = lower_model(network(), samples(), board=board, flash_bytes=None, reporter=QUIET)
    budget = (whole.flash_bytes + whole.flash_bytes_before) // 2
    result = lower_model(network(), samples(), board=board, flash_bytes=budget, reporter=QUIET)
    assert {layer.bits for layer in result.layers} == {4, 8}
    path = tmp_path / "mixed.tflite"
    path.write_bytes(result.tflite)
    report = deployed(path).report
    assert report["mismatches"] == 0
    # To within the image's alignment.
    assert report["flash"]["total_bytes"] <= budget
    assert abs(report["flash"]["total_bytes"] - result.flash_bytes) < 16
    with pytest.raises(DoesNotFitError, match="is the smallest that four bits reach"):
        lower_model(
            network(),
            samples(),
            board=board,
            flash_bytes=whole.flash_bytes - 1,
            reporter=QUIET,
        )


def test_an_image_too_large_for_its_board_is_measured_elsewhere() -> None:
    board = dataclasses.replace(load_board(BOARD), flash_bytes=12_000)
    result = lower_model(network(), samples(), board=board, flash_bytes=None, reporter=QUIET)
    assert result.flash_bytes < result.flash_bytes_before


def test_keywords_keep_their_accuracy(tmp_path: Path) -> None:
    unpack(shared_path("data/mlperf_tiny_kws01.tar.gz"), tmp_path)
    (labels,) = tmp_path.rglob("y_labels.csv")
    report = lower_file(
        shared_path("models/kws_ref_model.tflite"),
        tmp_path / "out.tflite",
        data=str(labels.parent),
        board=load_board(BOARD),
        flash_bytes=None,
        reporter=QUIET,
    )
    assert report["accuracy_before"] == 0.901
    assert report["accuracy"] >= 0.89
    # Weights fall from 32,480 B to 22,720.
    assert report["flash_bytes"] <= report["flash_bytes_before"] - 9_000
    assert deployed(tmp_path / "out.tflite").report["mismatches"] == 0
