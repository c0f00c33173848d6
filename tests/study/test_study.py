"""Whole studies, as processes of their own: TensorFlow's threads are fixed once in each."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tests.shared import REPOSITORY
from tests.study import postgres

pytestmark = pytest.mark.slow

STUDY = """
[study]
seeds = [0, 1]
heartbeat_s = 3
[model]
files = ["net.keras"]
[data]
source = "data.npz"
[equal]
epochs = 2
batch = 8
round_to = 1
threads = 1
[space]
methods = ["none", "l1", "budget"]
ratios = [0.5]
budgets = ["macs=1%"]
[method.l1]
scope = ["local", "global"]
"""
# Of them those of the budget are impossible.
TRIALS, FAILURES = 8, 2
LIMIT_S = 300.0


def make_files(folder: Path) -> None:
    """A model, separable data, and the study of both."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 2
    x = rng.integers(0, 200, (90, 12, 12, 3)) + 40 * y[:, None, None, None]
    np.savez(folder / "data.npz", x=x.astype(np.uint8), y=y)
    keras.utils.set_random_seed(1)
    inputs = keras.Input((12, 12, 3))
    hidden = inputs
    for width in (8, 12):
        hidden = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(hidden)
        hidden = layers.ReLU(6.0)(layers.BatchNormalization()(hidden))
    outputs = layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(hidden))
    keras.Model(inputs, outputs, name="net").save(folder / "net.keras")
    (folder / "study.toml").write_text(STUDY)


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "study", "study.toml", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def started(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the test at the latest."""
    process = start(folder, *options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finished(process: subprocess.Popen[str], status: int = 0) -> tuple[str, str]:
    out, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == status, error
    assert "Warning" not in error
    assert "Traceback" not in error
    return out, error


def run(folder: Path, *options: str) -> tuple[str, str]:
    with started(folder, *options) as process:
        return finished(process)


def in_the_middle(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a process is in a trial that is not its first."""
    deadline = time.monotonic() + LIMIT_S
    for pattern in ("costs/*/costs.json", "trials/.unfinished-*"):
        while not list(folder.glob(pattern)):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, f"no {pattern}"
            time.sleep(0.02)


def results(folder: Path) -> dict[str, Any]:
    """Everything of a study's trials but times and names of folders."""
    report = json.loads((folder / "study.json").read_text())
    found = {}
    for record in [*report["trials"], *report["failed"]]:
        kept = {k: v for k, v in record.items() if k not in ("seconds", "costs_folder")}
        if record["status"] == "done":
            model = keras.models.load_model(folder / record["folder"] / "model.keras")
            kept["weights"] = [weight.tobytes() for weight in model.get_weights()]
        found[record["key"]] = kept
    return found


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one process has finished the study in `alone`, interrupted once."""
    folder = tmp_path_factory.mktemp("study")
    make_files(folder)
    with started(folder, "--out", "alone") as process:
        in_the_middle(folder / "alone", process)
        process.send_signal(signal.SIGINT)
        _, error = finished(process, 130)
    assert "What is finished is kept; go on with: espalier study study.toml" in error
    assert not list(folder.glob("alone/*/.unfinished-*"))
    done = {path: path.stat().st_mtime_ns for path in folder.glob("alone/trials/*/manifest.json")}
    assert 0 < len(done) < TRIALS
    out, error = run(folder, "--out", "alone", "--json", "printed.json")
    assert "trials are finished already" in error
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert "failed: net, budget, macs=1%, seed 1: DoesNotFitError: budget: expected" in out
    return folder


def test_what_a_study_leaves(single: Path) -> None:
    folder = single / "alone"
    report = json.loads((folder / "study.json").read_text())
    assert report == json.loads((single / "printed.json").read_text())
    assert len(report["trials"]) == TRIALS - FAILURES
    assert [record["error"] for record in report["failed"]] == ["DoesNotFitError"] * FAILURES
    assert {record["trained_epochs"] for record in report["trials"]} == {2}
    by_method = {row["label"]: row for row in report["rows"]}
    none, local = by_method["none"], by_method["l1 scope=local"]
    assert local["seeds"] == none["seeds"] == [0, 1]
    assert local["costs"]["arena"]["mean"] < none["costs"]["arena"]["mean"]
    assert 0 < local["max_abs_difference"] < 1e-5
    model = keras.models.load_model(folder / report["trials"][1]["folder"] / "model.keras")
    assert model.count_params() == report["trials"][1]["params"]
    names = {path.name for path in folder.iterdir()}
    assert {"study.json", "study.md", "accuracy-arena.png", "queue.sqlite3"} <= names


def test_what_is_finished_is_not_done_again(single: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in single.glob("alone/trials/*/*")}
    out, error = run(single, "--out", "alone", "--set", "costs.int8=true", "--json", "-")
    # Another queue, for int8 is costed too; but the models are those that there are.
    assert {path: path.stat().st_mtime_ns for path in single.glob("alone/trials/*/*")} == before
    report = json.loads(out)
    assert f"{TRIALS} of {TRIALS}: " in error
    assert 0 <= report["rows"][0]["int8"]["test"]["accuracy"]["mean"] <= 1
    assert list((single / "alone" / report["trials"][0]["costs_folder"]).glob("*.tflite"))
    # Back to the first queue, and its report.
    run(single, "--out", "alone")


def test_a_workers_files_must_be_those_of_the_study(single: Path) -> None:
    with started(single, "--out", "alone", "--worker", "--set", "equal.epochs=3") as process:
        _, error = finished(process, 2)
    assert "a worker must have the same files, settings and code" in error
    assert "Received: other equal" in error


def test_workers_on_a_server_give_what_one_gives_though_one_is_killed(single: Path) -> None:
    import optuna
    from optuna.trial import TrialState

    with postgres.server() as url, contextlib.ExitStack() as stack:
        options = ("--out", "together", "--storage", url)
        doomed = stack.enter_context(started(single, *options, "--worker"))
        in_the_middle(single / "together", doomed)
        doomed.send_signal(signal.SIGKILL)
        workers = [
            stack.enter_context(started(single, *options, *extra)) for extra in ([], ["--worker"])
        ]
        for worker in workers:
            finished(worker)
        storage = optuna.storages.RDBStorage(url)
        (name,) = optuna.get_all_study_names(storage)
        trials = optuna.load_study(study_name=name, storage=storage).get_trials()
        storage.engine.dispose()
    assert results(single / "together") == results(single / "alone")
    states = [trial.state for trial in trials if "record" in trial.user_attrs]
    assert sorted(states) == [TrialState.COMPLETE] * 6 + [TrialState.FAIL] * FAILURES
    lost = [t for t in trials if t.state == TrialState.FAIL and "record" not in t.user_attrs]
    assert len(lost) == 1
    # What the killed worker had left half-written is gone.
    assert not list(single.glob("together/*/.unfinished-*"))
