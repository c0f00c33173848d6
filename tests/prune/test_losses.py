from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import ConfigError
from pipeline.prune.gradients import losses_of, run_graph
from pipeline.prune.losses import classification_loss, labels_of
from pipeline.prune.trace import trace_model
from pipeline.records import InputSet
from tests.prune.models import shared

X = np.random.default_rng(0).standard_normal((5, 4)).astype("float32")


def labelled(y: np.ndarray) -> InputSet:
    return InputSet(spec="some data", names=tuple("abcde"), x=(X,), y=y)


def found_loss(model: keras.Model, y: np.ndarray) -> np.ndarray:
    trace = trace_model(model)
    return losses_of(run_graph(trace, [X]), y, classification_loss(trace, labelled(y)))


def with_head(*head: layers.Layer) -> tuple[keras.Model, np.ndarray]:
    """A model, and its first layer's outputs on X, which are the logits."""
    inputs = keras.Input((4,))
    logits = x = head[0](inputs)
    for layer in head[1:]:
        x = layer(x)
    first = keras.Model(inputs, logits)
    return keras.Model(inputs, x), keras.ops.convert_to_numpy(first(X)).astype(float)


@pytest.mark.parametrize(
    "tail",
    [
        [],
        [layers.Softmax()],
        [layers.Activation("softmax"), layers.Dropout(0.5), layers.Reshape((1, 3))],
    ],
    ids=["logits", "softmax", "softmax-reshaped"],
)
def test_several_classes(tail: list[layers.Layer]) -> None:
    y = np.array([0, 1, 2, 1, 0])
    model, logits = with_head(layers.Dense(3), *tail)
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(5), y]
    np.testing.assert_allclose(found_loss(model, y), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tail", [[], [layers.Activation("sigmoid")]], ids=["logit", "probability"])
def test_one_unit_is_two_classes(tail: list[layers.Layer]) -> None:
    y = np.array([0, 1, 1, 1, 0])
    model, logits = with_head(layers.Dense(1), *tail)
    expected = np.log1p(np.exp(np.where(y == 1, -1, 1) * logits[:, 0]))
    np.testing.assert_allclose(found_loss(model, y), expected, rtol=1e-4, atol=1e-5)


def test_several_outputs_need_a_loss_of_ones_own() -> None:
    with pytest.raises(ConfigError, match=r"Received: 2 outputs\. Give a loss of your own"):
        classification_loss(trace_model(shared()), labelled(np.zeros(5, np.int64)))


def test_labels_must_be_there() -> None:
    unlabelled = InputSet(spec="somewhere", names=("a",), x=(X[:1],))
    with pytest.raises(ConfigError, match="oracle: needs labelled samples.*'somewhere' without"):
        labels_of(unlabelled, "oracle")
    empty = InputSet(spec="nothing", names=(), x=(X[:0],), y=np.zeros(0, np.int64))
    with pytest.raises(ConfigError, match="'nothing' with no samples"):
        labels_of(empty, "oracle")


def test_a_label_without_a_score_is_refused() -> None:
    model, _ = with_head(layers.Dense(3))
    with pytest.raises(ConfigError, match=r"expected classes 0 to 2.*Received: 1 to 3"):
        found_loss(model, np.array([1, 2, 3, 1, 1]))
