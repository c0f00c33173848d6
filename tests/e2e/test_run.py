"""A tiny run.toml from drawn pictures to the report: once whole, once interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import REPOSITORY

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

CONFIG = """
[run]
name = "tiny"
seed = 3

[data]
source = "synthetic:80"
size = 32

[model]
architecture = "mobilenet_v1"
alpha = 0.1

[train]
epochs = {epochs}
batch = 16
augment = false

[quantize]
samples = 20

[deploy]
emulator = "unicorn"
"""


def command(folder: Path, *options: str) -> list[str]:
    arguments = ["run", str(folder / "run.toml"), "--runs", str(folder / "runs"), *options]
    return [sys.executable, "-m", "pipeline", *arguments]


def start(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *options), cwd=REPOSITORY, capture_output=True, text=True, check=False
    )


def test_from_run_toml_to_report(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(CONFIG.format(epochs=1))
    first = start(tmp_path)
    assert first.returncode == 0, first.stderr
    for words in ("float", "int8 on the device", "0 of", "instructions per inference"):
        assert words in first.stdout

    root = tmp_path / "runs" / "tiny"
    report = json.loads((root / "report" / "report.json").read_text())
    accuracy, deployment = report["accuracy"], report["deployment"]
    assert deployment["mismatches"] == 0
    assert accuracy["device"]["plain"] == accuracy["int8"]["plain"]
    assert accuracy["device"]["samples"] == accuracy["int8"]["samples"] == deployment["inputs"]
    assert report["config"]["run"]["seed"] == 3
    stages = ("train", "quantize", "plan", "generate", "build/mps2_an386-aot", "report")
    for stage in (*stages, "measure/mps2_an386-aot"):
        manifest = json.loads((root / stage / "manifest.json").read_text())
        assert manifest["outputs"]
        assert len(manifest["key"]) == 64

    again = start(tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert again.stderr.count("up to date") == 7
    assert "epoch" not in again.stderr

    # Another seed of nothing but the last stages leaves the model as it is.
    third = start(tmp_path, "--set", "deploy.samples=5")
    assert third.returncode == 0, third.stderr
    assert third.stderr.count("up to date") == 5
    assert "0 of 5 outputs differ" in third.stdout

    shown = subprocess.run(
        [sys.executable, "-m", "pipeline", "report", str(root)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.stdout == third.stdout

    shutil.rmtree(root / "plan")
    fourth = start(tmp_path, "--set", "deploy.samples=5")
    assert fourth.stderr.count("up to date") == 6


def _heed_ctrl_c() -> None:
    """Undo that background jobs of a shell, this test's own process perhaps, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


PRUNE = """
[prune]
method = "l1"
ratio = 0.25
epochs = 1
"""


def test_a_run_prunes_between_training_and_quantization(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(CONFIG.format(epochs=1) + PRUNE)
    first = start(tmp_path)
    assert first.returncode == 0, first.stderr
    assert "Pruned by l1" in first.stdout
    root = tmp_path / "runs" / "tiny"
    report = json.loads((root / "report" / "report.json").read_text())
    pruned = report["prune"]
    assert pruned["after"]["params"] < pruned["before"]["params"] == report["train"]["params"]
    assert report["deployment"]["model"]["macs"] < report["train"]["macs"]
    assert report["deployment"]["mismatches"] == 0
    assert pruned["after"]["accuracy"] == report["accuracy"]["float"]["plain"]
    assert (root / "prune" / "model.keras").is_file()

    again = start(tmp_path)
    assert again.stdout == first.stdout
    assert again.stderr.count("up to date") == 8
    other = start(tmp_path, "--set", "prune.ratio=0.5", "--set", "deploy.samples=2")
    assert other.returncode == 0, other.stderr
    assert "train: up to date" in other.stderr
    assert "prune: up to date" not in other.stderr

    wrong = start(tmp_path, "--set", "prune.method=l1-fliter")
    assert wrong.returncode == 2
    assert "Did you mean 'l1-filter'?" in wrong.stderr


def test_an_interrupted_training_goes_on(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(CONFIG.format(epochs=400))
    process = subprocess.Popen(
        command(tmp_path),
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
        preexec_fn=_heed_ctrl_c,
    )
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "epoch 2 of" in line:
            process.send_signal(signal.SIGINT)
            break
    rest = process.communicate()[1]
    assert process.returncode == 130, "".join(seen) + rest
    assert "go on with" in rest
    assert not (tmp_path / "runs" / "tiny" / "train").exists()

    process = subprocess.Popen(
        command(tmp_path), cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stderr is not None
    epochs = []
    for line in process.stderr:
        if "epoch" in line:
            epochs.append(line)
        if "epoch 4 of" in line:
            process.kill()
            break
    process.communicate()
    assert not any("epoch 1 of" in line for line in epochs), epochs
