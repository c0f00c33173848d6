"""Runs one model in TensorFlow Lite Micro, as a program of its own: TFLM may end its process.

Usage: tflm_child.py MODEL.tflite INPUTS.npz OUTPUTS.npz

INPUTS.npz holds x0, x1, ...: one array [samples, *shape with batch] per input. OUTPUTS.npz gets y0,
y1, ... likewise. Standard error ends with TFLM's report of its arena.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

# Far more than any model for microcontrollers needs; memory that is not touched costs nothing.
_ARENA_BYTES = 1 << 28


def main() -> None:
    """Run every sample, then let TFLM report its arena."""
    model, inputs_path, outputs_path = map(Path, sys.argv[1:])
    runtime = importlib.import_module("tflite_micro").runtime
    interpreter = runtime.Interpreter.from_bytes(model.read_bytes(), arena_size=_ARENA_BYTES)
    with np.load(inputs_path) as file:
        inputs = [file[f"x{place}"] for place in range(len(file.files))]
    rows = []
    for sample in zip(*inputs, strict=True):
        for place, values in enumerate(sample):
            interpreter.set_input(np.ascontiguousarray(values), place)
        interpreter.invoke()
        rows.append(_outputs(interpreter))
    columns = enumerate(zip(*rows, strict=True))
    named: dict[str, Any] = {f"y{place}": np.stack(column) for place, column in columns}
    np.savez(outputs_path, **named)
    interpreter.print_allocations()


def _outputs(interpreter: Any) -> list[Any]:
    """All outputs; how many there are shows only when there is no further one."""
    outputs: list[Any] = []
    while True:
        try:
            outputs.append(interpreter.get_output(len(outputs)))
        except (IndexError, ValueError):
            return outputs


if __name__ == "__main__":
    main()
