"""Fine-tuning: on which side of the data, how often compiled, and resumed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.data import Dataset, Split
from pipeline.errors import DoesNotFitError
from pipeline.model import train as training
from pipeline.report.progress import Reporter
from pipeline.stages.prune_methods import PruneSettings, planned_epochs
from pipeline.stages.pruning import prune_model
from pipeline.stages.tuning import Tuning

SIDE = 40


def samples(*, test_is_wrong: bool = False) -> tuple[Dataset, Split]:
    """Bright and dark pictures, 40 on each side; test labels may be swapped."""
    rng = np.random.default_rng(0)
    y = np.arange(3 * SIDE) % 2
    x = rng.integers(0, 100, (len(y), 8, 8, 3)) + 120 * y[:, None, None, None]
    if test_is_wrong:
        y[2 * SIDE :] = 1 - y[2 * SIDE :]
    dataset = Dataset(
        spec="brightness",
        class_names=("dark", "bright"),
        ids=tuple(str(index) for index in range(len(y))),
        x=x.astype(np.uint8),
        y=y,
        keys=np.arange(len(y), dtype=np.uint64),
    )
    train, val, test = np.split(np.arange(3 * SIDE), 3)
    return dataset, Split(
        train=train, val=val, test=test, num_groups=len(y), largest_group=1, left_out=0
    )


def bright_or_dark() -> keras.Model:
    """Right for every picture, by the sum of eight channels that all tell the brightness."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 1, activation="relu", name="conv")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax", name="head")(x))
    model.get_layer("conv").set_weights([np.full((1, 1, 3, 8), 0.2), np.full(8, 0.1)])
    head = np.stack([np.full(8, -2.0), np.full(8, 2.0)], axis=1)
    model.get_layer("head").set_weights([head, np.zeros(2)])
    return model


def tuning(model: keras.Model, settings: PruneSettings | None = None, **options: object) -> Tuning:
    settings = settings or PruneSettings(ratio=0.5, epochs=2, learning_rate=1e-3)
    return Tuning(model, samples(), settings, Reporter(quiet=True), **options)  # type: ignore[arg-type]


def test_choices_are_made_on_validation_and_figures_come_from_the_test_side() -> None:
    model = bright_or_dark()
    data = samples(test_is_wrong=True)
    settings = PruneSettings(method="l1", accuracy_floor=0.9)
    pruned = prune_model(model, settings, data, None, Reporter(quiet=True))
    # Validation says that every picture is right, the test side that every one is wrong.
    assert pruned.report["after"]["params"] < pruned.report["before"]["params"]
    assert pruned.report["before"]["accuracy"] == pruned.report["after"]["accuracy"] == 0.0
    assert {step["metrics"]["accuracy"] for step in pruned.report["steps"]} == {1.0}

    settings = PruneSettings(method="l1", budget="macs=2k,accuracy>=0.9")
    report = prune_model(model, settings, data, None, Reporter(quiet=True)).report
    assert report["after"]["accuracy"] == 0.0


def test_an_accuracy_that_validation_does_not_have_is_out_of_reach() -> None:
    dataset, split = samples(test_is_wrong=True)
    swapped = dataclasses.replace(split, val=split.test, test=split.val)
    for settings in (
        PruneSettings(method="l1", accuracy_floor=0.9),
        PruneSettings(method="l1", budget="macs=2k,accuracy>=0.9"),
    ):
        with pytest.raises(DoesNotFitError, match="accuracy"):
            prune_model(bright_or_dark(), settings, (dataset, swapped), None, Reporter(quiet=True))


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each training step that is compiled."""
    found: list[int] = []
    compile_step = training.Trainer._compile_step

    def counted(self: training.Trainer) -> Callable[..., object]:
        found.append(1)
        return compile_step(self)

    monkeypatch.setattr(training.Trainer, "_compile_step", counted)
    return found


def test_a_model_that_is_trained_again_is_not_compiled_again(compiled: list[int]) -> None:
    model = bright_or_dark()
    tuner = tuning(model)
    tuner.fine_tune(model, 1)
    tuner.fine_tune(model, 3)
    assert len(compiled) == 1
    model.get_layer("conv").kernel.constraint = keras.constraints.NonNeg()
    tuner.fine_tune(model, 1)
    assert len(compiled) == 2
    tuner.fine_tune(bright_or_dark(), 1)
    assert len(compiled) == 3
    assert tuner.trained_epochs == 6


def test_a_second_training_knows_nothing_of_the_first() -> None:
    weights = []
    for before in (1, 0):
        model = bright_or_dark()
        tuner = tuning(model)
        if before:
            tuner.fine_tune(model, 2)
            model.set_weights(bright_or_dark().get_weights())
        tuner.fine_tune(model, 2)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_masks_that_grow_are_compiled_once_and_stay_zero(compiled: list[int]) -> None:
    settings = PruneSettings(
        method="magnitude-unstructured", epochs=4, options=("sparsity=0.5", "steps=2")
    )
    model = bright_or_dark()
    pruned = prune_model(model, settings, samples(), None, Reporter(quiet=True))
    zeros = [
        int((np.asarray(pruned.model.get_layer(name).kernel) == 0).sum())
        for name in ("conv", "head")
    ]
    # Half of 24 + 16 weights, after AdamW and its weight decay.
    assert sum(zeros) == 20
    assert len(compiled) == 1
    moved = np.asarray(pruned.model.get_layer("head").kernel)
    assert np.abs(moved[moved != 0]).max() != 2.0


def test_what_is_done_is_not_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def prune() -> list[np.ndarray]:
        keras.utils.set_random_seed(0)
        settings = PruneSettings(method="magnitude", ratio=0.5, epochs=2, options=("iterations=2",))
        pruned = prune_model(
            bright_or_dark(), settings, samples(), None, Reporter(), states=tmp_path
        )
        return pruned.model.get_weights()

    first = prune()
    lines = capsys.readouterr().err
    assert [f"epoch {epoch} of 4" in lines for epoch in range(1, 5)] == [True] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tuning-001.npz", "tuning-002.npz"]

    second = prune()
    lines = capsys.readouterr().err
    assert "epoch 1 of" not in lines
    assert lines.count("resuming after epoch 2") == 2
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)

    (tmp_path / "tuning-002.npz").unlink()
    prune()
    lines = capsys.readouterr().err
    assert [f"epoch {epoch} of 4" in lines for epoch in range(1, 5)] == [False, False, True, True]


PLANNED = {
    "one step": (PruneSettings(ratio=0.5, epochs=4), 4),
    "iterations": (PruneSettings(method="iterative", ratio=0.5, epochs=4), 40),
    "fewer iterations": (
        PruneSettings(method="magnitude", ratio=0.5, epochs=4, options=("iterations=3",)),
        12,
    ),
    "stages": (PruneSettings(method="multistage", ratio=0.5, epochs=4), 8),
    "sparsity training": (
        PruneSettings(method="slimming", ratio=0.5, epochs=4, options=("sparsity_epochs=3",)),
        7,
    ),
    "a floor": (PruneSettings(accuracy_floor=0.5, epochs=4), None),
    "a budget": (PruneSettings(budget="macs=1k", epochs=4), None),
}


@pytest.mark.parametrize(("settings", "epochs"), PLANNED.values(), ids=PLANNED)
def test_how_long_it_takes_is_known_beforehand(settings: PruneSettings, epochs: int | None) -> None:
    assert planned_epochs(settings) == epochs


def test_recipe_and_rate() -> None:
    model = bright_or_dark()
    recipe = dataclasses.replace(training.FRESH, batch_size=8, label_smoothing=0.1)
    options = tuning(model, PruneSettings(ratio=0.5), recipe=recipe)._options
    assert (options.batch_size, options.label_smoothing) == (8, 0.1)
    assert options.learning_rate == recipe.learning_rate / 2
    settings = PruneSettings(ratio=0.5, learning_rate=1e-5, batch=4)
    options = tuning(model, settings)._options
    assert (options.batch_size, options.learning_rate) == (4, 1e-5)
