"""`espalier prune` from a file to a file, and on to the emulated board."""

from __future__ import annotations

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from tests.command_line import espalier
from tests.prune.models import detector


def run(*arguments: str) -> int:
    return espalier("-q", *arguments)


def message_of(captured: str) -> str:
    assert captured.count("error: ") == 1, captured
    return " ".join(captured[captured.index("error: ") :].split())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with model.keras."""
    detector().save(tmp_path / "model.keras")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_weights_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["prune", "model.keras", "--ratio", "0.5", "--seed", "7", "--ignore", "last"]
    assert run(*arguments, "--out", "small.keras", "--json", "small.json") == 0
    table = capsys.readouterr().out
    report = json.loads((folder / "small.json").read_text())
    small = keras.models.load_model(folder / "small.keras")
    model = keras.models.load_model(folder / "model.keras")
    assert report["before"]["params"] == sum(w.shape.num_elements() for w in model.weights)
    assert report["after"]["params"] == sum(w.shape.num_elements() for w in small.weights)
    assert report["after"]["macs"] < report["before"]["macs"]
    assert report["after"]["peak_activation_bytes"] < report["before"]["peak_activation_bytes"]
    assert report["before"]["accuracy"] is report["after"]["accuracy"] is None
    assert report["max_abs_difference"] < 1e-5
    assert (report["seed"], report["method"], report["deployed"]) == (7, "l1", None)
    groups = {group["name"]: group for group in report["groups"]}
    assert sorted(groups) == ["expand", "stem"]
    assert groups["stem"]["channels"] == 8
    assert len(groups["stem"]["kept"]) == 4
    member = {"layer": "stem", "weight": "kernel", "axis": 3}
    assert member in groups["stem"]["members"]
    kept = groups["expand"]["kept"]
    np.testing.assert_array_equal(
        small.get_layer("expand_bn").gamma, np.asarray(model.get_layer("expand_bn").gamma)[kept]
    )
    assert {"layer": "last", "reason": "ignored"} in report["locked"]
    for words in ("before", "after", "left", "stem and", "kept whole", "ignored", "model output"):
        assert words in table
    assert sorted(path.name for path in folder.iterdir()) == [
        "model.keras",
        "small.json",
        "small.keras",
    ]


def test_data_gives_accuracies_and_fine_tuning(folder: Path) -> None:
    arguments = ["prune", "model.keras", "--keep-params", "0.7", "--data", "synthetic:80"]
    assert run(*arguments, "--epochs", "1", "--out", "small.keras", "--json", "small.json") == 0
    report = json.loads((folder / "small.json").read_text())
    for side in ("before", "after"):
        for key in ("accuracy", "balanced_accuracy", "average_precision"):
            assert 0 <= report[side][key] <= 1
    assert report["after"]["params"] <= 0.7 * report["before"]["params"]
    # Fine-tuning has changed the weights that the proof was made of.
    small = keras.models.load_model(folder / "small.keras")
    kept = {group["name"]: group["kept"] for group in report["groups"]}["stem"]
    stem = keras.models.load_model(folder / "model.keras").get_layer("stem").get_weights()[0]
    assert not np.array_equal(small.get_layer("stem").get_weights()[0], stem[..., kept])


METHODS = {
    "fpgm": ["--ratio", "0.5"],
    "lamp": ["--ratio", "0.5", "--scope", "global"],
    "random": ["--ratio", "0.5", "--scope", "isomorphic"],
    "bn-scale": ["--ratio", "0.5"],
    "l2": ["--keep-params", "0.6", "--batch-norm", "fold"],
    "l1": ["--budget", "params=600,macs=30k"],
    "blockwise": ["--budget", "macs=40k", "--set", "weights={macs=2, params=1}"],
    "magnitude": ["--keep-params", "0.6", "--set", "iterations=2"],
    "iterative": ["--ratio", "0.5", "--criterion", "l2", "--set", "iterations=2"],
    "multistage": ["--ratio", "0.5", "--epochs", "0", "--set", "ramp_epochs=0"],
    "slimming": ["--ratio", "0.5"],
    "l1-filter": ["--ratio", "0.5", "--set", "strategy=greedy"],
    "magnitude-unstructured": ["--set", "sparsity=0.5"],
    "combined": ["--ratio", "0.5", "--set", "sparsity=0.5"],
}


@pytest.mark.parametrize(("method", "options"), METHODS.items(), ids=METHODS.keys())
def test_every_method_has_its_name(method: str, options: list[str], folder: Path) -> None:
    arguments = ["prune", "model.keras", "--method", method, *options, "--round-to", "1"]
    assert run(*arguments, "--out", "small.keras", "--json", "small.json") == 0
    report = json.loads((folder / "small.json").read_text())
    unstructured = method == "magnitude-unstructured"
    assert (report["after"]["macs"] < report["before"]["macs"]) != unstructured
    model, small = (keras.models.load_model(f"{name}.keras") for name in ("model", "small"))
    for group in report["groups"]:
        # In channels of the model before, however many steps there were.
        assert group["channels"] == model.get_layer(group["name"]).get_weights()[0].shape[-1]
        layer = small.get_layer(group["name"])
        assert layer.get_weights()[0].shape[-1] == len(group["kept"])


WRONG = {
    "unknown method": (["--method", "slimmin"], 2, "Received: 'slimmin'. Did you mean 'slimming'?"),
    "unknown criterion": (
        ["--method", "blockwise", "--criterion", "fpmg"],
        2,
        "Received: 'fpmg'. Did you mean 'fpgm'",
    ),
    "two criteria": (["--method", "l1", "--criterion", "l2"], 2, "Give --method l2 alone"),
    "nothing goes": ([], 2, "which say how much goes"),
    "two ways": (["--ratio", "0.5", "--keep-params", "0.5"], 2, "ratio and keep_params"),
    "a ratio that empties": (["--ratio", "1"], 2, "1 empties a layer. Received: 1.0"),
    "no ratio": (["--ratio", "-0.1"], 2, "[0, 1)"),
    "Taylor without data": (["--method", "taylor", "--ratio", "0.5"], 2, "Give --data"),
    "unknown layer": (
        ["--ratio", "0.5", "--ignore", "stemm"],
        2,
        "Received: 'stemm'. Did you mean 'stem'?",
    ),
    "unknown scope": (["--ratio", "0.5", "--scope", "locl"], 2, "scope: expected one of local"),
    "no budget": (["--budget", "rom=3"], 2, "Received: 'rom=3'"),
    "impossible budget": (["--budget", "params=10"], 7, "params=10 parameters: at least"),
    "fine-tuning without data": (["--ratio", "0.5", "--epochs", "3"], 2, "Give --data"),
    "a floor without data": (["--accuracy-floor", "0.5"], 2, "Give --data"),
    "no floor": (["--accuracy-floor", "2"], 2, "share in (0, 1]. Received: 2"),
    "an unknown option": (
        ["--method", "multistage", "--ratio", "0.5", "--set", "stage=2"],
        2,
        "'stage=2'. Did you mean 'stages'?",
    ),
    "an option of another type": (
        ["--method", "multistage", "--ratio", "0.5", "--set", "stages=two"],
        2,
        "option stages must be a whole number",
    ),
    "weights that are no table": (
        ["--method", "blockwise", "--set", "weights=3"],
        2,
        "option weights must be a table such as {params=1, macs=2}",
    ),
    "no options": (["--ratio", "0.5", "--set", "k=2"], 2, "It has none"),
    "no sparsity": (["--method", "magnitude-unstructured"], 2, "expected sparsity"),
    "a ratio for weights": (
        ["--method", "magnitude-unstructured", "--set", "sparsity=0.5", "--ratio", "0.5"],
        2,
        "does not take ratio",
    ),
    "a budget for a method": (
        ["--method", "slimming", "--budget", "params=3k"],
        2,
        "follows budgets of nothing",
    ),
    "a criterion for a method": (
        ["--method", "slimming", "--ratio", "0.5", "--criterion", "l2"],
        2,
        "has a criterion of its own",
    ),
    "unknown board": (["--board", "mps2_an358"], 2, "Did you mean 'mps2_an386'?"),
    "no .keras": (["--ratio", "0.5", "--out", "small.h5"], 2, "expected a .keras file"),
    "no data": (["--ratio", "0.5", "--data", "nowhere"], 2, "nowhere"),
}


@pytest.mark.parametrize(("options", "status", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named_and_nothing_is_written(
    options: list[str],
    status: int,
    words: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = [] if "--out" in options else ["--out", "small.keras"]
    assert run("prune", "model.keras", *options, *out) == status
    assert words in message_of(capsys.readouterr().err)
    assert [path.name for path in folder.iterdir()] == ["model.keras"]


def test_data_of_too_many_classes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (60, 16, 16, 3)).astype(np.uint8)
    np.savez(folder / "data.npz", x=x, y=np.arange(60) % 3)
    arguments = ["prune", "model.keras", "--ratio", "0.5", "--out", "small.keras"]
    assert run(*arguments, "--data", "data.npz") == 2
    assert "at most 2 classes" in message_of(capsys.readouterr().err)


def test_channels_first_says_how_to_convert(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = keras.Input((3, 16, 16))
    x = layers.Conv2D(8, 3, data_format="channels_first", name="stem")(inputs)
    x = layers.GlobalAveragePooling2D(data_format="channels_first")(x)
    keras.Model(inputs, layers.Dense(2)(x)).save(folder / "first.keras")
    assert run("prune", "first.keras", "--ratio", "0.5", "--out", "small.keras") == 6
    message = message_of(capsys.readouterr().err)
    assert "'stem': expected data_format 'channels_last'" in message
    assert "set_image_data_format" in message


def test_a_lambda_is_refused_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = keras.Input((16,))
    x = layers.Lambda(lambda t: t * 2, name="twice")(layers.Dense(8)(inputs))
    keras.Model(inputs, layers.Dense(2)(x)).save(folder / "lambda.keras")
    assert run("prune", "lambda.keras", "--ratio", "0.5", "--out", "small.keras") == 6
    assert "Lambda layer" in message_of(capsys.readouterr().err)


def test_a_rescaling_model_sees_pixels_and_keeps_its_layer(folder: Path) -> None:
    inner = detector()
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 127.5, -1.0, name="rescaling")(inputs)
    for layer in inner.layers[1:4]:
        x = layer(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2, name="logits")(x))
    model.save(folder / "pixels.keras")
    arguments = ["prune", "pixels.keras", "--ratio", "0.5", "--data", "synthetic:80"]
    assert run(*arguments, "--epochs", "1", "--out", "small.keras", "--json", "s.json") == 0
    small = keras.models.load_model(folder / "small.keras")
    assert [layer.name for layer in small.layers] == [layer.name for layer in model.layers]
    assert small.get_layer("stem").filters == 4
    assert json.loads((folder / "s.json").read_text())["after"]["accuracy"] is not None


@pytest.mark.slow
@pytest.mark.emulator
def test_the_command_line_writes_the_model_and_says_that_it_does_not_fit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = keras.Input((128, 128, 3))
    x = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu", name="stem")(inputs)
    # No stream of rows goes through it: all of them have to be there.
    x = layers.Flatten()(x)
    keras.Model(inputs, layers.Dense(2, name="head")(x)).save(folder / "large.keras")
    arguments = ["prune", "large.keras", "--board", "mps2_an386", "--out", "small.keras"]
    assert run(*arguments, "--ratio", "0.1") == 7
    captured = capsys.readouterr()
    assert re.search(r"fits +no: ", captured.out)
    assert "does not fit" in message_of(captured.err)
    assert (folder / "small.keras").exists()
    assert run(*arguments, "--ratio", "0.9", "--json", "small.json") == 0
    assert "built and run" in capsys.readouterr().out
    deployed = json.loads((folder / "small.json").read_text())["deployed"]
    assert (deployed["fits"], deployed["measured"]) == (True, True)


@pytest.mark.slow
@pytest.mark.emulator
def test_a_pruned_model_is_deployed_without_a_mismatch(folder: Path) -> None:
    arguments = ["prune", "model.keras", "--budget", "ram=24KiB,flash=20KiB"]
    assert run(*arguments, "--out", "small.keras", "--json", "small.json") == 0
    deployed = json.loads((folder / "small.json").read_text())["deployed"]
    assert deployed["measured"]
    arguments = ["deploy", "small.keras", "--data", "synthetic:60", "--inputs", "random:1:20"]
    assert run(*arguments, "--json", "deployed.json") == 0
    report = json.loads((folder / "deployed.json").read_text())
    assert report["mismatches"] == 0
    assert report["flash"]["weights_bytes"] <= deployed["weights_bytes"] + 16
    assert report["ram"]["total_bytes"] <= 24 * 1024
    assert report["flash"]["total_bytes"] <= 20 * 1024
