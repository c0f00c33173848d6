"""`espalier deploy` from a file to figures, on every emulator and compiler that is installed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.device.board import load_board
from pipeline.reference import ReferenceModel
from pipeline.stages import plan_model
from tests.command_line import espalier
from tests.e2e import models

TOOLS = {
    "qemu": pytest.mark.needs("qemu-system-arm"),
    "unicorn": pytest.mark.needs("unicorn"),
    "gcc": pytest.mark.needs("arm-none-eabi-gcc"),
    "zig": pytest.mark.needs("ziglang"),
}
WAYS = [
    pytest.param(toolchain, emulator, marks=[TOOLS[toolchain], TOOLS[emulator]])
    for toolchain in ("gcc", "zig")
    for emulator in ("qemu", "unicorn")
]

pytestmark = [pytest.mark.emulator, pytest.mark.slow]


def deploy(*arguments: str) -> int:
    return espalier("-q", "deploy", *arguments)


@pytest.mark.parametrize(("toolchain", "emulator"), WAYS)
def test_a_small_model(toolchain: str, emulator: str, tmp_path: Path) -> None:
    model, figures, outputs = (tmp_path / name for name in ("m.tflite", "m.json", "m.npz"))
    model.write_bytes(models.good())
    arguments = [str(model), "--toolchain", toolchain, "--emulator", emulator]
    arguments += ["--inputs", "random:7:12", "--json", str(figures), "--outputs", str(outputs)]
    assert deploy(*arguments) == 0

    report = json.loads(figures.read_text())
    assert (report["inputs"], report["mismatches"], report["accuracy"]) == (12, 0, None)
    assert (report["emulator"], report["clock"]) == (emulator, "instructions")
    spread = report["instructions_per_inference"]
    assert 0 < spread["min"] <= spread["median"] <= spread["max"]
    estimate = report["estimated_cycles"]
    assert spread["median"] < estimate["min"] <= estimate["median"] <= estimate["max"]
    assert estimate["max"] < 2 * spread["median"]
    layers = report["layers"]
    # Layers are timed by their steps: each has a call of its own, and up to one tick of the clock.
    steps = len(plan_model(model, load_board("mps2_an386")).steps)
    assert (
        0 < sum(layer["estimated_cycles"] for layer in layers) <= estimate["max"] + 2 * 40 * steps
    )
    assert [layer["kind"] for layer in layers] == ["CONV_2D"]
    assert report["model"]["macs"] == sum(layer["macs"] for layer in layers) > 0
    ram, flash = report["ram"], report["flash"]
    assert ram["total_bytes"] == sum(ram[k] for k in ram if k != "total_bytes")
    assert flash["total_bytes"] == sum(flash[k] for k in flash if k != "total_bytes")
    assert flash["weights_bytes"] > 0

    with np.load(outputs) as arrays:
        assert sorted(arrays.files) == ["x", "y"]
        x, y = arrays["x"], arrays["y"]
    expected_x = np.random.default_rng(7).integers(
        -128, 127, size=(12, 8, 8, 3), dtype=np.int8, endpoint=True
    )
    np.testing.assert_array_equal(x, expected_x)
    np.testing.assert_array_equal(y, ReferenceModel(model.read_bytes()).run((x,))[0])


@pytest.mark.parametrize(("toolchain", "emulator"), WAYS)
def test_a_model_of_several_types(toolchain: str, emulator: str, tmp_path: Path) -> None:
    model, figures, outputs = (tmp_path / name for name in ("m.tflite", "m.json", "m.npz"))
    model.write_bytes(models.between_floats())
    arguments = [str(model), "--toolchain", toolchain, "--emulator", emulator]
    arguments += ["--inputs", "random:7:9", "--json", str(figures), "--outputs", str(outputs)]
    assert deploy(*arguments) == 0
    assert json.loads(figures.read_text())["mismatches"] == 0
    with np.load(outputs) as arrays:
        assert sorted(arrays.files) == ["x0", "x1", "y0", "y1", "y2"]
        kept = {name: arrays[name] for name in arrays.files}
    assert [kept[name].dtype.name for name in ("x0", "x1", "y0", "y1", "y2")] == [
        "float32",
        "int8",
        "float32",
        "int64",
        "int8",
    ]
    np.testing.assert_array_equal(kept["y1"], kept["y0"].argmax(axis=1))
    assert len(set(kept["y1"].tolist())) > 1


def test_mismatches_are_status_1_and_everything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(self: ReferenceModel, x: tuple[np.ndarray, ...], step: object = None) -> tuple:
        outputs = reference(self, x)[0].copy()
        outputs[1] += 1
        return (outputs,)

    reference = ReferenceModel.run
    monkeypatch.setattr(ReferenceModel, "run", wrong)
    model, figures, outputs = (tmp_path / name for name in ("m.tflite", "m.json", "m.npz"))
    model.write_bytes(models.good())
    status = deploy(str(model), "--json", str(figures), "--outputs", str(outputs))
    assert status == 1
    assert json.loads(figures.read_text())["mismatches"] == 1
    assert outputs.exists()
    captured = capsys.readouterr()
    assert "1 of 5 outputs differ" in captured.out
    assert "error: 1 of 5 outputs of m" in captured.err


def test_nothing_is_left_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.tflite").write_bytes(models.good())
    monkeypatch.chdir(tmp_path)
    assert deploy("m.tflite", "--inputs", "random:1:1", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["model"]["name"] == "m"
    assert [path.name for path in tmp_path.iterdir()] == ["m.tflite"]


def test_the_host_runs_the_same_firmware(tmp_path: Path) -> None:
    model, figures = tmp_path / "m.tflite", tmp_path / "m.json"
    model.write_bytes(models.good())
    assert deploy(str(model), "--board", "host", "--json", str(figures)) == 0
    report = json.loads(figures.read_text())
    assert (report["clock"], report["mismatches"]) == ("host", 0)
    assert report["host_ticks_per_inference"]["min"] >= 0
    assert report["estimated_cycles"] is None
