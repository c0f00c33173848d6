from __future__ import annotations

import keras
import numpy as np
import pytest

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.prune.masks import copy_model
from pipeline.prune.methods.slimming import prune_slimming, scales_of, train_sparse
from pipeline.prune.select import Limits
from tests.prune.methods.training import Trainer
from tests.prune.models import grouped, randomise, residual

LOOSE = Limits(round_to=1, min_channels=1, max_ratio=0.99)


def gammas(model: keras.Model) -> np.ndarray:
    return np.concatenate([np.abs(scale.numpy()) for scale in scales_of(model)])


def test_sparsity_training_shrinks_scales_and_nothing_else_stays_behind() -> None:
    plain, sparse = (copy_model(randomise(residual())) for _ in range(2))
    before = gammas(plain)
    Trainer()(plain, 5)
    train_sparse(sparse, Trainer(), 5, 0.2)
    assert gammas(sparse).mean() < 0.8 * gammas(plain).mean()
    assert gammas(sparse).mean() < 0.8 * before.mean()
    assert all(scale.regularizer is None for scale in scales_of(sparse))


def test_the_step_is_lambda_times_the_sign() -> None:
    model = copy_model(residual())
    scale = scales_of(model)[0]
    scale.assign(np.array([0.5, -0.5, 2.0, -2.0, 1.0, -1.0, 1.0, 1.0]))
    before = np.array(scale.numpy())

    def one_step(model: keras.Model, epochs: int) -> keras.Model:
        # A loss of zero: what moves is moved by the penalty.
        model.compile(
            keras.optimizers.SGD(1.0), loss=lambda truth, guess: 0.0 * guess, run_eagerly=True
        )
        trainer = Trainer()
        model.fit(trainer.x, trainer.y, batch_size=8, epochs=epochs, verbose=0)
        return model

    train_sparse(model, one_step, 1, 0.01)
    np.testing.assert_allclose(before - scale.numpy(), 0.01 * np.sign(before), atol=1e-6)


def test_a_global_threshold_takes_the_smallest() -> None:
    model = residual()
    values = {
        "stem_bn": np.full(8, 5.0),
        "expand0_bn": np.full(12, 4.0),
        "dw0_bn": np.full(12, 4.0),
        "expand1_bn": np.linspace(0.1, 1.2, 12),
        "dw1_bn": np.linspace(0.1, 1.2, 12),
    }
    for name, gamma in values.items():
        model.get_layer(name).gamma.assign(gamma)
    result = prune_slimming(model, ratio=8 / 32, limits=LOOSE)
    assert result.steps[-1].removed == 8
    assert result.model.get_layer("expand1").filters == 4
    assert result.model.get_layer("expand0").filters == 12
    kept = result.model.get_layer("expand1_bn").gamma.numpy()
    np.testing.assert_allclose(kept, values["expand1_bn"][8:], rtol=1e-6)


def test_batch_norms_of_a_group_count_by_their_mean() -> None:
    model = residual()
    for name, gamma in (("expand0_bn", 0.2), ("dw0_bn", 3.0), ("expand1_bn", 1.0), ("dw1_bn", 1.0)):
        model.get_layer(name).gamma.assign(np.full(12, gamma))
    model.get_layer("stem_bn").gamma.assign(np.full(8, 9.0))
    result = prune_slimming(model, ratio=6 / 32, limits=LOOSE)
    assert result.model.get_layer("expand0").filters == 12
    assert result.model.get_layer("expand1").filters == 6


def test_no_layer_is_emptied() -> None:
    model = residual()
    for name in ("expand0_bn", "dw0_bn"):
        model.get_layer(name).gamma.assign(np.zeros(12))
    result = prune_slimming(model, ratio=0.5, limits=Limits(round_to=1, min_channels=2))
    assert result.model.get_layer("expand0").filters == 2


def test_groups_without_scales_are_locked() -> None:
    model = residual()
    inputs, x = model.inputs, model.get_layer("gap").output
    x = keras.layers.Dense(8, name="hidden")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="last")(x))
    locks = {lock.layer: lock.reason for lock in prune_slimming(model, ratio=0.3).locked}
    assert "no batch normalization with a scale" in locks["hidden"]


def test_training_in_order() -> None:
    trainer = Trainer()
    model = randomise(residual())
    before = [weight.copy() for weight in model.get_weights()]
    result = prune_slimming(
        model,
        keep_params=0.6,
        sparsity_epochs=2,
        epochs=3,
        fine_tune=trainer,
        evaluate=trainer.evaluate,
    )
    assert trainer.epochs == [2, 3]
    assert [step.name for step in result.steps] == ["sparsity training", "slimming"]
    assert result.after.params <= 0.6 * result.before.params
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_without_batch_norm() -> None:
    with pytest.raises(UnsupportedModelError, match="expected batch normalizations with a scale"):
        train_sparse(grouped(), Trainer(), 1, 1e-4)


def test_epochs_without_data() -> None:
    with pytest.raises(ConfigError, match=r"0 \+ 3 epochs need labelled data"):
        prune_slimming(residual(), ratio=0.5, epochs=3)
