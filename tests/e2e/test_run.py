"""A tiny run.toml from drawn pictures to the report: once whole, once interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.report.html.page_reader import Page, at_pointer
from tests.shared import REPOSITORY
from tests.signals import heed_ctrl_c

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

CONFIG = """
[run]
name = "tiny"
seed = 3

[data]
source = "synthetic:80"
size = 32

[model]
architecture = "ds_cnn"

[train]
epochs = {epochs}
batch = 16
augment = false

[quantize]
samples = 20

[deploy]
emulator = "unicorn"
"""


def command(folder: Path, *options: str, verb: str = "run") -> list[str]:
    arguments = [verb, str(folder / "run.toml"), "--runs", str(folder / "runs"), *options]
    return [sys.executable, "-m", "pipeline", *arguments]


def start(folder: Path, *options: str, verb: str = "run") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *options, verb=verb),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with run.toml and a run that has trained; what comes behind starts from there."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "run.toml").write_text(CONFIG.format(epochs=1))
    done = start(folder, verb="train")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def trained(once: Path, tmp_path: Path) -> Path:
    """A copy of it, for one test."""
    return shutil.copytree(once, tmp_path, dirs_exist_ok=True)


def test_from_run_toml_to_report(trained: Path) -> None:
    first = start(trained)
    assert first.returncode == 0, first.stderr
    for words in ("float", "int8 on the device", "0 of", "instructions per inference"):
        assert words in first.stdout

    root = trained / "runs" / "tiny"
    report = json.loads((root / "report" / "report.json").read_text())
    check_page(root, report)
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

    again = start(trained)
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert again.stderr.count("up to date") == 7
    assert "epoch" not in again.stderr

    # Another seed of nothing but the last stages leaves the model as it is.
    third = start(trained, "--set", "deploy.samples=5")
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
    fourth = start(trained, "--set", "deploy.samples=5")
    assert fourth.stderr.count("up to date") == 6


def check_page(root: Path, report: dict[str, Any]) -> None:
    """The page holds the figures of report.json, and is the same when it is made again."""
    text = (root / "report" / "report.html").read_text()
    page = Page(text)
    assert page.json == report
    for key, value, _ in page.figures:
        assert json.loads(value) == at_pointer(report, key)
    assert (
        sum(part["bytes"] for part in report["flash_parts"])
        == (report["deployment"]["flash"]["total_bytes"])
    )
    assert text.count('<img src="data:image/png') == len(report["quantize"]["worst"])
    again = root / "again.html"
    arguments = ["report", str(root), "--html", str(again), "--junit", str(root / "gates.xml")]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert again.read_text() == text
    suite = ElementTree.parse(root / "gates.xml").getroot()[0]
    assert len(suite) == len(report["gates"])


PRUNE = """
[prune]
method = "l1"
ratio = 0.25
epochs = 1
"""


def test_a_run_prunes_between_training_and_quantization(trained: Path) -> None:
    (trained / "run.toml").write_text(CONFIG.format(epochs=1) + PRUNE)
    first = start(trained)
    assert first.returncode == 0, first.stderr
    assert "pruned by l1" in first.stdout
    root = trained / "runs" / "tiny"
    report = json.loads((root / "report" / "report.json").read_text())
    pruned = report["prune"]
    assert pruned["after"]["params"] < pruned["before"]["params"] == report["train"]["params"]
    assert report["deployment"]["model"]["macs"] < report["train"]["macs"]
    assert report["deployment"]["mismatches"] == 0
    assert pruned["after"]["accuracy"] == report["accuracy"]["float"]["plain"]
    assert (root / "prune" / "model.keras").is_file()

    again = start(trained)
    assert again.stdout == first.stdout
    assert again.stderr.count("up to date") == 8
    other = start(trained, "--set", "prune.ratio=0.5", "--set", "deploy.samples=2")
    assert other.returncode == 0, other.stderr
    assert "train: up to date" in other.stderr
    assert "prune: up to date" not in other.stderr

    wrong = start(trained, "--set", "prune.method=l1-fliter")
    assert wrong.returncode == 2
    assert "Did you mean 'l1-filter'?" in wrong.stderr


def stop_at(arguments: list[str], words: str, signum: int, folder: Path) -> list[str]:
    """Start a command, send it a signal as soon as a line holds the words; the lines it wrote."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        preexec_fn=heed_ctrl_c,
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            process.send_signal(signum)
            break
    lines += process.communicate()[1].splitlines(keepends=True)
    assert process.returncode == (130 if signum == signal.SIGINT else -signum), "".join(lines)
    return lines


def holds(lines: list[str], words: str) -> bool:
    return any(words in line for line in lines)


def test_an_interrupted_training_goes_on(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(CONFIG.format(epochs=400))
    arguments = command(tmp_path)[3:]
    lines = stop_at(arguments, "epoch 2 of", signal.SIGINT, tmp_path)
    assert holds(lines, "go on with")
    assert not (tmp_path / "runs" / "tiny" / "train").exists()
    lines = stop_at(arguments, "epoch 4 of", signal.SIGKILL, tmp_path)
    assert not holds(lines, "epoch 1 of")


def test_an_interrupted_fine_tuning_goes_on(trained: Path) -> None:
    steps = '[prune]\nmethod = "magnitude"\nratio = 0.3\nepochs = 3\noptions = ["iterations=2"]\n'
    (trained / "run.toml").write_text(CONFIG.format(epochs=1) + steps)
    arguments = command(trained)[4:]
    lines = stop_at(["quantize", *arguments], "epoch 2 of 6", signal.SIGINT, trained)
    assert holds(lines, "go on with")
    lines = stop_at(["quantize", *arguments], "epoch 5 of 6", signal.SIGKILL, trained)
    assert holds(lines, "train: up to date")
    assert holds(lines, "resuming after epoch 2")
    assert not holds(lines, "epoch 2 of 6")
    root = trained / "runs" / "tiny"
    assert not (root / "prune").exists()
    last = start(trained, verb="quantize")
    assert last.returncode == 0, last.stderr
    # Of the first iteration nothing is trained again.
    assert "resuming after epoch 3" in last.stderr
    assert "resuming after epoch 2" in last.stderr
    assert [f"epoch {n} of 6" in last.stderr for n in range(1, 7)] == [False] * 5 + [True]
    report = json.loads((root / "prune" / "facts.json").read_text())
    assert [step["name"] for step in report["steps"]] == ["iteration 1", "iteration 2"]
    assert report["method"] == "magnitude"
    assert not list((root / "state").iterdir())


def test_the_verb_goes_on_as_well(tmp_path: Path) -> None:
    from pipeline.model import build_model

    build_model("ds_cnn", (32, 32, 3), 2).save(tmp_path / "model.keras")
    arguments = ["prune", "model.keras", "--ratio", "0.3", "--data", "synthetic:80"]
    arguments += ["--epochs", "4", "--out", "small.keras"]
    lines = stop_at(arguments, "epoch 2 of 4", signal.SIGINT, tmp_path)
    assert holds(lines, "go on with")
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "resuming after epoch 2" in done.stderr
    assert "epoch 2 of 4" not in done.stderr
    assert (tmp_path / "small.keras").exists()


def test_the_example_prunes_a_detector_down_to_the_board(tmp_path: Path) -> None:
    """`make run` in small: the network and the settings are those of the example."""
    arguments = [sys.executable, "-m", "pipeline", "run", "examples/person.toml"]
    for setting in ("data.source=synthetic:90", "train.epochs=1", "deploy.samples=4"):
        arguments += ["--set", setting]
    done = subprocess.run(
        [*arguments, "--set", "deploy.emulator=unicorn", "--runs", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "person" / "report" / "report.json").read_text())
    pruned = report["prune"]
    assert pruned["after"]["params"] < 0.8 * pruned["before"]["params"]
    assert pruned["after"]["macs"] < 0.8 * pruned["before"]["macs"]
    assert report["deployment"]["model"]["macs"] <= pruned["after"]["macs"]
    assert report["deployment"]["mismatches"] == 0
    assert "0 of 4 outputs differ from the reference" in done.stdout
    assert "float, before pruning" in done.stdout
    assert "peak activations, bytes" in done.stdout
    check_page(tmp_path / "person", report)
