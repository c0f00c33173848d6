"""`espalier quantize MODEL` on a tiny model: files, reports and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline import cli
from pipeline.artifacts import RunFolder
from pipeline.data import Dataset, Split
from pipeline.device.board import load_board
from pipeline.errors import ConfigError
from pipeline.quantize import quantize_model
from pipeline.quantize.evaluate import predicted_classes
from pipeline.reference import ReferenceModel
from pipeline.report.progress import Reporter
from pipeline.stages.deployment import Request, quantized_model
from pipeline.stages.firmware import Stages, Target
from pipeline.stages.quantizing import quantize_by_default
from pipeline.stages.subjects import calibration_samples
from pipeline.stages.variants import choose
from tests.quantize.networks import pictures, separable_model

QUIET = Reporter(quiet=True)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.keras, data.npz, other.npz (of another shape) and model.tflite."""
    folder = tmp_path_factory.mktemp("subject")
    model = separable_model()
    model.save(folder / "model.keras")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (120, 8, 8, 3)).astype(np.uint8)
    np.savez(folder / "data.npz", x=x, y=np.arange(120) % 3)
    np.savez(
        folder / "other.npz", x=rng.normal(size=(120, 7)).astype(np.float32), y=np.arange(120) % 3
    )
    (folder / "model.tflite").write_bytes(quantize_model(model, pictures()))
    return folder


def quantize(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(["quantize", *map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_a_model_becomes_a_tflite_with_uint8_edges_and_a_report(
    subject: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "q.tflite", tmp_path / "q.json"
    status = quantize(
        *(subject / "model.keras", "--data", subject / "data.npz", "--out", out),
        *("--json", report, "--layers", "--calibration", "mse", "--equalize", "--correct-bias"),
        *("--input-type", "uint8", "--output-type", "uint8", "--samples", "40"),
    )
    assert status == 0
    assert ReferenceModel(out.read_bytes()).input_dtype == np.uint8
    facts = json.loads(report.read_text())
    assert facts["calibration_samples"] == 40
    assert facts["tflite_bytes"] == out.stat().st_size
    assert facts["settings"]["ptq"] == {
        "calibration": "mse",
        "equalize": True,
        "correct_bias": True,
    }
    assert {layer["kind"] for layer in facts["layers"]} >= {"CONV_2D", "DEPTHWISE_CONV_2D"}
    assert facts["advice"]
    captured = capsys.readouterr()
    assert facts["advice"][:20] in captured.out
    assert "only 40 samples calibrate" in captured.err


def test_every_way_in_one_table(
    subject: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "q.tflite", tmp_path / "q.json"
    model, data = subject / "model.keras", subject / "data.npz"
    assert quantize(model, "--data", data, "--compare", "--out", out, "--json", report) == 0
    facts = json.loads(report.read_text())
    assert len(facts["variants"]) == 16
    assert facts["chosen"] in {row["label"] for row in facts["variants"]}
    for row in facts["variants"]:
        for side in ("validation", "test"):
            assert set(row[side]) == {"samples", "plain", "balanced", "flipped", "sqnr_db"}
    assert out.is_file()
    assert "equalized, bias corrected" in capsys.readouterr().out


def deployed(model: Path, data: Path, folder: Path) -> bytes:
    """The .tflite that `espalier deploy` makes of a Keras model."""
    request = Request(model=model, inputs="", data=str(data), work=folder, command="test")
    run_folder = RunFolder(folder)
    with run_folder.open():
        target = Target(board=load_board("host"))
        return quantized_model(request, Stages(run_folder, target, QUIET, command="")).read_bytes()


def test_deploying_quantizes_as_quantizing_does(subject: Path, tmp_path: Path) -> None:
    model, data, out = subject / "model.keras", subject / "data.npz", tmp_path / "q.tflite"
    assert quantize(model, "--data", data, "--out", out) == 0
    assert deployed(model, data, tmp_path / "work") == out.read_bytes()


def test_deploying_takes_outputs_that_are_no_scores(subject: Path, tmp_path: Path) -> None:
    import keras

    model, path = separable_model(), tmp_path / "map.keras"
    keras.Model(model.inputs, model.get_layer("pool").output).save(path)
    tflite = deployed(path, subject / "data.npz", tmp_path / "work")
    assert ReferenceModel(tflite).output_quantization[0] > 0


def test_deploying_refuses_too_few_samples(subject: Path, tmp_path: Path) -> None:
    data = tmp_path / "few.npz"
    x = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3)).astype(np.uint8)
    np.savez(data, x=x, y=np.arange(12) % 3)
    with pytest.raises(ConfigError, match="at least 10 training samples"):
        deployed(subject / "model.keras", data, tmp_path / "work")


@pytest.mark.needs("tf_keras", "tensorflow_model_optimization")
def test_training_that_does_no_better_leaves_the_calibrated_model(
    subject: Path, tmp_path: Path
) -> None:
    model, data, out = subject / "model.keras", subject / "data.npz", tmp_path / "q.tflite"
    arguments = [model, "--data", data, "--out", out, "--json", tmp_path / "q.json"]
    # A rate of which nothing can come.
    extra = ["--method", "qat", "--epochs", "1", "--learning-rate", "1e-9"]
    assert quantize(*arguments, *extra) == 0
    facts = json.loads((tmp_path / "q.json").read_text())
    balanced = facts["qat"]["validation"]
    assert facts["qat"]["kept"] == max(balanced, key=balanced.get)
    assert set(balanced) == {"ptq", "equalized", "qat"}
    if facts["qat"]["kept"] == "ptq":
        assert out.read_bytes() == quantize_by_default(model, str(data), QUIET)


REFUSED = {
    "no data": (["model.keras", "--out", "q.tflite"], 2, "no --data"),
    "nothing to write": (["model.keras", "--data", "data.npz"], 2, "--layers or --compare"),
    "no .tflite": (["model.keras", "--data", "data.npz", "--out", "q.keras"], 2, ".tflite file"),
    "another shape": (
        ["model.keras", "--data", "other.npz", "--out", "q.tflite"],
        2,
        "input shape [8, 8, 3]. Received: [7]",
    ),
    "quantized already": (
        ["model.tflite", "--data", "data.npz", "--out", "q.tflite"],
        2,
        "quantized already; it takes --flash",
    ),
    "too few samples": (
        ["model.keras", "--data", "data.npz", "--out", "q.tflite", "--samples", "4"],
        2,
        "at least 10 training samples. Received: 4 of 120",
    ),
    "a choice besides all": (
        ["model.keras", "--data", "data.npz", "--compare", "--calibration", "mse"],
        2,
        "--compare tries every way itself",
    ),
    "a key of runs": (
        ["model.keras", "--data", "data.npz", "--out", "q.tflite", "--set", "quantize.samples=3"],
        2,
        "--set goes only with a CONFIG",
    ),
    "an option of models": (["run.toml", "--method", "ptq"], 2, "--set quantize.KEY=VALUE"),
}


@pytest.mark.parametrize(("arguments", "status", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_makes_no_sense_is_refused_in_words(
    arguments: list[str],
    status: int,
    words: str,
    subject: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(subject)
    assert quantize(*arguments) == status
    assert words in capsys.readouterr().err


def labelled(x: np.ndarray, y: np.ndarray) -> tuple[Dataset, Split]:
    dataset = Dataset(
        spec="made up",
        class_names=("a", "b"),
        ids=tuple(map(str, range(len(x)))),
        x=x,
        y=y,
        keys=np.arange(len(x), dtype=np.uint64),
    )
    train = np.arange(len(x))
    return dataset, Split(
        train=train, val=train, test=train, num_groups=1, largest_group=1, left_out=0
    )


def test_samples_all_alike_are_refused() -> None:
    samples = labelled(np.full((20, 4), 7, np.uint8), np.arange(20) % 2)
    with pytest.raises(ConfigError, match="samples that differ. Received: 20 times the same"):
        calibration_samples(samples, 20, 0, QUIET)


def test_a_class_without_samples_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 4)).astype(np.uint8)
    calibration_samples(labelled(x, np.zeros(60, np.int64)), 60, 0, Reporter())
    assert "no sample of b calibrates" in capsys.readouterr().err


def variant(label: str, balanced: float, sqnr_db: float) -> dict[str, object]:
    side = {"samples": 100, "plain": balanced, "balanced": balanced, "flipped": 1}
    test = {**side, "balanced": 1 - balanced, "sqnr_db": -sqnr_db}
    return {"label": label, "validation": {**side, "sqnr_db": sqnr_db}, "test": test}


def test_the_closest_within_noise_is_chosen_and_test_samples_do_not_count() -> None:
    assert choose([variant("close", 0.89, 30), variant("better", 0.90, 20)])["label"] == "close"
    assert choose([variant("close", 0.80, 30), variant("better", 0.90, 20)])["label"] == "better"
    assert choose([variant("simple", 0.9, 30), variant("other", 0.9, 30)])["label"] == "simple"


def test_outputs_that_are_no_scores_are_refused(
    subject: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    model = separable_model()
    keras.Model(model.inputs, model.get_layer("pool").output).save(tmp_path / "map.keras")
    data = subject / "data.npz"
    assert quantize(tmp_path / "map.keras", "--data", data, "--out", tmp_path / "q.tflite") == 6
    assert "outputs of shape [4, 4, 6]" in capsys.readouterr().err


def test_a_single_score_decides_between_two_classes() -> None:
    scores = np.array([[0.2], [0.7]], np.float32)
    assert predicted_classes(scores).tolist() == [0, 1]
