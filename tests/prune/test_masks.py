from __future__ import annotations

import keras
import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.prune.masks import MaskedModel, copy_model
from tests.prune.methods.training import Trainer
from tests.prune.models import MODELS, predictions, randomise, residual


@pytest.mark.parametrize("name", ["residual", "nested", "shared"])
def test_a_copy_is_equal_and_independent(name: str) -> None:
    model = randomise(MODELS[name]())
    copy = copy_model(model)
    for one, other in zip(predictions(model), predictions(copy), strict=True):
        np.testing.assert_array_equal(one, other)
    before = [weight.copy() for weight in model.get_weights()]
    copy.set_weights([weight * 0 for weight in before])
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_masks_stay_on_while_the_rest_learns(compiled: bool) -> None:
    masked = MaskedModel(copy_model(randomise(residual())))
    kernel = masked.model.get_layer("expand0").kernel
    first = np.ones(kernel.shape, bool)
    first[..., :3] = False
    masked.mask([(kernel, first)])
    trainer = Trainer(compiled=compiled)
    masked.fine_tune(trainer, 2)
    before = np.array(kernel.numpy())
    second = np.ones(kernel.shape, bool)
    second[..., 5] = False
    masked.mask([(kernel, second)])
    masked.fine_tune(trainer, 2)
    after = np.array(kernel.numpy())
    assert not after[..., [0, 1, 2, 5]].any()
    assert (after != 0)[..., [3, 4, 6]].all()
    assert np.abs(after - before)[..., 6].max() > 1e-4
    masked.release()
    assert kernel.constraint is None
    trainer(masked.model, 1)
    assert np.array(kernel.numpy())[..., 0].any()


def test_a_constraint_from_before_is_kept() -> None:
    model = copy_model(residual())
    kernel = model.get_layer("expand0").kernel
    kernel.constraint = keras.constraints.NonNeg()
    masked = MaskedModel(model)
    mask = np.arange(np.prod(kernel.shape)).reshape(kernel.shape) % 2 == 0
    masked.mask([(kernel, mask)])
    masked.fine_tune(Trainer(), 1)
    value = np.array(kernel.numpy())
    assert value.min() >= 0
    assert not value[~mask].any()
    masked.release()
    assert isinstance(kernel.constraint, keras.constraints.NonNeg)


def test_weights_of_another_model_are_taken_over() -> None:
    masked = MaskedModel(copy_model(residual()))
    kernel = masked.model.get_layer("expand0").kernel
    masked.mask([(kernel, np.zeros(kernel.shape, bool))])

    def doubled(model: keras.Model, epochs: int) -> keras.Model:
        other = copy_model(model)
        other.set_weights([weight * 2 for weight in other.get_weights()])
        return other

    before = np.array(masked.model.get_layer("stem").kernel.numpy())
    masked.fine_tune(doubled, 1)
    np.testing.assert_array_equal(masked.model.get_layer("stem").kernel.numpy(), before * 2)


def test_lost_masks_are_an_error() -> None:
    masked = MaskedModel(copy_model(residual()))
    kernel = masked.model.get_layer("expand0").kernel
    masked.mask([(kernel, np.zeros(kernel.shape, bool))])

    def careless(model: keras.Model, epochs: int) -> keras.Model:
        model.set_weights([weight + 1 for weight in model.get_weights()])
        return model

    with pytest.raises(ConfigError, match="expected masked weights of .*expand0.* to stay 0"):
        masked.fine_tune(careless, 1)
