from __future__ import annotations

import keras
import pytest

from pipeline.errors import ConfigError
from pipeline.prune.blocks import check_blocks, find_blocks
from pipeline.prune.trace import trace_model
from tests.prune.models import chain, residual


def test_blocks_by_their_names() -> None:
    model = keras.applications.MobileNetV2((32, 32, 3), weights=None, classes=2)
    blocks = find_blocks(trace_model(model))
    names = ["Conv1", "expanded_conv", *(f"block_{n}" for n in range(1, 17)), "Conv_1"]
    assert list(blocks) == [*names, "predictions"]
    assert blocks["Conv1"] == ("Conv1", "bn_Conv1", "Conv1_relu")
    assert blocks["block_1"][0] == "block_1_expand"
    assert blocks["block_2"][-1] == "block_2_add"


def test_blocks_of_other_applications() -> None:
    resnet = keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=2)
    assert sum("block" in name for name in find_blocks(trace_model(resnet))) == 16
    small = keras.applications.MobileNetV3Small((32, 32, 3), weights=None, classes=2)
    blocks = find_blocks(trace_model(small))
    assert sum(name.startswith("expanded_conv") for name in blocks) == 11


def test_a_residual_part_stays_together() -> None:
    blocks = find_blocks(trace_model(residual()))
    assert list(blocks) == ["stem", "expand0", "expand1", "head"]
    assert blocks["expand0"][-1] == "add0"
    assert blocks["stem"] == ("stem", "stem_bn")


def test_in_a_chain_each_layer_is_a_block() -> None:
    blocks = find_blocks(trace_model(chain()))
    assert list(blocks) == ["a", "b", "hidden", "head"]
    assert blocks["a"] == ("a", "a_bn", "a_act")
    assert blocks["b"] == ("b", "pool", "gap")


def test_blocks_of_a_caller() -> None:
    trace = trace_model(chain())
    assert check_blocks(trace, {"one": ["a", "b"]}) == {"one": ("a", "b")}
    with pytest.raises(ConfigError, match="expected layers of model 'chain'. Received: 'c'"):
        check_blocks(trace, {"one": ["c"]})
    with pytest.raises(ConfigError, match="'a', which is in 'one' too"):
        check_blocks(trace, {"one": ["a"], "two": ["b", "a"]})
