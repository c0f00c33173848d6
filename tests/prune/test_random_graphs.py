"""Random graphs: whatever is built, pruned is masked, and survives a file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from keras import layers

from pipeline.prune.prune import prune_once
from pipeline.prune.select import SCOPES, Limits
from pipeline.quantize.check import list_operators
from pipeline.quantize.convert import quantize_model
from pipeline.reference import ReferenceModel
from pipeline.samples import DEFAULT_SCALING
from tests.prune.models import predictions, randomise

ACTIVATIONS = ("relu", "sigmoid", "softplus", "hard_sigmoid", "elu", "linear", "tanh")
STEPS = (
    "conv",
    "norm",
    "residual",
    "concat",
    "depthwise",
    "separable",
    "transposed",
    "grouped",
    "gate",
    "shared",
    "nested",
    "sequential",
    "twice",
    "pool",
    "pad",
    "rows",
    "lambda",
    "operation",
)


class Builder:
    """Draws a model step by step; tensors are [batch, height, width, channels]."""

    activations: tuple[str, ...] = ACTIVATIONS
    always_biased = False

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.count = 0

    def number(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def conv(self, x: Any, filters: int | None = None, size: int | None = None) -> Any:
        return layers.Conv2D(
            filters or self.number(1, 9),
            size or self.data.draw(st.sampled_from([1, 3])),
            padding="same",
            use_bias=self.always_biased or self.data.draw(st.booleans()),
            activation=self.data.draw(st.sampled_from(self.activations)),
            name=self.name("conv"),
        )(x)

    def step(self, kind: str, x: Any, earlier: list[Any]) -> Any:
        return getattr(self, f"do_{kind}")(x, earlier)

    def do_conv(self, x: Any, earlier: list[Any]) -> Any:
        return self.conv(x)

    def do_norm(self, x: Any, earlier: list[Any]) -> Any:
        scale, center = self.data.draw(st.booleans()), self.data.draw(st.booleans())
        return layers.BatchNormalization(scale=scale, center=center, name=self.name("bn"))(x)

    def do_residual(self, x: Any, earlier: list[Any]) -> Any:
        kind = self.data.draw(
            st.sampled_from(
                [layers.Add, layers.Subtract, layers.Average, layers.Maximum, layers.Multiply]
            )
        )
        other = self.data.draw(st.sampled_from(earlier))
        if other.shape != x.shape:
            other = self.conv(x, x.shape[-1])
        return kind(name=self.name("merge"))([other, x])

    def do_concat(self, x: Any, earlier: list[Any]) -> Any:
        same = [y for y in earlier if y.shape[:-1] == x.shape[:-1]]
        other = self.data.draw(st.sampled_from(same)) if same else self.conv(x)
        return layers.Concatenate(name=self.name("cat"))([x, other, x])

    def do_depthwise(self, x: Any, earlier: list[Any]) -> Any:
        return layers.DepthwiseConv2D(
            3, padding="same", depth_multiplier=self.number(1, 2), name=self.name("dw")
        )(x)

    def do_separable(self, x: Any, earlier: list[Any]) -> Any:
        return layers.SeparableConv2D(
            self.number(2, 8), 3, padding="same", depth_multiplier=2, name=self.name("sep")
        )(x)

    def do_transposed(self, x: Any, earlier: list[Any]) -> Any:
        return layers.Conv2DTranspose(
            self.number(2, 8), 3, padding="same", name=self.name("transposed")
        )(x)

    def do_grouped(self, x: Any, earlier: list[Any]) -> Any:
        groups = self.data.draw(st.sampled_from([2, 3]))
        x = self.conv(x, groups * self.number(1, 3))
        return layers.Conv2D(
            groups * self.number(1, 3), 3, padding="same", groups=groups, name=self.name("group")
        )(x)

    def do_gate(self, x: Any, earlier: list[Any]) -> Any:
        s = layers.GlobalAveragePooling2D(keepdims=True, name=self.name("gap"))(x)
        s = self.conv(s, None, 1)
        s = layers.Conv2D(x.shape[-1], 1, activation="sigmoid", name=self.name("gate"))(s)
        return layers.Multiply(name=self.name("scale"))([x, s])

    def do_shared(self, x: Any, earlier: list[Any]) -> Any:
        layer = layers.Conv2D(x.shape[-1], 3, padding="same", name=self.name("shared"))
        return layer(layer(x))

    def do_nested(self, x: Any, earlier: list[Any]) -> Any:
        inner_in = keras.Input(x.shape[1:], name=self.name("inner_in"))
        y = self.do_norm(self.conv(inner_in), [])
        y = layers.Add(name=self.name("add"))([inner_in, self.conv(y, x.shape[-1])])
        inner = keras.Model(inner_in, [y, self.conv(y)], name=self.name("inner"))
        x, _ = inner(x)
        return inner(x)[self.number(0, 1)]

    def do_sequential(self, x: Any, earlier: list[Any]) -> Any:
        part = keras.Sequential(
            [
                layers.Conv2D(self.number(2, 6), 1, name=self.name("part_conv")),
                layers.BatchNormalization(name=self.name("part_bn")),
                layers.PReLU(shared_axes=[1, 2], name=self.name("part_prelu")),
            ],
            name=self.name("part"),
        )
        return part(x)

    def do_twice(self, x: Any, earlier: list[Any]) -> Any:
        layer = layers.Dense(self.number(2, 6), activation="relu", name=self.name("twice"))
        y = self.conv(x, x.shape[-1])
        return layers.Concatenate(name=self.name("cat"))([layer(x), layer(y)])

    def do_pool(self, x: Any, earlier: list[Any]) -> Any:
        if min(x.shape[1:3]) < 2:
            return x
        return layers.AveragePooling2D(2, name=self.name("pool"))(x)

    def do_pad(self, x: Any, earlier: list[Any]) -> Any:
        if max(x.shape[1:3]) > 8:
            return layers.Cropping2D(2, name=self.name("crop"))(x)
        return layers.ZeroPadding2D(1, name=self.name("pad"))(x)

    def do_rows(self, x: Any, earlier: list[Any]) -> Any:
        height, width, channels = x.shape[1:]
        x = layers.Reshape((height * width, channels), name=self.name("rows"))(x)
        x = layers.Conv1D(self.number(2, 6), 1, name=self.name("conv1d"))(x)
        return layers.Reshape((height, width, -1), name=self.name("map"))(x)

    def do_lambda(self, x: Any, earlier: list[Any]) -> Any:
        return layers.Lambda(lambda y: y * 0.5, name=self.name("lambda"))(x)

    def do_operation(self, x: Any, earlier: list[Any]) -> Any:
        return keras.ops.maximum(x * 0.5, keras.ops.tanh(x)) + 0.25

    def model(self) -> keras.Model:
        inputs = [keras.Input((6, 6, 3), name="one"), keras.Input((6, 6, 2), name="two")]
        earlier = [self.conv(inputs[0]), self.conv(inputs[1])]
        x = self.data.draw(st.sampled_from(earlier))
        for kind in self.data.draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=6)):
            x = self.step(kind, x, earlier)
            earlier.append(x)
        flat = layers.Flatten(name="flat")(x)
        hidden = layers.Dense(5, activation="sigmoid", name="hidden")(flat)
        pooled = layers.GlobalMaxPooling2D(name="gmp")(self.data.draw(st.sampled_from(earlier)))
        outputs = {
            "a": layers.Dense(3, name="a")(hidden),
            "b": layers.Dense(2, name="b")(pooled),
        }
        used = keras.Model(inputs, outputs, name="random")
        return randomise(used, self.number(0, 99))


# What TFLite computes on int8 alone.
CONVERTIBLE_STEPS = tuple(step for step in STEPS if step not in ("lambda", "operation"))


class ConvertibleBuilder(Builder):
    """Draws models of one input and one output that TFLite can compute on int8."""

    activations = ("relu", "relu6", "sigmoid", "tanh", "linear")
    always_biased = True

    def conv(self, x: Any, filters: int | None = None, size: int | None = None) -> Any:
        # Few channels may all be dead: an activation that never changes has no int8 range.
        return super().conv(x, filters or self.number(4, 9), size)

    def model(self) -> keras.Model:
        inputs = keras.Input((6, 6, 3), name="picture")
        x = self.conv(inputs, self.number(4, 9))
        earlier = [x]
        # Conversion takes seconds whatever the depth: each network holds many kinds, each once.
        kinds = st.lists(st.sampled_from(CONVERTIBLE_STEPS), min_size=3, max_size=5, unique=True)
        for kind in self.data.draw(kinds):
            x = self.step(kind, x, earlier)
            earlier.append(x)
        x = layers.Flatten(name="flat")(x)
        x = layers.Dense(8, activation="relu", name="hidden")(x)
        outputs = layers.Dense(3, activation="softmax", name="head")(x)
        model = randomise(keras.Model(inputs, outputs, name="random"), self.number(0, 99))
        for layer in model._flatten_layers():
            if getattr(layer, "use_bias", False):
                layer.bias.assign(np.abs(layer.bias) + 0.2)
        return model


def check_conversion(data: st.DataObject) -> None:
    """Prune a random model, convert it, and compare int8 with float."""
    model = ConvertibleBuilder(data).model()
    ratio = data.draw(st.floats(0.05, 0.9))
    limits = Limits(round_to=1, min_channels=2)
    pruned = prune_once(model, criterion="random", ratio=ratio, limits=limits).model
    pixels = np.random.default_rng(0).integers(0, 256, (32, 6, 6, 3)).astype(np.int16)
    x = (pixels * DEFAULT_SCALING.scale + DEFAULT_SCALING.offset).astype(np.float32)
    tflite = quantize_model(pruned, x)
    assert list_operators(tflite)
    reference = ReferenceModel(tflite)
    (raw,) = reference.run(((pixels - 128).astype(np.int8),))
    scale, zero_point = reference.output_quantization
    received = (raw.astype(np.float64) - zero_point) * scale
    expected = np.asarray(pruned(x, training=False), np.float64)
    assert received.shape == expected.shape
    # Quantized, deep and of random weights: near, not equal.
    assert np.abs(received - expected).mean() < 0.1
    keras.backend.clear_session()


CONVERSION = settings(
    # Each example takes seconds: one that fails is not shrunk.
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(CONVERSION, max_examples=3)
@given(st.data())
def test_random_graphs_convert_to_int8(data: st.DataObject) -> None:
    check_conversion(data)


@pytest.mark.slow
@settings(CONVERSION, max_examples=24)
@given(st.data())
def test_many_random_graphs_convert_to_int8(data: st.DataObject) -> None:
    check_conversion(data)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_random_graphs_prune_and_survive_a_file(data: st.DataObject) -> None:
    model = Builder(data).model()
    ratio = data.draw(st.floats(0.05, 0.95))
    scope = data.draw(st.sampled_from(SCOPES))
    limits = Limits(round_to=1, min_channels=1, max_ratio=0.95)
    result = prune_once(model, criterion="random", ratio=ratio, scope=scope, limits=limits)
    (scale,) = [max(1.0, *(float(np.abs(p).max()) for p in predictions(model)))]
    assert result.max_abs_difference <= 1e-5 * scale
    for group, keep in zip(result.plan.groups, result.plan.keep, strict=True):
        assert 1 <= len(keep) <= group.channels
    if not any(isinstance(layer, layers.Lambda) for layer in model._flatten_layers()):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pruned.keras"
            result.model.save(path)
            loaded = keras.models.load_model(path)
        for one, other in zip(predictions(result.model), predictions(loaded), strict=True):
            np.testing.assert_array_equal(one, other)
    keras.backend.clear_session()
