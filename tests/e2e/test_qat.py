"""Pruned, trained with int8 in it, and deployed: emulated boards give the reference's bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.device.board import load_board
from pipeline.prune.prune import prune_once
from pipeline.quantize.qat import QatOptions, train_quantized
from pipeline.report.progress import Reporter
from pipeline.stages import Request, Target, deploy
from tests.quantize.qat.models import coloured, small_classifier

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.needs("unicorn", "tf_keras", "tensorflow_model_optimization"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pruned = prune_once(small_classifier(), criterion="l1", ratio=0.4).model
    result = train_quantized(
        pruned,
        coloured(64),
        coloured(32, seed=1),
        QatOptions(epochs=1, calibration_samples=30, learning_rate=0.01),
    )
    path = tmp_path_factory.mktemp("qat") / "qat.tflite"
    path.write_bytes(result.tflite)
    return path


@pytest.mark.parametrize("board", ["mps2_an386", "nrf52840"])
def test_a_pruned_and_trained_model_has_no_mismatch(board: str, model: Path) -> None:
    target = Target(board=load_board(board), toolchain="auto", emulator="unicorn")
    request = Request(model=model, inputs="random:8:1", command="espalier deploy qat.tflite")
    report: dict[str, Any] = dict(deploy(request, target, Reporter(quiet=True)).report)
    assert report["mismatches"] == 0
