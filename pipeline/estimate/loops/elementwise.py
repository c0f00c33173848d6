"""Loops of the kernels that compute each element by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pipeline.estimate.runs import KernelRun


def add_dsp(run: KernelRun) -> Counter[str]:
    """Four elements of a row at a time."""
    row = run.params["row_bytes"]
    return Counter(
        calls=run.calls, rows=run.rows, fours=run.rows * (row // 4), singles=run.rows * (row % 4)
    )


def mul_dsp(run: KernelRun) -> Counter[str]:
    """Four elements of a run at a time; a gate has a run for each pixel."""
    p = run.params
    runs = run.rows * -(-p["row_bytes"] // p["run"])
    return Counter(
        calls=run.calls,
        rows=run.rows,
        runs=runs,
        fours=runs * (p["run"] // 4),
        singles=runs * (p["run"] % 4),
    )


def add(run: KernelRun) -> Counter[str]:
    """One element at a time of shapes that broadcast."""
    p = run.params
    counts = _broadcast(run, p)
    # Factors that only shift to the left, or not at all, are not rounded twice.
    for name, shift in (
        ("a", p["a"]["shift"]),
        ("b", p["b"]["shift"]),
        ("sums", p["output_shift"]),
    ):
        counts[f"{name}_unrounded"] = counts["values"] * (shift >= 0)
    return counts


def broadcast(run: KernelRun) -> Counter[str]:
    """The same for kernels whose parameters hold a struct broadcast, or are one."""
    return _broadcast(run, run.params.get("broadcast", run.params))


def _broadcast(run: KernelRun, shapes: Mapping[str, Any]) -> Counter[str]:
    _, _, columns, channels = shapes["shape"]
    return Counter(
        calls=run.calls,
        rows=run.rows,
        columns=run.rows * columns,
        values=run.rows * columns * channels,
    )


def lookup(run: KernelRun) -> Counter[str]:
    """One element at a time."""
    return Counter(calls=run.calls, rows=run.rows, values=run.rows * run.params["row_bytes"])


def flip_sign(run: KernelRun) -> Counter[str]:
    """Sixteen elements at a time, then one."""
    row = run.params["row_bytes"]
    return Counter(
        calls=run.calls,
        rows=run.rows,
        blocks=run.rows * (row // 16),
        singles=run.rows * (row % 16),
    )


def real_values(run: KernelRun) -> Counter[str]:
    """One element at a time, from or to float."""
    return Counter(calls=run.calls, values=run.params["size"])


def softmax(run: KernelRun) -> Counter[str]:
    """Two passes of exponentials; what each takes depends on the values."""
    p = run.params
    return Counter(calls=run.calls, rows=p["rows"], values=p["rows"] * p["depth"])
