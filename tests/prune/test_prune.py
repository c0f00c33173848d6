from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import ConfigError
from pipeline.prune.facts import model_facts
from pipeline.prune.prune import prune_once
from pipeline.prune.select import Limits
from tests.prune.models import chain, mobilenet_v1, nested, randomise, residual, shapes, shared


def test_a_quarter_less_is_the_narrower_mobilenet() -> None:
    pruned = prune_once(mobilenet_v1(1.0), ratio=0.25).model
    narrow = mobilenet_v1(0.75)
    assert shapes(pruned) == shapes(narrow)
    assert pruned.output_shape == narrow.output_shape


def mobilenet_v2(width: int) -> keras.Model:
    """Widths times `width` / 4 without rounding to eight, and a head that is scaled as well."""
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(8 * width, 3, strides=2, padding="same", name="stem")(inputs)
    channels = 8 * width
    for block, (factor, out, stride) in enumerate(
        [(1, 4, 1), (6, 6, 2), (6, 6, 1), (6, 8, 2), (6, 8, 1), (6, 16, 2)]
    ):
        y = x
        if factor > 1:
            y = layers.Conv2D(channels * factor, 1, name=f"expand{block}")(y)
            y = layers.BatchNormalization(name=f"expand_bn{block}")(y)
            y = layers.ReLU(6.0, name=f"relu{block}")(y)
        y = layers.DepthwiseConv2D(3, strides=stride, padding="same", name=f"dw{block}")(y)
        y = layers.Conv2D(out * width, 1, name=f"project{block}")(y)
        same = stride == 1 and channels == out * width and factor > 1
        x = layers.Add(name=f"add{block}")([x, y]) if same else y
        channels = out * width
    x = layers.Conv2D(64 * width, 1, name="last")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


def test_a_quarter_less_is_the_narrower_mobilenet_v2() -> None:
    limits = Limits(round_to=1)
    pruned = prune_once(mobilenet_v2(4), ratio=0.25, limits=limits)
    assert shapes(pruned.model) == shapes(mobilenet_v2(3))
    assert pruned.after.macs == model_facts(mobilenet_v2(3)).macs


@pytest.mark.parametrize(
    ("build", "millions"),
    [
        (lambda: keras.applications.MobileNet((224, 224, 3), weights=None), (568.7, 4.25)),
        (lambda: keras.applications.MobileNetV2((224, 224, 3), weights=None), (300.8, 3.54)),
        (lambda: keras.applications.ResNet50(weights=None), (3858.0, 25.64)),
    ],
    ids=["mobilenet", "mobilenet_v2", "resnet50"],
)
def test_facts_of_known_models(build: object, millions: tuple[float, float]) -> None:
    facts = model_facts(build())
    assert facts.macs is not None
    assert (round(facts.macs / 1e6, 1), round(facts.params / 1e6, 2)) == millions


def test_facts_by_hand() -> None:
    facts = model_facts(residual())
    stem = 64 * 27 * 8
    block = 64 * (8 * 12 + 9 * 12 + 12 * 8)
    assert facts.macs == stem + 2 * block + 8 * 3
    # In a block's depthwise layer: its input and output, and the shortcut.
    assert facts.peak_activation_bytes == 64 * (12 + 12 + 8)
    assert facts.accuracy is None


def test_facts_count_shared_and_nested_calls_each() -> None:
    assert model_facts(shared()).macs == 64 * (2 * 27 * 8 + 3 * 72 * 8 + 8) + 8 * 6 + 6 * 2
    once = 64 * (72 * 10 + 10 * 8)
    assert model_facts(nested()).macs == 64 * 27 * 8 + 2 * once + 10 * 7 + 7 * 4 + 4 * 3


def test_facts_of_open_sizes_are_unknown() -> None:
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, name="a")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2)(x))
    facts = model_facts(model)
    assert (facts.macs, facts.peak_activation_bytes) == (None, None)
    assert prune_once(model, ratio=0.5).max_abs_difference < 1e-6


@pytest.mark.parametrize("scope", ["local", "global", "isomorphic"])
@pytest.mark.parametrize("share", [0.8, 0.5, 0.3])
def test_keep_params_is_met_and_not_by_far(scope: str, share: float) -> None:
    model = mobilenet_v2(4)
    limits = Limits(round_to=1, min_channels=1)
    result = prune_once(model, keep_params=share, scope=scope, limits=limits)
    kept = result.after.params / result.before.params
    assert share - 0.03 < kept <= share


def test_keep_params_below_the_possible_says_what_is() -> None:
    with pytest.raises(ConfigError, match=r"at least \d+ \(0\.\d+\) stay.*Lower min_channels"):
        prune_once(residual(), keep_params=0.01)


@pytest.mark.parametrize("share", [0.0, 1.0, 2.0])
def test_keep_params_is_a_share(share: float) -> None:
    with pytest.raises(ConfigError, match="keep_params: expected the share"):
        prune_once(residual(), keep_params=share)


def test_ratio_or_keep_params() -> None:
    with pytest.raises(ConfigError, match="Received: neither"):
        prune_once(residual())
    with pytest.raises(ConfigError, match="Received: both"):
        prune_once(residual(), ratio=0.5, keep_params=0.5)


def test_the_same_seed_gives_the_same_model() -> None:
    model = randomise(chain())
    one, same, other = (
        prune_once(model, criterion="random", ratio=0.5, seed=seed) for seed in (5, 5, 6)
    )
    assert one.plan == same.plan
    assert one.plan.keep != other.plan.keep
    for a, b in zip(one.model.get_weights(), same.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_steps_are_told() -> None:
    lines: list[str] = []
    prune_once(chain(), ratio=0.5, log=lines.append)
    assert lines[0] == "3 groups, 3 locks"
    assert lines[-1].startswith("proved: largest difference")
