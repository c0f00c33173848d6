from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.prune.groups import Grouping, find_groups
from pipeline.prune.prune import prune_once
from pipeline.prune.records import ChannelGroup, Role
from pipeline.prune.select import Limits
from pipeline.prune.trace import trace_model
from tests.prune.models import concat, nested, randomise, residual, shared, squeeze_excite


def grouping(model: keras.Model, *ignore: str) -> Grouping:
    return find_groups(trace_model(model), ignore)


def by_name(model: keras.Model) -> dict[str, ChannelGroup]:
    return {group.name: group for group in grouping(model).groups}


def reasons(model: keras.Model, *ignore: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for lock in grouping(model, *ignore).locks:
        found[lock.layer] = "; ".join(filter(None, (found.get(lock.layer), lock.reason)))
    return found


def makers(group: ChannelGroup) -> set[str]:
    return {member.layer for member in group.members if member.role is not Role.IN}


def with_head(x: object, inputs: object) -> keras.Model:
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


def test_residual_groups() -> None:
    groups = by_name(residual())
    assert set(groups) == {"stem", "expand0", "expand1"}
    assert makers(groups["stem"]) == {"stem", "stem_bn", "project0", "project1"}
    assert makers(groups["expand0"]) == {"expand0", "expand0_bn", "dw0", "dw0_bn"}
    assert [g.channels for g in groups.values()] == [8, 12, 12]


def test_squeeze_excite_gate_goes_with_its_channels() -> None:
    groups = by_name(squeeze_excite())
    assert makers(groups["main"]) == {"main", "gate"}
    assert groups["reduce"].channels == 4
    assert reasons(squeeze_excite())["where"].startswith("one channel")


def test_concatenation_keeps_sources_apart_and_maps_offsets() -> None:
    groups = by_name(concat())
    entries = {
        name: next(m for m in groups[name].members if m.layer == "c" and m.role is Role.IN)
        for name in ("a", "b")
    }
    # 8 of a, 3 of the input, 5 of b, 8 of a again.
    assert entries["a"].indices.tolist() == [[i, 16 + i] for i in range(8)]
    assert entries["b"].indices.ravel().tolist() == list(range(11, 16))
    # Along rows, c and d are joined by index; the flattened rows are strided.
    assert makers(groups["c"]) == {"c", "d"}
    head = next(m for m in groups["c"].members if m.layer == "head")
    assert head.indices.shape == (6, 12 * 6)
    assert head.indices[1].tolist() == list(range(1, 12 * 6 * 6, 6))


def test_shared_layers_join_over_call_sites() -> None:
    groups = by_name(shared())
    assert set(groups) == {"conv", "hidden"}
    assert makers(groups["conv"]) == {"conv", "norm", "deep"}


def test_nested_layers_have_paths() -> None:
    groups = by_name(nested())
    assert set(groups) == {"conv", "inner/conv", "tail/fc", "tail/fc2"}
    assert makers(groups["conv"]) == {"conv", "inner/back"}


def test_names_and_order_do_not_depend_on_the_run() -> None:
    one, other = grouping(concat()), grouping(concat())
    assert [g.name for g in one.groups] == [g.name for g in other.groups]
    assert one == other


@pytest.mark.parametrize("alpha", [0.25, 1.0])
def test_mobilenet_v1_has_14_groups(alpha: float) -> None:
    model = keras.applications.MobileNet((32, 32, 3), alpha=alpha, weights=None, classes=2)
    groups = grouping(model).groups
    assert len(groups) == 14
    assert makers(groups[0]) == {"conv1", "conv1_bn", "conv_dw_1", "conv_dw_1_bn"}


def test_mobilenet_v2_has_25_groups() -> None:
    model = keras.applications.MobileNetV2((32, 32, 3), weights=None, classes=2)
    groups = grouping(model).groups
    assert len(groups) == 25
    # Stem with its depthwise 1, expansions 16, outputs 7, head 1.
    assert groups[0].name == "Conv1"
    assert "expanded_conv_depthwise" in makers(groups[0])
    expansions = [g for g in groups if g.name.endswith("_expand")]
    outputs = [g for g in groups if g.name.endswith("_project")]
    assert len(expansions) == 16
    assert [g.channels for g in outputs] == [16, 24, 32, 64, 96, 160, 320]
    assert groups[-1].name == "Conv_1"
    assert groups[-1].channels == 1280


def test_inputs_and_outputs_are_locked() -> None:
    found = reasons(residual())
    assert found["image"] == "model input"
    assert found["head"] == "model output"


def test_an_inner_tensor_that_is_an_output_is_locked() -> None:
    inputs = keras.Input((4, 4, 3))
    a = layers.Conv2D(8, 1, name="a")(inputs)
    b = layers.ReLU(name="relu")(a)
    c = layers.Conv2D(8, 1, name="c")(b)
    found = reasons(keras.Model(inputs, [b, layers.Conv2D(2, 1, name="head")(c)]))
    assert found["relu"] == "model output"
    assert found["a"] == "held by model output"
    assert "c" not in found


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        pytest.param(
            lambda: layers.Lambda(lambda x: x * 2.0, name="odd"), "Lambda holds", id="lambda"
        ),
        pytest.param(lambda: layers.Softmax(name="odd"), "softmax mixes", id="softmax"),
        pytest.param(
            lambda: layers.Activation("softmax", name="odd"), "'softmax' may mix", id="activation"
        ),
        pytest.param(
            lambda: layers.LayerNormalization(name="odd"), "LayerNormalization works", id="ln"
        ),
        pytest.param(
            lambda: layers.GroupNormalization(2, name="odd"), "GroupNormalization takes", id="gn"
        ),
        pytest.param(
            lambda: layers.TimeDistributed(layers.Dense(8), name="odd"), "TimeDistributed", id="td"
        ),
        pytest.param(
            lambda: layers.Rescaling([1.0] * 8, name="odd"), "one number per", id="rescaling"
        ),
    ],
)
def test_what_cannot_be_followed_is_locked_by_name(layer: object, reason: str) -> None:
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, name="before")(inputs)
    x = layers.Conv2D(8, 1, name="at")(x)
    x = layer()(x)
    x = layers.Conv2D(8, 1, name="after")(x)
    model = with_head(x, inputs)
    found = reasons(model)
    assert reason in found["odd"]
    assert "'odd'" in found["at"]
    assert reason in found["at"]
    assert set(by_name(model)) == {"before", "after"}
    result = prune_once(randomise(model), ratio=0.5)
    assert result.max_abs_difference < 1e-5
    assert result.model.get_layer("at").filters == 8


def test_attention_and_recurrence_are_locked() -> None:
    inputs = keras.Input((6, 4))
    x = layers.Conv1D(8, 1, name="a")(inputs)
    x = layers.MultiHeadAttention(2, 4, name="mha")(x, x)
    x = layers.Conv1D(8, 1, name="b")(x)
    x = layers.LSTM(5, name="lstm")(x)
    model = keras.Model(inputs, layers.Dense(2, name="head")(x))
    found = reasons(model)
    assert found["a"] == "held by 'mha': attention mixes channels"
    assert found["b"] == "held by 'lstm': recurrent layers are not pruned"
    assert not grouping(model).groups
    assert prune_once(model, ratio=0.5).max_abs_difference < 1e-6


def test_a_layer_of_ones_own_is_locked() -> None:
    class Conv2D(keras.layers.Conv2D):
        pass

    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, name="a")(inputs)
    model = with_head(Conv2D(8, 1, name="own")(x), inputs)
    assert reasons(model)["a"] == "held by 'own': Conv2D is not a layer of Keras"


def test_slicing_and_channel_means_are_locked() -> None:
    inputs = keras.Input((4, 4, 3))
    a = layers.Conv2D(8, 1, name="a")(inputs)
    b = layers.Conv2D(8, 1, name="b")(inputs)
    x = layers.Concatenate()([a[..., :4], ops.mean(b, axis=-1, keepdims=True)])
    model = with_head(x, inputs)
    found = reasons(model)
    assert "slicing" in found["a"]
    assert "reduces over channels" in found["b"]


def test_a_constant_for_each_channel_locks() -> None:
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, name="a")(inputs) * np.arange(8, dtype=np.float32)
    y = layers.Conv2D(8, 1, name="b")(inputs) * np.ones((1, 4, 4, 1), np.float32)
    model = with_head(layers.Concatenate()([x, y]), inputs)
    assert "fixed size" in reasons(model)["a"]
    assert set(by_name(model)) == {"b"}


def test_a_sum_with_the_input_is_locked() -> None:
    inputs = keras.Input((4, 4, 3), name="image")
    x = layers.Conv2D(3, 1, name="a")(inputs)
    assert reasons(with_head(layers.Add()([inputs, x]), inputs))["a"] == "held by model input"


def test_channels_on_another_axis_are_locked() -> None:
    inputs = keras.Input((4, 6, 3))
    x = layers.Conv2D(8, 1, name="a")(inputs)
    x = layers.Permute((3, 1, 2), name="swap")(x)
    model = with_head(layers.Conv2D(5, 1, name="b")(x), inputs)
    assert "its channels lie on axis 1" in reasons(model)["b"]
    assert set(by_name(model)) == {"b"}


def test_grouped_convolutions_stay_balanced() -> None:
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(12, 1, name="a")(inputs)
    x = layers.Conv2D(24, 1, groups=3, name="g")(x)
    model = randomise(with_head(layers.Conv2D(5, 1, name="c")(x), inputs))
    groups = by_name(model)
    assert (groups["a"].channels, groups["a"].width) == (4, 3)
    assert (groups["g"].channels, groups["g"].width) == (8, 3)
    assert groups["a"].members[0].indices[1].tolist() == [1, 5, 9]
    pruned = prune_once(model, ratio=0.5, limits=Limits(round_to=1, min_channels=1)).model
    g = pruned.get_layer("g")
    assert (g.groups, g.filters, tuple(g.kernel.shape)) == (3, 12, (1, 1, 2, 12))


def test_a_shared_reshape_of_different_things_is_locked() -> None:
    inputs = keras.Input((2, 2, 8))
    reshape = layers.Reshape((4, 8), name="reshape")
    a = layers.Conv2D(8, 1, name="a")(inputs)
    x = layers.Concatenate(axis=1)([reshape(a), reshape(inputs)])
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, layers.Dense(2, name="head")(x))
    assert not grouping(model).groups
    assert prune_once(randomise(model), ratio=0.5).max_abs_difference < 1e-6


def test_ignored_layers_keep_their_outputs() -> None:
    found = grouping(residual(), "project0", "expand1")
    assert [g.name for g in found.groups] == ["expand0"]
    locks = {lock.layer: lock.reason for lock in found.locks}
    assert locks["project0"] == "ignored"
    assert "'project0': ignored" in locks["stem"]


def test_ignore_takes_nested_names() -> None:
    names = [g.name for g in grouping(nested(), "fc", "inner/conv").groups]
    assert names == ["conv", "tail/fc2"]


def test_an_unknown_layer_in_ignore_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'projekt0'\. Did you mean 'project0'\?"):
        grouping(residual(), "projekt0")


def test_channels_first_is_refused() -> None:
    inputs = keras.Input((3, 8, 8))
    x = layers.ZeroPadding2D(1, data_format="channels_first", name="pad")(inputs)
    model = keras.Model(inputs, layers.Flatten()(x))
    with pytest.raises(UnsupportedModelError, match=r"'pad'.*'channels_last'.*copy its weights"):
        prune_once(model, ratio=0.5)


def test_quantized_layers_are_refused() -> None:
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(4, name="fc")(inputs))
    model.get_layer("fc").quantize("int8")
    with pytest.raises(UnsupportedModelError, match="'fc'.*Received: quantization 'int8'"):
        trace_model(model)
