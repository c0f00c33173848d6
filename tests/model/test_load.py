import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.model import load_initial, load_model, save_model
from pipeline.quiet import import_tensorflow
from pipeline.samples import DEFAULT_SCALING, InputScaling, to_model_input
from tests.shared import shared_path

import_tensorflow()


def small_model(*front: Any, classes: int = 3, activation: str | None = "softmax") -> Any:
    import keras

    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            *front,
            keras.layers.Conv2D(4, 3, strides=2, padding="same", name="conv"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(classes, activation=activation, name="head"),
        ]
    )


def pixels(count: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_files_of_keras_3_load(tmp_path: Path, suffix: str) -> None:
    model = small_model()
    model.save(tmp_path / f"m{suffix}")
    loaded = load_model(tmp_path / f"m{suffix}")
    x = to_model_input(pixels(2))
    assert np.asarray(loaded.model(x)) == pytest.approx(np.asarray(model(x)), abs=1e-6)
    assert loaded.scaling == DEFAULT_SCALING
    assert loaded.notes == ()


@pytest.mark.parametrize(("scale", "offset"), [(1 / 255, 0.0), (1 / 127.5, -1.0), (1.0, 0.0)])
def test_a_rescaling_layer_becomes_the_inputs_range(
    tmp_path: Path, scale: float, offset: float
) -> None:
    import keras

    model = small_model(keras.layers.Rescaling(scale, offset))
    model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    assert loaded.scaling == InputScaling(scale=scale, offset=offset)
    assert not any(isinstance(layer, keras.layers.Rescaling) for layer in loaded.model.layers)
    x = pixels(2)
    expected = np.asarray(model(x.astype(np.float32)))
    scores = np.asarray(loaded.model(to_model_input(x, loaded.scaling)))
    assert scores == pytest.approx(expected, abs=1e-5)


def test_scaling_survives_saving(tmp_path: Path) -> None:
    model, scaling = small_model(), InputScaling(scale=1 / 255, offset=0.0)
    save_model(model, scaling, tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    assert loaded.scaling == scaling
    x = to_model_input(pixels(2), scaling)
    assert np.asarray(loaded.model(x)) == pytest.approx(np.asarray(model(x)), abs=1e-6)


def test_a_start_at_another_input_size_keeps_every_weight(tmp_path: Path) -> None:
    import keras

    model = keras.applications.MobileNetV2((64, 64, 3), alpha=0.35, weights=None, classes=2)
    model.save(tmp_path / "m.keras")
    loaded = load_initial(tmp_path / "m.keras", (80, 80, 3), 2)
    theirs = keras.applications.MobileNetV2((80, 80, 3), alpha=0.35, weights=None, classes=2)
    theirs.set_weights(model.get_weights())
    x = to_model_input(pixels(2, 80))
    assert np.asarray(loaded.model(x)) == pytest.approx(np.asarray(theirs(x)), abs=1e-6)
    kinds = {type(layer).__name__ for layer in loaded.model.layers}
    assert "ZeroPadding2D" not in kinds
    assert loaded.notes == ()


def test_another_number_of_classes_replaces_the_head_and_says_so(tmp_path: Path) -> None:
    model = small_model(classes=7)
    model.save(tmp_path / "m.keras")
    loaded = load_initial(tmp_path / "m.keras", (24, 20, 3), 2)
    assert loaded.model.output_shape == (None, 2)
    assert loaded.notes == ("m.keras: its head has 7 outputs; 'head' starts afresh with 2",)
    kept = loaded.model.get_layer("conv").get_weights()[0]
    assert (kept == model.get_layer("conv").get_weights()[0]).all()


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_start_always_ends_in_softmax(tmp_path: Path, activation: str | None) -> None:
    small_model(classes=1 if activation else 2, activation=activation).save(tmp_path / "m.keras")
    loaded = load_initial(tmp_path / "m.keras", (16, 16, 3), 2)
    scores = np.asarray(loaded.model(to_model_input(pixels(3))))
    assert scores.sum(axis=1) == pytest.approx(1)
    assert len(loaded.notes) == 1


def test_weights_that_depend_on_the_input_size_are_named(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(5, name="wide"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.save(tmp_path / "m.keras")
    with pytest.raises(ConfigError, match=r"'wide' depend on the input size.*\(768, 5\)"):
        load_initial(tmp_path / "m.keras", (20, 20, 3), 2)


def test_another_number_of_channels_is_named(tmp_path: Path) -> None:
    small_model().save(tmp_path / "m.keras")
    with pytest.raises(ConfigError, match="'conv'"):
        load_initial(tmp_path / "m.keras", (16, 16, 1), 3)


def test_a_lambda_layer_is_refused(tmp_path: Path) -> None:
    import keras

    small_model(keras.layers.Lambda(lambda x: x * 2)).save(tmp_path / "m.keras")
    with pytest.raises(UnsupportedModelError, match=r"Lambda layer.*Rescaling"):
        load_model(tmp_path / "m.keras")


def test_an_h5_file_of_keras_2_is_explained() -> None:
    with pytest.raises(UnsupportedModelError, match=r"Keras 2 .*tf_keras"):
        load_model(shared_path("models/vww_96.h5"))


def test_an_h5_file_of_keras_2_that_loads() -> None:
    loaded = load_model(shared_path("models/resnet8.h5"))
    assert loaded.model.output_shape == (None, 10)


def test_the_shared_start_at_80_pixels() -> None:
    path = shared_path("models/example_wake_vision_mobilenetv2.keras")
    loaded = load_initial(path, (80, 80, 3), 2)
    assert loaded.model.input_shape == (None, 80, 80, 3)
    assert loaded.model.count_params() == 251_330
    assert loaded.scaling == DEFAULT_SCALING


def test_files_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_model(tmp_path / "m.keras")
    (tmp_path / "m.onnx").write_bytes(b"x")
    with pytest.raises(UnsupportedModelError, match=r"expected a \.keras or \.h5 file"):
        load_model(tmp_path / "m.onnx")
    (tmp_path / "m.keras").write_bytes(b"PK\x03\x04 truncated")
    with pytest.raises(UnsupportedModelError, match="truncated"):
        load_model(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(UnsupportedModelError, match="cannot load it"):
        load_model(tmp_path / "other.keras")
    (tmp_path / "m.h5").write_bytes(b"junk")
    with pytest.raises(UnsupportedModelError, match="cannot load it"):
        load_model(tmp_path / "m.h5")
