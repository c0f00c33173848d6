"""Models as flat lists of calls: order, names, nested models, and what makes an output."""

from __future__ import annotations

import keras
import pytest
from keras import layers

from pipeline.errors import UnsupportedModelError
from pipeline.keras_graph import flatten, is_tensor_ref, last_call


def test_calls_stand_in_an_order_in_which_they_can_run() -> None:
    inputs = keras.Input((4, 4, 3), name="image")
    stem = layers.Conv2D(8, 1, name="stem")(inputs)
    skip = layers.Conv2D(8, 1, name="skip")(inputs)
    total = layers.Add(name="add")([layers.ReLU(name="relu")(stem), skip])
    graph = flatten(keras.Model(inputs, total * 2.0))
    known = {binding.tensor.index for binding in graph.bindings}
    for call in graph.calls:
        assert {ref.index for ref in call.inputs} <= known, call.path
        known |= {ref.index for ref in call.outputs}
    add = next(call for call in graph.calls if call.path == "add")
    assert [ref.shape for ref in add.inputs] == [(None, 4, 4, 8)] * 2
    assert all(is_tensor_ref(leaf) for leaf in add.args[0])
    assert graph.outputs == graph.calls[-1].outputs


def test_nested_models_are_opened_and_their_layers_named_behind_them() -> None:
    inner = keras.Sequential(
        [keras.Input((4, 4, 3)), layers.Conv2D(5, 1, name="conv")], name="inner"
    )
    inputs = keras.Input((4, 4, 3), name="image")
    graph = flatten(keras.Model(inputs, layers.Add(name="add")([inner(inputs), inner(inputs)])))
    assert [call.path for call in graph.calls] == ["inner/conv", "inner/conv", "add"]
    outer, *nested = graph.bindings
    assert (outer.path, outer.nested) == ("image", False)
    assert [binding.nested for binding in nested] == [True, True]
    # What a nested model takes is the caller's tensor.
    assert {binding.tensor for binding in nested} == {outer.tensor}


def test_a_nested_model_of_open_sizes_has_those_of_its_caller() -> None:
    inner = keras.Sequential(
        [keras.Input((None, None, 3)), layers.Conv2D(5, 3, strides=2, name="conv")], name="inner"
    )
    inputs = keras.Input((9, 7, 3))
    graph = flatten(keras.Model(inputs, inner(inputs)))
    assert graph.calls[0].outputs[0].shape == (None, 4, 3, 5)


def test_layers_that_only_pass_scores_on_make_none() -> None:
    inputs = keras.Input((4,))
    x = layers.Dense(6, name="scores")(inputs)
    x = layers.Reshape((6,))(layers.Dropout(0.1)(layers.Reshape((2, 3))(x)))
    graph = flatten(keras.Model(inputs, x))
    found = last_call(graph, graph.outputs[0])
    assert found is not None
    assert found.path == "scores"
    passing = flatten(keras.Model(inputs, layers.Reshape((2, 2))(inputs)))
    assert last_call(passing, passing.outputs[0]) is None


def test_a_model_without_a_graph_is_refused() -> None:
    class Own(keras.Model):
        def call(self, x: object) -> object:
            return x

    with pytest.raises(UnsupportedModelError, match=r"Received: Own\. Build it from keras\.Input"):
        flatten(Own(name="own"))
