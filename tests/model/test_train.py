import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.model import AugmentOptions, EpochReport, TrainOptions, train_model
from pipeline.model.train import num_epochs
from pipeline.quiet import import_tensorflow
from pipeline.samples import balanced_accuracy, to_model_input
from pipeline.training.augment import augment_batch
from tests.shared import REPOSITORY

import_tensorflow()


def task(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures with or without a bright square, one in four with."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 120, (samples, 12, 12, 3), dtype=np.uint8)
    y = (np.arange(samples) % 4 == 0).astype(np.int64)
    for index in np.flatnonzero(y):
        row, column = rng.integers(0, 8, 2)
        x[index, row : row + 4, column : column + 4] = 230
    return x, y


def tiny_model() -> "keras.Model":  # type: ignore[name-defined]  # noqa: F821
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, name="conv"),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.GlobalMaxPooling2D(),
            layers.Dropout(0.1),
            layers.Dense(2, activation="softmax"),
        ]
    )


OPTIONS = TrainOptions(epochs=6, batch_size=16, learning_rate=2e-2, average=0.9)


def test_it_learns_an_unbalanced_task_and_keeps_the_best_weights() -> None:
    model, (x, y), val = tiny_model(), task(160), task(80, seed=1)
    reports: list[EpochReport] = []
    steps: list[tuple[int, int]] = []
    result = train_model(
        model,
        (x, y),
        val,
        OPTIONS,
        on_epoch=reports.append,
        on_progress=lambda done, total: steps.append((done, total)),
    )
    assert tuple(reports) == result.history
    assert [report.epoch for report in reports] == list(range(1, len(reports) + 1))
    assert steps[-1] == (60, 60)
    best = max(report.val_balanced_accuracy for report in reports)
    scores = np.asarray(model(to_model_input(val[0]), training=False))
    assert balanced_accuracy(scores.argmax(axis=1), val[1]) == pytest.approx(best)
    assert best > 0.9
    assert reports[result.best_epoch - 1].val_balanced_accuracy == best


def test_it_stops_without_progress() -> None:
    x, _ = task(32)
    noise = np.random.default_rng(5).integers(0, 2, 32)
    options = TrainOptions(epochs=50, batch_size=16, learning_rate=1e-6, patience=2)
    val = (np.zeros((4, 12, 12, 3), np.uint8), np.array([0, 1, 0, 1]))
    result = train_model(tiny_model(), (x, noise), val, options)
    # Equal results count as progress only where they are not worse; 0.5 stays 0.5.
    assert len(result.history) <= 50
    assert result.best_epoch <= len(result.history)


def test_an_interrupted_training_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    data, val = task(96), task(40, seed=1)
    whole = tiny_model()
    expected = train_model(whole, data, val, OPTIONS)

    def stop(report: EpochReport) -> None:
        if report.epoch == 3:
            raise KeyboardInterrupt

    state = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        train_model(tiny_model(), data, val, OPTIONS, state_path=state, on_epoch=stop)
    resumed = tiny_model()
    lines: list[str] = []
    result = train_model(resumed, data, val, OPTIONS, state_path=state, log=lines.append)
    assert result.resumed_from == 3
    assert lines == ["train: resuming after epoch 3"]
    assert [report.epoch for report in result.history] == [
        report.epoch for report in expected.history
    ]
    for one, other in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.slow
def test_a_kill_loses_at_most_the_running_epoch(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import os, signal, sys
            sys.path.insert(0, {str(REPOSITORY)!r})
            from pathlib import Path
            from tests.model.test_train import OPTIONS, task, tiny_model
            from pipeline.model import train_model
            def kill(report):
                if report.epoch == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
            train_model(tiny_model(), task(64), task(40, seed=1), OPTIONS,
                        state_path=Path({str(tmp_path / "state.npz")!r}), on_epoch=kill)
            """
        )
    )
    killed = subprocess.run([sys.executable, str(script)], check=False, capture_output=True)
    assert killed.returncode == -9
    result = train_model(
        tiny_model(), task(64), task(40, seed=1), OPTIONS, state_path=tmp_path / "state.npz"
    )
    assert result.resumed_from == 2
    assert len(result.history) == OPTIONS.epochs


@pytest.mark.parametrize("damage", ["truncated", "other options"])
def test_a_state_that_does_not_fit_is_not_used(tmp_path: Path, damage: str) -> None:
    state, data = tmp_path / "state.npz", task(32)
    first = TrainOptions(epochs=1, batch_size=16)
    train_model(tiny_model(), data, data, first, state_path=state)
    if damage == "truncated":
        state.write_bytes(state.read_bytes()[:500])
        options = first
    else:
        options = TrainOptions(epochs=2, batch_size=16)
    lines: list[str] = []
    result = train_model(tiny_model(), data, data, options, state_path=state, log=lines.append)
    assert result.resumed_from == 0
    assert "starting afresh" in lines[0]


def test_tensors_train_without_augmentation() -> None:
    import keras

    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (64, 10), dtype=np.int8)
    y = (x[:, 0] > 0).astype(np.int64)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(2, activation="softmax")])
    result = train_model(
        model, (x, y), (x, y), TrainOptions(epochs=15, batch_size=8, learning_rate=0.1)
    )
    assert result.history[-1].val_accuracy > 0.85


def test_augmentation_is_seeded_and_stays_in_range() -> None:
    x = to_model_input(task(8)[0])
    seeds = [np.array([1, 2], np.int32), np.array([1, 3], np.int32)]
    first, again, other = (
        np.asarray(augment_batch(x, seed, AugmentOptions(turn=0.3)))
        for seed in (seeds[0], seeds[0], seeds[1])
    )
    assert (first == again).all()
    assert (first != other).any()
    assert first.min() >= -1
    assert first.max() <= 127 / 128


def test_no_augmentation_changes_nothing() -> None:
    x = to_model_input(task(4)[0])
    none = AugmentOptions(
        flip=False,
        shift=0,
        scale=1,
        stretch=0,
        rotate=0,
        brightness=0,
        contrast=0,
        saturation=0,
        erase=0,
    )
    changed = np.asarray(augment_batch(x, np.array([0, 0], np.int32), none))
    assert changed == pytest.approx(x, abs=1e-5)


@pytest.mark.parametrize(
    ("asked", "samples", "expected"), [(0, 2600, 15), (0, 600, 60), (0, 50_000, 12), (7, 600, 7)]
)
def test_automatic_epochs_bound_the_time(asked: int, samples: int, expected: int) -> None:
    assert num_epochs(TrainOptions(epochs=asked), samples) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (TrainOptions(epochs=-1), "epochs: expected at least 0"),
        (TrainOptions(batch_size=1), "batch_size: expected at least 2"),
        (TrainOptions(learning_rate=0), "learning_rate"),
    ],
)
def test_wrong_options(options: TrainOptions, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_model(tiny_model(), task(16), task(16), options)


def test_samples_that_do_not_fit_the_model() -> None:
    wrong_shape = (np.zeros((4, 8, 8, 3), np.uint8), np.zeros(4, np.int64))
    with pytest.raises(ConfigError, match=r"training samples: expected shape \[12, 12, 3\]"):
        train_model(tiny_model(), wrong_shape, task(16), OPTIONS)
    x, y = task(16)
    with pytest.raises(ConfigError, match="validation labels: expected 0 to 1"):
        train_model(tiny_model(), (x, y), (x, y + 1), OPTIONS)
