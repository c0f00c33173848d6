from __future__ import annotations

from pipeline.prune.facts import layer_facts, model_facts
from pipeline.prune.records import LayerFacts


def test_layers_add_up_to_the_model() -> None:
    import keras

    inputs = keras.Input((8, 8, 3))
    shared = keras.layers.Conv2D(4, 3, padding="same", name="shared")
    x = keras.layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = shared(shared(x))
    x = keras.layers.Dense(2, name="out")(keras.layers.Flatten()(x))
    model = keras.Model(inputs, x)
    layers = layer_facts(model)
    assert list(layers) == ["stem", "shared", "out"]
    assert layers["stem"] == LayerFacts(
        name="stem", kind="Conv2D", channels=4, params=112, macs=64 * 108
    )
    # Called twice, with one set of weights.
    assert (layers["shared"].params, layers["shared"].macs) == (148, 2 * 64 * 144)
    assert sum(layer.macs or 0 for layer in layers.values()) == model_facts(model).macs
