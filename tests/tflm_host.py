"""How little memory TensorFlow Lite Micro starts with, through the wheel `tflite-micro`.

It aborts the whole process on some models and arenas, so every attempt is a process of its own:
this file run as a program forks one for each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# For models of tests: far more than any of them needs.
PLENTY_BYTES = 1 << 20
_STEP_BYTES = 16


def smallest_arena(model: Path, guess: int) -> int:
    """The smallest arena, in steps of 16 bytes, in which a model starts and runs.

    Args:
        model: a .tflite file that TFLM can run.
        guess: where to begin; a good one saves most of the attempts.
    """
    done = subprocess.run(
        [sys.executable, __file__, str(model), str(guess)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout)


def _interpreter(data: bytes, arena_bytes: int) -> Any:
    from tflite_micro import runtime

    return runtime.Interpreter.from_bytes(data, arena_size=arena_bytes)


def _starts(data: bytes, arena_bytes: int) -> bool:
    """Whether a model starts and runs, tried in a child process."""
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        try:
            _interpreter(data, arena_bytes).invoke()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _search(data: bytes, guess: int) -> int:
    """Bisect, from the guess on."""
    assert _starts(data, PLENTY_BYTES), "TFLM cannot run this model at all"
    low, high = 0, PLENTY_BYTES // _STEP_BYTES
    middle = guess // _STEP_BYTES
    while high - low > 1:
        if _starts(data, middle * _STEP_BYTES):
            high = middle
            middle = max(low + 1, high - 1) if high == guess // _STEP_BYTES else (low + high) // 2
        else:
            low, middle = middle, (middle + high) // 2
    return high * _STEP_BYTES


if __name__ == "__main__":
    print(_search(Path(sys.argv[1]).read_bytes(), int(sys.argv[2])))  # noqa: T201
