"""keras.applications with random weights, pruned by half."""

from __future__ import annotations

import time

import keras
import pytest

from pipeline.prune.groups import find_groups
from pipeline.prune.prune import prune_once
from pipeline.prune.select import select
from pipeline.prune.surgery import materialise
from pipeline.prune.trace import trace_model
from tests.prune.models import randomise

GROUPS = {
    "MobileNet": 14,
    "MobileNetV2": 25,
    "MobileNetV3Small": 27,
    "EfficientNetB0": 40,
    "ResNet50": 37,
    "ResNet50V2": 37,
    "DenseNet121": 120,
    "Xception": 28,
    "NASNetMobile": 128,
}

# The head, the input and what stands between it and the first convolution.
LOCKED = {"input_layer", "predictions", "conv_preds", "logits", "normalization"}


def build(name: str) -> keras.Model:
    keras.backend.clear_session()
    model = getattr(keras.applications, name)(
        input_shape=(96, 96, 3), weights=None, classes=10, classifier_activation=None
    )
    return randomise(model)


@pytest.mark.slow
@pytest.mark.parametrize("name", GROUPS)
def test_half_of_every_application_goes(name: str) -> None:
    model = build(name)
    result = prune_once(model, ratio=0.5)
    assert len(result.plan.groups) == GROUPS[name]
    assert {lock.layer for lock in result.locked} <= LOCKED
    assert result.max_abs_difference < 1e-5
    assert result.after.params < 0.3 * result.before.params
    assert result.before.macs is not None
    assert result.after.macs is not None
    assert result.after.macs < 0.35 * result.before.macs


@pytest.mark.slow
def test_grouping_and_surgery_of_the_largest_take_under_a_minute() -> None:
    model = build("NASNetMobile")
    start = time.monotonic()
    trace = trace_model(model)
    groups = find_groups(trace).groups
    plan = select(groups, [group.units.astype(float) for group in groups], 0.5)
    materialise(trace, plan)
    assert time.monotonic() - start < 60
