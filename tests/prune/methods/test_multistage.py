from __future__ import annotations

import keras
import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.prune.criteria.base import Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.groups import find_groups
from pipeline.prune.masks import MaskedModel, copy_model
from pipeline.prune.methods.multistage import _Masks, prune_multistage
from pipeline.prune.proof import masked_weights
from pipeline.prune.records import Role
from pipeline.prune.select import Limits
from pipeline.prune.surgery import weight_named
from pipeline.prune.trace import trace_model
from tests.prune.methods.training import Trainer
from tests.prune.models import mobilenet_v1, predictions, randomise, residual, shapes

LOOSE = Limits(round_to=1, min_channels=1)


def test_groups_of_the_paper() -> None:
    one = find_groups(trace_model(mobilenet_v1(1.0))).groups
    assert len(one) == 14
    assert {m.layer for m in one[0].members if m.weight == "kernel" and m.role is not Role.IN} == {
        "conv1",
        "conv_dw_1",
    }
    two = keras.applications.MobileNetV2((32, 32, 3), weights=None, classes=2)
    groups = {group.name: group for group in find_groups(trace_model(two)).groups}
    assert len(groups) == 25
    outputs = [group for name, group in groups.items() if name.endswith("_project")]
    assert [group.channels for group in outputs] == [16, 24, 32, 64, 96, 160, 320]
    coupled = {m.layer for m in groups["block_6_project"].members if m.role is Role.OUT}
    assert coupled == {f"block_{n}_project" for n in (6, 7, 8, 9)}


def test_a_quarter_less_in_two_stages_is_the_narrower_network() -> None:
    result = prune_multistage(mobilenet_v1(1.0), ratio=0.25, stages=2)
    assert shapes(result.model) == shapes(mobilenet_v1(0.75))
    assert [step.name for step in result.steps] == ["stage 1", "stage 2"]
    assert result.steps[-1].params == result.after.params
    assert result.steps[-1].macs == result.after.macs


def test_scores_sum_depthwise_filters_too_and_scales_where_asked() -> None:
    model = randomise(residual())
    trace = trace_model(model)

    def scores(batch_norm: str) -> np.ndarray:
        scoring = Scoring(trace=trace, batch_norm=batch_norm)
        scored = importance(criterion_named("l1"), scoring, find_groups(trace))
        names = [group.name for group in scored.grouping.groups]
        return scored.importance[names.index("expand0")]

    def by_hand(conv: float | np.ndarray, depthwise: float | np.ndarray) -> np.ndarray:
        kernel = np.abs(model.get_layer("expand0").kernel.numpy()).sum(axis=(0, 1, 2))
        filters = np.abs(model.get_layer("dw0").kernel.numpy()).sum(axis=(0, 1, 3))
        return kernel * conv + filters * depthwise

    gammas = [np.abs(model.get_layer(f"{name}_bn").gamma.numpy()) for name in ("expand0", "dw0")]
    np.testing.assert_allclose(scores("ignore"), by_hand(1, 1), rtol=1e-5)
    np.testing.assert_allclose(scores("gamma"), by_hand(*gammas), rtol=1e-5)


def test_masked_is_materialised() -> None:
    """What is evaluated behind the last stage is what comes out."""
    outputs = []

    def evaluate(model: keras.Model) -> dict[str, float]:
        outputs.append(predictions(model)[0])
        return {"accuracy": 0.0, "balanced_accuracy": 0.0}

    result = prune_multistage(
        randomise(residual()),
        ratio=0.5,
        epochs=2,
        ramp_epochs=1,
        fine_tune=Trainer(),
        evaluate=evaluate,
        limits=LOOSE,
    )
    np.testing.assert_allclose(predictions(result.model)[0], outputs[1], atol=1e-5)
    assert result.max_abs_difference < 1e-5


def test_masks_only_grow_and_hold() -> None:
    trainer = Trainer()
    masked = MaskedModel(copy_model(randomise(residual())))
    masks = _Masks(masked, False, LOOSE, (), 0)
    gone: list[set[int]] = [set()]
    for ratio in (0.2, 0.4, 0.6):
        plan = masks.advance(ratio)
        masked.fine_tune(trainer, 1)
        gone.append(set(plan.dropped_units().tolist()))
        for layer, name, mask in masked_weights(masks.trace, plan, Role.IN, Role.OUT, Role.THROUGH):
            if not name.startswith("moving_"):
                assert not weight_named(layer, name).numpy()[mask == 0].any()
    assert all(one < other for one, other in zip(gone, gone[1:], strict=False))


def test_epochs_of_ramp_and_recovery() -> None:
    trainer = Trainer()
    model = randomise(residual())
    before = [weight.copy() for weight in model.get_weights()]
    result = prune_multistage(
        model,
        ratio=0.5,
        stages=2,
        epochs=3,
        ramp_epochs=2,
        fine_tune=trainer,
        evaluate=trainer.evaluate,
        limits=LOOSE,
    )
    assert trainer.epochs == [1, 1, 1, 1, 1, 1]
    trainer.epochs.clear()
    prune_multistage(model, ratio=0.5, epochs=3, ramp_epochs=0, fine_tune=trainer)
    assert trainer.epochs == [3, 3]
    trainer.epochs.clear()
    prune_multistage(model, ratio=0.5, stages=1, epochs=5, fine_tune=trainer)
    assert trainer.epochs == [1, 1, 1, 1, 1]
    assert sum(step.removed for step in result.steps) == 4 + 6 + 6
    assert result.after.accuracy == result.steps[-1].metrics["accuracy"]
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_share_of_parameters() -> None:
    result = prune_multistage(residual(), keep_params=0.5, limits=LOOSE)
    assert 0.4 < result.after.params / result.before.params <= 0.5


def test_a_ramp_longer_than_its_stage() -> None:
    with pytest.raises(ConfigError, match="ramp_epochs: expected between 0 and the 3 epochs"):
        prune_multistage(residual(), ratio=0.5, epochs=3, ramp_epochs=4)
