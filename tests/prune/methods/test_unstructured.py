from __future__ import annotations

import keras
import numpy as np
import pytest

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.prune.methods.unstructured import (
    kernels_of,
    prune_combined,
    prune_unstructured,
    smallest,
)
from pipeline.prune.select import Limits
from tests.prune.methods.training import Trainer
from tests.prune.models import chain, randomise, residual, shapes


def zeros(model: keras.Model, kinds: str = "all") -> int:
    return sum(int((kernel.numpy() == 0).sum()) for kernel in kernels_of(model, kinds))


def size(model: keras.Model, kinds: str = "all") -> int:
    return sum(int(np.prod(kernel.shape)) for kernel in kernels_of(model, kinds))


@pytest.mark.parametrize("sparsity", [0.0, 0.333, 0.5, 0.9])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_sparsity_is_exact(scope: str, sparsity: float) -> None:
    model = residual()
    result = prune_unstructured(model, sparsity=sparsity, scope=scope)
    kernels = kernels_of(result.model)
    if scope == "global":
        assert zeros(result.model) == round(sparsity * size(model))
    else:
        for kernel in kernels:
            assert (kernel.numpy() == 0).sum() == round(sparsity * np.prod(kernel.shape))
    assert result.steps[-1].params == result.after.params - zeros(result.model)
    assert result.steps[-1].removed == zeros(result.model)


def test_the_smallest_go_and_equals_from_the_end() -> None:
    one, other = np.array([[3.0, -1.0], [1.0, 1.0]]), np.array([-0.5, 1.0])
    masks = smallest([one, other], 0.5)
    np.testing.assert_array_equal(masks[0], [[True, True], [True, False]])
    np.testing.assert_array_equal(masks[1], [False, False])


def test_zeros_stay_through_training_and_later_steps() -> None:
    trainer = Trainer()
    model = randomise(residual())
    seen: list[list[np.ndarray]] = []

    def evaluate(model: keras.Model) -> dict[str, float]:
        seen.append([kernel.numpy() == 0 for kernel in kernels_of(model)])
        return trainer.evaluate(model)

    result = prune_unstructured(
        model, sparsity=0.6, steps=3, epochs=7, fine_tune=trainer, evaluate=evaluate
    )
    assert trainer.epochs == [2, 2, 3]
    assert zeros(result.model) == round(0.6 * size(model))
    for before, after in zip(seen[:2], seen[1:3], strict=True):
        assert all((two | ~one).all() for one, two in zip(before, after, strict=True))
    assert all(kernel.constraint is None for kernel in kernels_of(result.model))
    assert zeros(model) == 0


def test_it_is_labelled_as_no_gain() -> None:
    model = residual()
    result = prune_unstructured(model, sparsity=0.9)
    assert "latency on a microcontroller stay as they were" in result.notes[0]
    assert shapes(result.model) == shapes(model)
    assert (result.plan, result.after.params) == (None, result.before.params)


def test_the_combination() -> None:
    trainer = Trainer()
    result = prune_combined(
        chain(),
        ratio=0.5,
        sparsity=0.5,
        epochs=5,
        fine_tune=trainer,
        evaluate=trainer.evaluate,
        limits=Limits(round_to=1),
    )
    assert trainer.epochs == [2, 3]
    assert result.method == "combined"
    assert [step.name for step in result.steps] == ["l1-filter", "step 1"]
    assert result.model.get_layer("b").filters == 6
    assert result.model.get_layer("hidden").units == 16
    assert zeros(result.model, "dense") == round(0.5 * size(result.model, "dense"))
    assert zeros(result.model, "convolution") == 0
    assert result.max_abs_difference < 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sparsity": 1.0}, "sparsity: expected the share"),
        ({"sparsity": 0.5, "scope": "local"}, "scope: expected one of global, layer"),
        ({"sparsity": 0.5, "kinds": "lstm"}, "kinds: expected one of all, dense, convolution"),
        ({"sparsity": 0.5, "steps": 0}, "stages: expected at least 1"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prune_unstructured(chain(), **options)


def test_layers_of_a_kind_that_is_missing() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    with pytest.raises(UnsupportedModelError, match="expected layers with kernels of kind"):
        prune_unstructured(model, sparsity=0.5, kinds="convolution")
