from typing import Any

import numpy as np
import pytest

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.model import build_model
from pipeline.quantize import check_full_int8, list_operators, quantize_model
from pipeline.quantize.convert import pinned_calibration, representative_indices
from pipeline.quantize.evaluate import predict_float, predict_quantized, sqnr_db
from pipeline.quantize.pin_input import nudged
from pipeline.quantize.settings import EdgeType, EdgeTypes
from pipeline.quiet import import_tensorflow
from pipeline.reference import ReferenceModel
from pipeline.samples import DEFAULT_SCALING, InputScaling, to_model_input
from tests.quantize.networks import spread_model
from tests.shared import shared_path

import_tensorflow()

# What our own builders may become; every one is in the aot engine's list.
DEPLOYABLE = {
    "ADD",
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "MAX_POOL_2D",
    "MEAN",
    "PAD",
    "QUANTIZE",
    "RESHAPE",
    "SOFTMAX",
}


def uniform(shape: tuple[int, ...], count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.9, 0.9, (count, *shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("mobilenet_v1", (48, 48, 3), 2),
        ("mobilenet_v2", (80, 80, 3), 2),
        pytest.param("mobilenet_v2", (50, 50, 1), 3, marks=pytest.mark.slow),
        ("ds_cnn", (49, 10, 1), 12),
        ("resnet8", (32, 32, 3), 10),
        ("autoencoder", (64,), 0),
    ],
)
def test_builders_become_deployable_operators_only(
    name: str, shape: tuple[int, ...], classes: int
) -> None:
    lines: list[str] = []
    tflite = quantize_model(spread_model(name, shape, classes), uniform(shape), lines.append)
    assert {operator.kind for operator in list_operators(tflite)} <= DEPLOYABLE
    reference = ReferenceModel(tflite)
    assert reference.input_quantization == (1 / 128, 0)
    if classes:
        assert reference.output_quantization == (1 / 256, -128)
    assert "4 samples" in lines[0]


def test_the_chatter_of_tensorflow_stays_away(capfd: pytest.CaptureFixture[str]) -> None:
    quantize_model(spread_model("autoencoder", (16,), 0), uniform((16,)))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_another_scaling_keeps_the_bits() -> None:
    scaling = InputScaling(scale=1 / 255, offset=0.0)
    calibration = np.random.default_rng(0).uniform(0.2, 0.8, (4, 16)).astype(np.float32)
    tflite = quantize_model(spread_model("autoencoder", (16,), 0), calibration, scaling=scaling)
    scale, zero_point = ReferenceModel(tflite).input_quantization
    assert scale == pytest.approx(1 / 255)
    assert zero_point == -128


def test_calibration_beyond_the_range_sets_its_own() -> None:
    samples = 4 * uniform((16,))
    assert pinned_calibration(samples, (16,), DEFAULT_SCALING) is samples
    assert len(pinned_calibration(uniform((16,)), (16,), DEFAULT_SCALING)) == 5


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (np.zeros((0, 16), np.float32), r"input shape \[16\]"),
        (np.zeros((2, 15), np.float32), r"Received: \[2, 15\]"),
        (np.full((2, 16), np.nan, np.float32), "finite"),
    ],
)
def test_calibration_that_does_not_fit(calibration: np.ndarray, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        quantize_model(spread_model("autoencoder", (16,), 0), calibration)


def test_a_layer_that_cannot_be_int8_is_named() -> None:
    import keras

    inputs = keras.Input((8,))
    x = keras.layers.Dense(4, name="first")(inputs)
    x = keras.ops.erf(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="last")(x))
    with pytest.raises(UnsupportedModelError, match=r"(?i)erf"):
        quantize_model(model, uniform((8,)))


def test_a_model_of_two_outputs_is_refused() -> None:
    import keras

    inputs = keras.Input((8,))
    model = keras.Model(inputs, [keras.layers.Dense(2)(inputs), keras.layers.Dense(3)(inputs)])
    with pytest.raises(UnsupportedModelError, match="1 inputs and 2 outputs"):
        quantize_model(model, uniform((8,)))


def test_an_untrained_model_without_any_range_is_refused() -> None:
    model = build_model("mobilenet_v1", (48, 48, 3), 2)
    with pytest.raises(UnsupportedModelError, match=r"untrained, or the calibration samples"):
        quantize_model(model, uniform((48, 48, 3)))


def test_a_float_model_is_refused_with_its_layers() -> None:
    import keras
    import tensorflow as tf

    inputs = keras.Input(batch_shape=(1, 8))
    model = keras.Model(inputs, keras.layers.Dense(2, name="dense_float")(inputs))
    tflite = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    with pytest.raises(UnsupportedModelError, match=r"dense_float.*FULLY_CONNECTED: FLOAT32"):
        check_full_int8(tflite)


@pytest.mark.parametrize("name", ["ad01_int8", "kws_ref_model", "resnet8_int8", "vww_96_int8"])
def test_public_int8_models_pass(name: str) -> None:
    check_full_int8(shared_path(f"models/{name}.tflite").read_bytes())


def test_the_representative_set_is_balanced() -> None:
    y = np.array([0] * 90 + [1] * 10 + [2] * 30)
    chosen = representative_indices(y, 60)
    assert np.bincount(y[chosen]).tolist() == [25, 10, 25]
    assert (np.diff(chosen) > 0).all()
    assert (representative_indices(y, 60) == chosen).all()
    assert (representative_indices(y, 60, seed=1) != chosen).any()
    assert len(representative_indices(y, 1000)) == len(y)


@pytest.mark.parametrize("edge", ["int8", "uint8"])
def test_pictures_pin_an_input_that_is_concatenated_too(edge: EdgeType) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    wide = 5 * layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
    joined = layers.Concatenate(name="join")([inputs, wide])
    model = keras.Model(inputs, layers.Dense(3, name="head")(layers.Flatten()(joined)))
    pixels = np.random.default_rng(1).integers(10, 246, (8, 8, 8, 3)).astype(np.uint8)
    tflite = quantize_model(model, to_model_input(pixels), edges=EdgeTypes(input=edge))
    reference = ReferenceModel(tflite)
    assert reference.input_quantization == (1 / 128, 128 if edge == "uint8" else 0)
    expected, received = predict_float(model, pixels), predict_quantized(tflite, pixels)
    assert sqnr_db(expected, received) > 35


@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, 127 / 128), (0.0, 1.0), (-1.0, 1.0), (-2.0, 3.1), (-0.3, 8.0)]
)
def test_a_range_becomes_what_the_converter_makes_of_it(low: float, high: float) -> None:
    samples = np.random.default_rng(0).uniform(low, high, (4, 16)).astype(np.float32)
    samples[0, :2] = low, high
    tflite = quantize_model(spread_model("autoencoder", (16,), 0), samples)
    expected = ReferenceModel(tflite).input_quantization
    recorded = (float(end) for end in samples[0, :2])
    assert nudged(*recorded, np.dtype(np.int8)) == pytest.approx(expected)


def test_a_loop_is_named_before_it_ends_the_process() -> None:
    import keras

    inputs = keras.Input((5, 3))
    x = keras.layers.GRU(4, name="memory")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    with pytest.raises(UnsupportedModelError, match=r"'memory.*\(WHILE\).*unroll=True"):
        quantize_model(model, uniform((5, 3)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "mixed_float16"}, "float16"),
        ({"data_format": "channels_first"}, "channels_first"),
    ],
)
def test_layers_in_another_form_are_named(options: dict[str, Any], words: str) -> None:
    import keras

    inputs = keras.Input((8, 8, 8))
    x = keras.layers.Conv2D(4, 1, name="odd", **options)(inputs)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="end")(x))
    with pytest.raises(UnsupportedModelError, match=rf"Received: 'odd' \(Conv2D\) in {words}\."):
        quantize_model(model, uniform((8, 8, 8)))


def test_names_that_are_no_scopes_are_named() -> None:
    import keras

    inputs = keras.Input((8,))
    x = keras.layers.Dense(4, name="schön (1)")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="end")(x), name="modell: ü")
    with pytest.raises(UnsupportedModelError, match=r"Received: 'modell: ü', 'schön \(1\)'\."):
        quantize_model(model, uniform((8,)))
