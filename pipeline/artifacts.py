"""The run folder: one folder per stage with a manifest, written whole or not at all.

A stage writes into a temporary folder beside its own, which takes its place at the end. A stage
whose inputs, configuration and code are unchanged since its manifest was written is up to date.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pipeline import __version__
from pipeline.errors import ConfigError

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
_TEMPORARY = ".unfinished-"
_STATE = "state"
_LOCK = ".lock"
_CHUNK_BYTES = 1 << 20


def hash_file(path: Path) -> str:
    """Return the sha256 of a file's content, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def hash_tree(root: Path, *, suffixes: tuple[str, ...] | None = None) -> str:
    """Return one sha256 over names and contents of a file or of all files below a folder.

    Args:
        root: a file or a folder; hidden files and byte code are left out.
        suffixes: only files that end so.
    """
    if root.is_file():
        return hash_file(root)
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
        if hidden or not path.is_file() or (suffixes and path.suffix not in suffixes):
            continue
        digest.update(f"{relative.as_posix()}\0{hash_file(path)}\n".encode())
    return digest.hexdigest()


def hash_value(value: object) -> str:
    """Return the sha256 of a JSON value, independent of the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def tool_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of installed Python packages; "not installed" where one is absent."""
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def source_commit(root: Path) -> str | None:
    """The commit that a Git checkout stands at, hex; None where there is none, or it is unusual.

    Args:
        root: of the checkout.
    """
    git = root / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).is_file():
            return (git / name).read_text(encoding="ascii").strip()
        packed = (git / "packed-refs").read_text(encoding="ascii").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except (OSError, ValueError):
        return None


def write_json(path: Path, value: object) -> None:
    """Write a JSON file: indented, keys in the given order, newline at the end."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class StageKey:
    """Everything a stage's outputs depend on.

    Attributes:
        inputs: sha256 of each input, by a name that says what it is.
        config: the settings that the stage reads.
        code: sha256 over the sources that the stage runs.
        tools: versions of what the stage uses besides them.
        seed: of everything random in the stage.
    """

    inputs: Mapping[str, str]
    config: Mapping[str, Any]
    code: str
    tools: Mapping[str, str]
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return {
            "pipeline": __version__,
            "seed": self.seed,
            "config": dict(self.config),
            "code": self.code,
            "tools": dict(self.tools),
            "inputs": dict(self.inputs),
        }

    @property
    def digest(self) -> str:
        """One sha256 for all of it."""
        return hash_value(self.to_dict())


class RunFolder:
    """A folder under runs/, held by one process at a time.

    Args:
        root: the folder; it is made when it is opened.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def open(self, *, wait: bool = False) -> Iterator[None]:
        """Hold the folder, and clear away what killed runs left half-written.

        The lock ends with the process, however that ends.

        Args:
            wait: until the process that holds the folder lets it go.
        Raises:
            ConfigError: another process holds the folder, or it cannot be written.
        """
        with self._locked(wait):
            for leftover in self.root.rglob(f"{_TEMPORARY}*"):
                shutil.rmtree(leftover, ignore_errors=True)
            yield

    @contextmanager
    def _locked(self, wait: bool) -> Iterator[None]:
        lock_path = self.root / _LOCK
        while True:
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                stream = lock_path.open("a+")
            except OSError as error:
                raise ConfigError(f"run folder {self.root}: cannot be written: {error}") from error
            with stream:
                self._acquire(stream, wait)
                # While this process waited, the folder may have been removed with its lock.
                if not lock_path.exists() or not os.path.samestat(
                    os.fstat(stream.fileno()), lock_path.stat()
                ):
                    continue
                stream.truncate(0)
                stream.write(str(os.getpid()))
                stream.flush()
                yield
                return

    def _acquire(self, stream: TextIO, wait: bool) -> None:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            stream.seek(0)
            owner = stream.read().strip() or "unknown"
            raise ConfigError(
                f"run folder {self.root} is in use by process {owner}. Wait for it, or give "
                "this run another name (--set run.name=...)."
            ) from error

    def last_used_s(self) -> float:
        """When the folder was last opened, in seconds since the epoch; 0 for never."""
        lock_path = self.root / _LOCK
        return lock_path.stat().st_mtime if lock_path.exists() else 0.0

    def remove(self) -> bool:
        """Remove the folder unless a process holds it; returns whether it is gone."""
        try:
            with self._locked(wait=False):
                shutil.rmtree(self.root, ignore_errors=True)
        except ConfigError:
            return False
        return not self.root.exists()

    def stage_path(self, stage: str) -> Path:
        """Folder of a stage, e.g. "train" or "build/mps2_an386-aot"."""
        return self.root / stage

    def is_current(self, stage: str, key: StageKey) -> bool:
        """Whether the stage's folder was made from exactly `key` and is still whole."""
        folder = self.stage_path(stage)
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            outputs: dict[str, str] = manifest["outputs"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if manifest.get("schema") != SCHEMA_VERSION or manifest.get("key") != key.digest:
            return False
        return all(
            (folder / name).is_file() and hash_file(folder / name) == digest
            for name, digest in outputs.items()
        )

    def write_stage(self, stage: str, key: StageKey, write: Callable[[Path], None]) -> Path:
        """Let `write` fill a new folder, and put it in the stage's place with its manifest.

        Whatever `write` raises leaves the previous folder as it was.

        Returns:
            The stage's folder.
        """
        final = self.stage_path(stage)
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=final.parent))
        try:
            temporary.chmod(0o755)
            write(temporary)
            _write_manifest(temporary, stage, key)
            _replace_folder(temporary, final)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return final

    def state_path(self, stage: str, key: StageKey) -> Path:
        """Folder for what a stage saves to resume after a kill; made if needed.

        It belongs to this `key` alone: the state of any other is removed.
        """
        states = self.root / _STATE
        name = stage.replace("/", "-")
        folder = states / f"{name}-{key.digest[:16]}"
        for other in states.glob(f"{name}-*"):
            if other != folder:
                shutil.rmtree(other)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def drop_state(self, stage: str) -> None:
        """Remove what `state_path` gave for the stage, which is complete now."""
        name = stage.replace("/", "-")
        for folder in (self.root / _STATE).glob(f"{name}-*"):
            shutil.rmtree(folder)


def cached_folder(root: Path, identity: object, kept: int) -> RunFolder:
    """A folder of its own below `root` for a JSON value; the oldest make room for new ones.

    Args:
        root: it need not exist.
        identity: what the folder is for.
        kept: folders at most, those in use aside.
    """
    path = root / hash_value(identity)[:16]
    if root.is_dir() and not path.exists():
        others = sorted(map(RunFolder, root.iterdir()), key=RunFolder.last_used_s)
        for other in others[: -(kept - 1)]:
            other.remove()
    return RunFolder(path)


def _write_manifest(folder: Path, stage: str, key: StageKey) -> None:
    outputs = {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = {"schema": SCHEMA_VERSION, "stage": stage, "key": key.digest, **key.to_dict()}
    write_json(folder / MANIFEST, {**manifest, "outputs": outputs})


def _replace_folder(new: Path, final: Path) -> None:
    """Put `new` in the place of `final`; a reader sees the old one, none, or the whole new one."""
    if not final.exists():
        new.rename(final)
        return
    old = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=final.parent)) / "old"
    final.rename(old)
    new.rename(final)
    shutil.rmtree(old.parent)
