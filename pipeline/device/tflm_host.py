"""TensorFlow Lite Micro on this computer: the Python package `tflite-micro`, if installed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import MissingToolError, UnsupportedModelError
from pipeline.records import Array

PACKAGE = "tflite-micro"
# Name of the package's facts in pipeline/plan/tflm/runtimes.py.
RUNTIME = "tflite-micro-wheel"

_CHILD = Path(__file__).with_name("tflm_child.py")
_TIMEOUT_S = 600
_ARENA = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")
# Lines of what TFLM said before it gave up that are worth repeating.
_SAID_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRun:
    """What TFLM answered.

    Attributes:
        outputs: one array [samples, *shape with batch] per output.
        head_bytes, tail_bytes: of the arena, as TFLM reports them.
    """

    outputs: tuple[Array, ...] = field(repr=False)
    head_bytes: int
    tail_bytes: int


def is_installed() -> bool:
    """Whether this computer has it."""
    return importlib.util.find_spec("tflite_micro") is not None


def run_on_host(tflite: bytes, x: Sequence[Array]) -> HostRun:
    """Run a model on every sample, in a process of its own.

    Args:
        tflite: the bytes of the file.
        x: one array [samples, *shape with batch] per input.
    Raises:
        MissingToolError: the package is not installed.
        UnsupportedModelError: TFLM cannot run the model.
    """
    if not is_installed():
        raise MissingToolError(
            f"TFLM on this computer needs the package {PACKAGE}. Received: none. "
            f"Install it: pip install {PACKAGE}."
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, inputs, outputs = (folder / file for file in ("m.tflite", "x.npz", "y.npz"))
        model.write_bytes(tflite)
        named: dict[str, Any] = {f"x{place}": values for place, values in enumerate(x)}
        np.savez(inputs, **named)
        command = [sys.executable, str(_CHILD), str(model), str(inputs), str(outputs)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            raise UnsupportedModelError(
                f"TFLM on this computer must answer within {_TIMEOUT_S} s. Received: nothing."
            ) from error
        if done.returncode or not outputs.exists():
            raise UnsupportedModelError(
                f"TFLM on this computer cannot run this model: {_said(done.stderr)}"
            )
        with np.load(outputs) as file:
            answers = tuple(file[f"y{place}"] for place in range(len(file.files)))
    arena = {what: int(size) for what, size in _ARENA.findall(done.stderr)}
    return HostRun(outputs=answers, head_bytes=arena["head"], tail_bytes=arena["tail"])


def _said(stderr: str) -> str:
    """TFLM's own words, without Python's traceback."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    words = [
        line for line in lines if not line.startswith(("Traceback", "File ", "raise ", "^", "~"))
    ]
    return "; ".join(dict.fromkeys(words[:_SAID_LINES])) or "it ended without a word."
