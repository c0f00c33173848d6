from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.artifacts import (
    MANIFEST,
    RunFolder,
    StageKey,
    hash_file,
    hash_tree,
    source_commit,
)
from pipeline.errors import ConfigError
from tests.shared import REPOSITORY

KEY = StageKey(inputs={"x": "aa"}, config={"n": 1}, code="cc", tools={"t": "1"}, seed=7)


def fill(out: Path) -> None:
    (out / "deep").mkdir()
    (out / "deep" / "result.txt").write_text("42\n")


def test_a_written_stage_is_current_and_its_manifest_tells_why(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.open():
        assert not folder.is_current("stage", KEY)
        path = folder.write_stage("stage", KEY, fill)
        assert folder.is_current("stage", KEY)
    manifest = json.loads((path / MANIFEST).read_text())
    assert manifest["schema"] == 1
    assert manifest["seed"] == 7
    assert manifest["tools"] == {"t": "1"}
    assert manifest["inputs"] == {"x": "aa"}
    assert manifest["outputs"] == {"deep/result.txt": hash_file(path / "deep" / "result.txt")}


CHANGES = {
    "inputs": {"inputs": {"x": "bb"}},
    "config": {"config": {"n": 2}},
    "code": {"code": "dd"},
    "tools": {"tools": {"t": "2"}},
    "seed": {"seed": 8},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_any_change_makes_a_stage_stale(tmp_path: Path, change: dict[str, object]) -> None:
    folder = RunFolder(tmp_path)
    folder.write_stage("stage", KEY, fill)
    assert not folder.is_current("stage", dataclasses.replace(KEY, **change))


@pytest.mark.parametrize("damage", ["change", "remove", "manifest", "no manifest"])
def test_a_damaged_stage_is_stale(tmp_path: Path, damage: str) -> None:
    folder = RunFolder(tmp_path)
    path = folder.write_stage("stage", KEY, fill)
    result, manifest = path / "deep" / "result.txt", path / MANIFEST
    if damage == "change":
        result.write_text("43\n")
    elif damage == "remove":
        result.unlink()
    elif damage == "manifest":
        manifest.write_text("{")
    else:
        manifest.unlink()
    assert not folder.is_current("stage", KEY)


def test_a_failing_stage_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_stage("stage", KEY, fill)

    def fail(out: Path) -> None:
        (out / "half.txt").write_text("")
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        folder.write_stage("stage", dataclasses.replace(KEY, seed=8), fail)
    assert folder.is_current("stage", KEY)
    assert [path.name for path in tmp_path.iterdir()] == ["stage"]


def test_a_stage_is_rewritten_whole(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_stage("stage", KEY, fill)
    other = dataclasses.replace(KEY, seed=8)
    path = folder.write_stage("stage", other, lambda out: (out / "new.txt").touch())
    assert sorted(item.name for item in path.iterdir()) == [MANIFEST, "new.txt"]
    assert [item.name for item in tmp_path.iterdir()] == ["stage"]


KILLED = """
import sys, time
from pathlib import Path
from tests.test_artifacts import KEY
from pipeline.artifacts import RunFolder

folder = RunFolder(Path(sys.argv[1]))
def write(out):
    (out / "half.txt").touch()
    (folder.state_path("stage", KEY) / "epoch").write_text("3")
    print("ready", flush=True)
    time.sleep(60)
with folder.open():
    folder.write_stage("stage", KEY, write)
"""


def test_a_kill_leaves_state_and_no_half_written_stage(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        folder = RunFolder(tmp_path)
        with pytest.raises(ConfigError, match=f"in use by process {process.pid}"):
            folder.open().__enter__()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with folder.open():
        assert not (tmp_path / "stage").exists()
        assert not list(tmp_path.glob(".unfinished-*"))
        assert (folder.state_path("stage", KEY) / "epoch").read_text() == "3"
        folder.write_stage("stage", KEY, fill)
        folder.drop_state("stage")
        assert not list((tmp_path / "state").iterdir())


def test_state_belongs_to_one_key(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    first = folder.state_path("build/board", KEY)
    (first / "note").touch()
    assert folder.state_path("build/board", KEY) == first
    second = folder.state_path("build/board", dataclasses.replace(KEY, seed=8))
    assert second != first
    assert not first.exists()


def test_waiting_for_the_lock(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from pipeline.artifacts import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).open(): print('ready', flush=True); time.sleep(0.5)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    start = time.monotonic()
    with RunFolder(tmp_path).open(wait=True):
        assert time.monotonic() - start > 0.2
    process.communicate()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        RunFolder(tmp_path / "file" / "run").open().__enter__()


def test_a_tree_hash_sees_names_and_contents_and_no_byte_code(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    before = hash_tree(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("x")
    (tmp_path / ".hidden").write_text("x")
    assert hash_tree(tmp_path) == before
    (tmp_path / "b.txt").write_text("1")
    assert hash_tree(tmp_path) != before
    assert hash_tree(tmp_path, suffixes=(".py",)) == before


def test_the_commit_of_a_checkout(tmp_path: Path) -> None:
    assert source_commit(tmp_path) is None
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert source_commit(tmp_path) is None
    (git / "packed-refs").write_text(
        "# pack-refs with: peeled\n" + "ab" * 20 + " refs/heads/main\n"
    )
    assert source_commit(tmp_path) == "ab" * 20
    (git / "refs" / "heads" / "main").write_text("cd" * 20 + "\n")
    assert source_commit(tmp_path) == "cd" * 20
    (git / "HEAD").write_text("ef" * 20 + "\n")
    assert source_commit(tmp_path) == "ef" * 20
