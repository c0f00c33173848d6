"""Loops of the kernels that take the mean or the maximum of something."""

from __future__ import annotations

from collections import Counter

from pipeline.estimate.loops.windows import axis, taps_inside
from pipeline.estimate.runs import KernelRun


def pool_2d(run: KernelRun) -> Counter[str]:
    """One channel of a pixel at a time."""
    return _pool(run, run.params["channels"], 0)


def average_pool_2d_dsp(run: KernelRun) -> Counter[str]:
    """Four channels of a pixel at a time."""
    return _pool(run, -(-run.params["channels"] // 4), 0)


def max_pool_2d_dsp(run: KernelRun) -> Counter[str]:
    """Four channels of a pixel at a time; windows of two by two in a loop of their own."""
    p = run.params
    fours = -(-p["channels"] // 4)
    if not (p["filter_w"] == 2 and p["pad_left"] == 0 and p["input_w"] >= 2):
        return _pool(run, fours, 0)
    whole = min((p["input_w"] - 2) // p["stride_w"] + 1, p["output_w"])
    return _pool(run, fours, whole)


def _pool(run: KernelRun, units: int, quick: int) -> Counter[str]:
    """Windows of each pixel; the first `quick` of rows that see two rows take a loop of their own.

    Args:
        run: the calls.
        units: times that a pixel's window is walked over.
        quick: pixels.
    """
    p = run.params
    counts: Counter[str] = Counter(calls=run.calls)
    for first, end in run.ranges:
        for y in range(first, end):
            rows = taps_inside(y * p["stride_h"] - p["pad_top"], p["filter_h"], p["input_h"])
            skipped = quick if rows == 2 else 0
            columns, inside, outside = axis(
                range(skipped, p["output_w"]),
                p["stride_w"],
                p["pad_left"],
                p["filter_w"],
                p["input_w"],
            )
            counts["rows"] += 1
            counts["outside"] += p["filter_h"] - rows + outside
            counts["quick_rows"] += skipped > 0
            counts["quick_pixels"] += skipped
            counts["quick_units"] += skipped * units
            counts["pixels"] += columns
            counts["units"] += columns * units
            counts["unit_rows"] += columns * units * rows
            counts["taps"] += inside * units * rows
    return counts


def sum_rows(run: KernelRun) -> Counter[str]:
    """One channel of an image at a time, some rows in a call."""
    return _sums(run, run.params["channels"])


def sum_rows_dsp(run: KernelRun) -> Counter[str]:
    """Four channels of an image at a time, some rows in a call."""
    return _sums(run, -(-run.params["channels"] // 4))


def _sums(run: KernelRun, units: int) -> Counter[str]:
    p = run.params
    return Counter(
        calls=run.calls,
        units=run.calls * units,
        unit_rows=run.rows * units,
        taps=run.rows * units * p["input_w"],
        finished=sum(end >= p["input_h"] for _, end in run.ranges) * units,
    )


def mean(run: KernelRun) -> Counter[str]:
    """One mean at a time."""
    p = run.params
    outputs = p["outer"] * p["inner"]
    return Counter(calls=run.calls, outer=p["outer"], outputs=outputs, taps=outputs * p["reduced"])


def mean_dsp(run: KernelRun) -> Counter[str]:
    """Four means at a time, in parts of at most 256 values."""
    p = run.params
    fours = p["outer"] * -(-p["inner"] // 4)
    return Counter(
        calls=run.calls,
        outer=p["outer"],
        units=fours,
        parts=fours * -(-p["reduced"] // 256),
        taps=fours * p["reduced"],
    )


def reduce_max(run: KernelRun) -> Counter[str]:
    """A copy, then what is larger; how often that is depends on the values."""
    p = run.params
    return Counter(
        calls=run.calls,
        outer=p["outer"],
        copied=p["outer"] * p["inner"],
        passes=p["outer"] * (p["reduced"] - 1),
        compared=p["outer"] * (p["reduced"] - 1) * p["inner"],
    )


def arg_max(run: KernelRun) -> Counter[str]:
    """One position at a time."""
    p = run.params
    outputs = p["outer"] * p["inner"]
    return Counter(
        calls=run.calls,
        outer=p["outer"],
        outputs=outputs,
        words=outputs * (p["words"] == 2),
        values=outputs * p["length"],
    )
