"""Loops of the kernels that only move values."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pipeline.estimate.loops.memory import moved
from pipeline.estimate.runs import KernelRun


def pad(run: KernelRun) -> Counter[str]:
    """Rows of padding, and rows of pixels between padding."""
    p = run.params
    _, height, width, channels = p["input_shape"]
    before, after = p["before"], p["after"]
    rows = before[1] + height + after[1]
    blank = sum(
        not (
            0 <= y // rows - before[0] < p["input_shape"][0] and 0 <= y % rows - before[1] < height
        )
        for first, end in run.ranges
        for y in range(first, end)
    )
    filled = run.rows - blank
    pixel = before[3] + channels + after[3]
    counts: Counter[str] = Counter(calls=run.calls, rows=run.rows, columns=filled * width)
    moved(counts, "blanks", blank, (before[2] + width + after[2]) * pixel)
    moved(counts, "copies", filled * width, channels)
    for name, times, values in (
        ("sides", filled, pixel * before[2]),
        ("sides", filled, pixel * after[2]),
        ("sides", filled * width, before[3]),
        ("sides", filled * width, after[3]),
    ):
        moved(counts, name, times, values)
    return counts


def concatenation(run: KernelRun) -> Counter[str]:
    """A copy for each run of each input."""
    p = run.params
    counts: Counter[str] = Counter(
        calls=run.calls, rows=run.rows, inputs=run.rows * p["num_inputs"]
    )
    for chunk in np.ravel(p["chunk"]):
        moved(counts, "copies", run.rows * p["runs"], int(chunk))
    return counts


def strided_copy(run: KernelRun) -> Counter[str]:
    """Runs of neighbours as a copy, others one element at a time."""
    p = run.params
    first, second, third, length = p["shape"]
    counts: Counter[str] = Counter(
        calls=run.calls,
        rows=run.rows,
        outer=run.rows * first,
        middle=run.rows * first * second,
    )
    runs = run.rows * first * second * third
    if p["stride"][3] == 1:
        moved(counts, "copies", runs, length)
    else:
        counts["runs"], counts["values"] = runs, runs * length
    return counts


def resize_nearest_neighbor(run: KernelRun) -> Counter[str]:
    """A copy for each pixel."""
    p = run.params
    counts: Counter[str] = Counter(calls=run.calls, rows=run.rows)
    moved(counts, "copies", run.rows * p["output_w"], p["channels"])
    return counts


def resize_bilinear(run: KernelRun) -> Counter[str]:
    """Four neighbours of each value."""
    p = run.params
    pixels = run.rows * p["output_w"]
    return Counter(calls=run.calls, rows=run.rows, pixels=pixels, values=pixels * p["channels"])
