"""A model in tf_keras is the one in Keras 3, or its layers are named."""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from pipeline.errors import MissingToolError, UnsupportedModelError
from pipeline.quantize.qat.library import import_tfmot
from pipeline.quantize.qat.steps import make_steps
from pipeline.samples import to_model_input
from tests.prune.models import MODELS, randomise
from tests.prune.test_random_graphs import CONVERSION, ConvertibleBuilder
from tests.quantize.qat.models import BODIES, small_classifier, with_head

pytestmark = pytest.mark.needs("tf_keras", "tensorflow_model_optimization")


def difference(model: keras.Model, *, spoil: str = "") -> float:
    """The proof of a bridged model; with a batch normalization changed on the way."""
    import_tfmot()
    from pipeline.quantize.qat.bridge import bridge
    from pipeline.quantize.qat.proof import prove_equal

    bridged = bridge(make_steps(model), model.name)
    if spoil:
        gamma = bridged.model.get_layer(spoil).gamma
        gamma.assign(gamma + 0.5)
    numbers = np.random.default_rng(0).integers(0, 256, (2, *model.input_shape[1:]))
    x = to_model_input(numbers.astype(np.uint8))
    return prove_equal(model, bridged, x)


@pytest.mark.parametrize("name", BODIES)
def test_every_layer_is_equal_in_float(name: str) -> None:
    assert difference(with_head(BODIES[name])) < 1e-6


@pytest.mark.parametrize(
    "name",
    [
        "chain",
        "residual",
        "concat",
        "depthwise_multiplier",
        "squeeze_excite",
        "nested",
        "sequential",
        "shuffle",
        "operations",
        "one_dimension",
    ],
)
def test_models_of_pruning_are_equal_in_float(name: str) -> None:
    assert difference(randomise(MODELS[name]())) < 1e-6


@settings(CONVERSION, max_examples=5)
@given(st.data())
def test_random_graphs_are_equal_in_float(data: st.DataObject) -> None:
    assert difference(ConvertibleBuilder(data).model()) < 1e-6
    keras.backend.clear_session()


def test_the_first_layer_that_differs_is_named() -> None:
    with pytest.raises(
        UnsupportedModelError, match=r"layer 'dw_bn' \(BatchNormalization\) differs"
    ):
        difference(randomise(small_classifier()), spoil="dw_bn")


class Halve(layers.Layer):
    """A user's layer with a weight."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, x: Any) -> Any:
        return x * self.factor / 2


def test_all_that_cannot_be_trained_is_named_at_once() -> None:
    inputs = keras.Input((8, 8, 3), name="picture")
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    x = layers.LayerNormalization(name="norm")(x)
    x = Halve(name="halve")(x)
    x = layers.Conv2D(4, 3, dtype="mixed_float16", name="half")(x)
    model = keras.Model(inputs, [x, layers.Flatten(name="flat")(x)], name="odd")
    with pytest.raises(UnsupportedModelError) as error:
        make_steps(model)
    for part in (
        "1 inputs and 2 outputs (split it",
        "layer 'norm' (LayerNormalization), whose weights have no quantizer (replace it by",
        "layer 'halve' (Halve)",
        "layer 'half' (Conv2D) in float16 (build it in float32",
        "--method ptq",
    ):
        assert part in str(error.value)


def test_a_subclassed_model_is_refused() -> None:
    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(UnsupportedModelError, match="expected a Functional model"):
        make_steps(Own(name="own"))


def test_a_missing_library_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import_tfmot()
    monkeypatch.delitem(sys.modules, "tensorflow_model_optimization")
    monkeypatch.setattr("pipeline.quantize.qat.library.importlib.import_module", _no_module)
    with pytest.raises(MissingToolError, match=r"pip install --no-deps tensorflow-model-opt"):
        import_tfmot()


def _no_module(name: str) -> None:
    raise ImportError(f"No module named {name!r}")
