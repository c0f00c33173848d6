"""The state of a training on disk, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.records import Array

_LISTS = ("model", "average", "optimizer", "best")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """Everything that the next epoch depends on.

    Attributes:
        mark: `fingerprint` of what the training started from.
        history: the epochs' reports as plain values.
        model, average, optimizer, best: arrays, in their owners' order.
    """

    mark: str
    history: tuple[dict[str, Any], ...]
    model: list[Array]
    average: list[Array]
    optimizer: list[Array]
    best: list[Array]


def fingerprint(options: dict[str, Any], arrays: Iterable[Array]) -> str:
    """Hash, hex, over options and arrays: equal only for the same training."""
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def save_state(path: Path, state: TrainingState) -> None:
    """Write the state so that a kill at any moment leaves the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Array] = {
        f"{name}_{index:04d}": array
        for name in _LISTS
        for index, array in enumerate(getattr(state, name))
    }
    head = json.dumps({"mark": state.mark, "history": state.history})
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, head=np.array(head), **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load_state(path: Path, mark: str) -> TrainingState | None:
    """The state of that training; None where there is none, or one of another training."""
    try:
        # Opened here: NumPy leaves a broken file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            head = json.loads(str(archive["head"]))
            if head["mark"] != mark:
                return None
            lists = {
                name: [archive[key] for key in sorted(archive.files) if key.startswith(name + "_")]
                for name in _LISTS
            }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return TrainingState(mark=head["mark"], history=tuple(head["history"]), **lists)
