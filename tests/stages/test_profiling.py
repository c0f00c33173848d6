"""Profiles of files and builders, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.device.board import load_board
from pipeline.errors import ConfigError
from pipeline.report.progress import Reporter
from pipeline.stages import Shape, plan_model, profile
from tests.small_models import residual_network

QUIET = Reporter(quiet=True)


def test_a_tflite_is_planned_as_it_is_deployed(tmp_path: Path) -> None:
    path, board = tmp_path / "residual.tflite", load_board("nano33")
    path.write_bytes(residual_network())
    report = profile(str(path), Shape(), board, QUIET)
    plan = plan_model(path, board)
    assert report["arena_bytes"] == plan.arena_bytes
    assert report["weights_bytes"] == plan.weights_bytes
    assert report["model"]["macs"] == plan.macs
    assert report["estimated"]["flash_bytes"] > plan.weights_bytes
    assert report["model"]["weights"] == "its own"


def test_a_tflite_needs_no_tensorflow(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = tmp_path / "residual.tflite"
    path.write_bytes(residual_network())
    script = (
        "import sys\n"
        "from pipeline.device.board import load_board\n"
        "from pipeline.report.progress import Reporter\n"
        "from pipeline.stages import Shape, profile\n"
        f"profile({str(path)!r}, Shape(), load_board('nano33'), Reporter(quiet=True))\n"
        "assert not {'tensorflow', 'keras', 'scipy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.slow  # it imports TensorFlow and converts
def test_an_untrained_architecture_is_profiled_in_its_shapes() -> None:
    shape = Shape(size=(12, 8), channels=1, classes=4)
    report = profile("ds_cnn", shape, load_board("nano33"), QUIET)
    assert report["model"]["kind"] == "builder"
    assert report["model"]["input_shapes"] == [[12, 8, 1]]
    assert report["model"]["weights"] == "random stand-ins"
    assert report["layers"][-1]["output_shape"] == [1, 4]
    assert report["estimated"]["latency_ms"] > 0


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        ("mobilnet_v2", Shape(), "Did you mean 'mobilenet_v2'"),
        ("model.onnx", Shape(), r"expected a \.tflite, a \.keras or \.h5, or a builder"),
        ("none.tflite", Shape(), r"expected a \.tflite file. Received: nothing of that name"),
        ("none.tflite", Shape(alpha=0.5), "expected a builder"),
        ("autoencoder", Shape(classes=3), "mean nothing to it"),
        ("resnet8", Shape(alpha=0.5), "no width multiplier"),
    ],
)
def test_what_cannot_be_profiled_is_named(model: str, shape: Shape, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        profile(model, shape, load_board("nano33"), QUIET)
