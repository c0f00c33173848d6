import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.model import ARCHITECTURES, build_model, model_facts

SHAPES = {
    "mobilenet_v1": (96, 96, 3),
    "mobilenet_v2": (80, 80, 3),
    "ds_cnn": (49, 10, 1),
    "resnet8": (32, 32, 3),
    "autoencoder": (640,),
}


@pytest.mark.parametrize(
    ("name", "classes", "params", "macs"),
    [
        # keras.applications' MobileNet and MobileNetV2 at alpha 0.25 with as many classes.
        ("mobilenet_v1", 2, 219_058, 7_489_664),
        ("mobilenet_v2", 2, 251_330, None),
        # MLPerf Tiny's networks; MACs as in its table of reference models.
        ("ds_cnn", 12, None, 2_656_768),
        ("resnet8", 10, None, 12_501_632),
        ("autoencoder", 0, 269_992, 264_192),
    ],
)
def test_sizes_are_the_published_ones(
    name: str, classes: int, params: int | None, macs: int | None
) -> None:
    facts = model_facts(build_model(name, SHAPES[name], classes))
    assert params is None or facts.params == params
    assert macs is None or facts.macs == macs


def test_every_architecture_has_a_test() -> None:
    assert set(SHAPES) == set(ARCHITECTURES)


@pytest.mark.parametrize("alpha", [0.1, 0.35, 1.0, 1.4])
@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_any_width_and_input_size(name: str, alpha: float) -> None:
    model = build_model(name, (50, 70, 1), 5, alpha=alpha)
    scores = np.asarray(model(np.zeros((2, 50, 70, 1), np.float32)))
    assert scores.shape == (2, 5)
    assert scores.sum(axis=1) == pytest.approx(1)


def test_mobilenet_v2_computes_what_kerass_own_does() -> None:
    import keras

    own = build_model("mobilenet_v2", (80, 80, 3), 2, alpha=0.25, seed=1)
    theirs = keras.applications.MobileNetV2((80, 80, 3), alpha=0.25, weights=None, classes=2)
    theirs.set_weights(own.get_weights())
    x = np.random.default_rng(0).uniform(-1, 1, (2, 80, 80, 3)).astype(np.float32)
    difference = np.asarray(own(x)) - np.asarray(theirs(x))
    assert np.abs(difference).max() < 1e-6
    named = {layer.name for layer in own.layers if layer.weights}
    assert named == {layer.name for layer in theirs.layers if layer.weights}


def test_equal_seeds_give_equal_weights() -> None:
    first, second, third = (build_model("resnet8", (32, 32, 3), 2, seed=s) for s in (1, 1, 2))
    weights = [np.concatenate([w.ravel() for w in m.get_weights()]) for m in (first, second, third)]
    assert (weights[0] == weights[1]).all()
    assert (weights[0] != weights[2]).any()


@pytest.mark.parametrize(
    ("name", "shape", "alpha", "message"),
    [
        ("mobilenet_v9", (8, 8, 3), None, "expected one of mobilenet_v1"),
        ("resnet8", (640,), None, r"3 dimension\(s\)"),
        ("autoencoder", (8, 8, 3), None, r"1 dimension\(s\)"),
        ("resnet8", (32, 32, 3), 0.5, "no width multiplier"),
        ("mobilenet_v2", (32, 32, 3), 9.0, "expected 0.05 to 2"),
    ],
)
def test_wrong_requests(
    name: str, shape: tuple[int, ...], alpha: float | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model(name, shape, 2, alpha=alpha)
