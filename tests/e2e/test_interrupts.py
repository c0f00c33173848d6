"""A run that is broken off in every stage, by Ctrl-C, SIGTERM and kill -9, goes on each time."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.shared import REPOSITORY
from tests.signals import heed_ctrl_c

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

CONFIG = """
[run]
name = "tiny"
[data]
source = "synthetic:80"
size = 32
[model]
architecture = "mobilenet_v1"
alpha = 0.1
[train]
epochs = 3
batch = 16
[prune]
method = "l1"
ratio = 0.25
epochs = 2
[quantize]
samples = 20
[deploy]
emulator = "unicorn"
"""

BUILD, MEASURE = "build/mps2_an386-aot", "measure/mps2_an386-aot"
STAGES = ("train", "prune", "quantize", "plan", "generate", BUILD, MEASURE, "report")

# The line at which a run is broken off, by what, and the stages that are whole by then at least.
BREAKS = (
    ("epoch 1 of 3", signal.SIGKILL, ()),
    ("epoch 2 of 3", signal.SIGINT, ()),
    ("epoch 1 of 2", signal.SIGKILL, ("train",)),
    ("calibrating int8", signal.SIGINT, ("train", "prune")),
    ("calibrating int8", signal.SIGKILL, ("train", "prune")),
    ("plan\n", signal.SIGKILL, ("train", "prune", "quantize")),
    ("generate\n", signal.SIGKILL, STAGES[:4]),
    ("building mps2_an386-aot", signal.SIGTERM, STAGES[:5]),
    ("building mps2_an386-aot", signal.SIGKILL, STAGES[:5]),
    ("inputs on unicorn", signal.SIGINT, STAGES[:6]),
    ("inputs on unicorn", signal.SIGKILL, STAGES[:6]),
    ("report\n", signal.SIGKILL, STAGES[:7]),
)
STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}


class Runner:
    """Starts one run.toml in folders of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "runs" / "tiny"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        (folder / "run.toml").write_text(CONFIG)
        self.command = [sys.executable, "-m", "pipeline", "run", str(folder / "run.toml")]
        self.command += ["--runs", str(folder / "runs")]

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command,
            cwd=REPOSITORY,
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_ctrl_c,
        )

    def finish(self) -> str:
        """Runs to the end; returns what it told."""
        process = self.start()
        told = process.communicate()[1]
        assert process.returncode == 0, told
        return told

    def break_off(self, words: str, signum: signal.Signals) -> str:
        """Sends a signal at the first line that holds the words; returns what it told."""
        process = self.start()
        assert process.stderr is not None
        told = ""
        for line in process.stderr:
            told += line
            if words in line:
                process.send_signal(signum)
                break
        told += process.communicate()[1]
        # The last stage takes no time: its end may come before the signal.
        expected = {STATUSES[signum], *([0] if words == "report\n" else [])}
        assert process.returncode in expected, told
        return told

    def whole_stages(self) -> set[str]:
        """The stages whose folders are there; each of them has to be whole."""
        found = set()
        for stage in STAGES:
            folder = self.root / stage
            if folder.exists():
                outputs = json.loads((folder / "manifest.json").read_text())["outputs"]
                assert all((folder / name).is_file() for name in outputs)
                found.add(stage)
        return found

    def leftover_processes(self) -> list[str]:
        """Programs that still know the folder, and were given time to end."""
        for _ in range(50):
            found = [
                path.parent.name
                for path in Path("/proc").glob("[0-9]*/cmdline")
                if str(self.folder).encode() in _content(path)
            ]
            if not found:
                break
            time.sleep(0.1)
        return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def outputs(root: Path) -> dict[str, str]:
    """Hashes of all that the stages made, but for what holds times or names of folders."""
    found = {}
    for stage in STAGES[:7]:
        hashes = json.loads((root / stage / "manifest.json").read_text())["outputs"]
        found |= {f"{stage}/{name}": digest for name, digest in hashes.items()}
        found.pop(f"{stage}/build.log", None)
        # Keras writes down when a model was saved: its weights are what counts.
        if found.pop(f"{stage}/model.keras", None):
            with zipfile.ZipFile(root / stage / "model.keras") as archive:
                weights = archive.read("model.weights.h5")
            found[f"{stage}/weights"] = hashlib.sha256(weights).hexdigest()
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_run_goes_on_after_every_break_and_ends_the_same(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "whole").mkdir()
    broken, whole = Runner(tmp_path / "broken"), Runner(tmp_path / "whole")
    for words, signum, stages in BREAKS:
        told = broken.break_off(words, signum)
        at = f"{signum.name} at {words!r}: {told}"
        assert broken.leftover_processes() == [], at
        assert set(stages) <= broken.whole_stages(), at
        for stage in stages:
            title = stage.split("/")[0]
            # What was whole before is not made again, whichever break it was whole at.
            assert f"{title}: up to date" in told or f"\n{title}\n" in f"\n{told}", at
        if signum is not signal.SIGKILL:
            assert "Interrupted in" in told, at
            assert f"go on with: espalier run {broken.folder}/run.toml" in told, at
            # Whoever is asked to end tidies up.
            assert not list(broken.root.rglob(".unfinished-*")), at
            assert not list(broken.root.rglob(".platformio-*")), at
            # A compiler that is killed would leave files here.
            assert not list(broken.temporary.glob("cc*")), at
        if words == "epoch 2 of 3":
            assert "resuming after epoch 1" in told, at
            assert "epoch 1 of 3" not in told, at
            assert "Interrupted in train: training, epoch 2 of 3." in told, at
    told = broken.finish()
    assert told.count("up to date") >= len(STAGES) - 1
    assert not list(broken.root.rglob(".unfinished-*"))
    assert not list((broken.root / "state").iterdir())
    whole.finish()
    assert outputs(broken.root) == outputs(whole.root)


def test_nothing_temporary_stays_after_ctrl_c(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    runner.break_off("epoch 1 of 3", signal.SIGINT)
    assert list(runner.temporary.iterdir()) == []
