"""Loops of the portable convolutions of firmware/lib/kernels."""

from __future__ import annotations

from collections import Counter

from pipeline.estimate.loops.pairs import pairs_of
from pipeline.estimate.loops.windows import axis
from pipeline.estimate.runs import KernelRun


def conv_2d(run: KernelRun) -> Counter[str]:
    """Four channels of a pixel at a time, then one; runs of neighbouring values."""
    channels = _group_channels(run)
    return _conv_2d(run, quads=channels // 4, single="singles", singles=channels % 4)


def conv_2d_s4(run: KernelRun) -> Counter[str]:
    """Two pairs of channels of a pixel at a time, at last one of a channel or two."""
    channels = _group_channels(run)
    quads, pairs = pairs_of(channels)
    counts = _conv_2d(run, quads=quads, single="pairs", singles=pairs)
    counts["channels"] = counts["groups"] * channels
    return counts


def _group_channels(run: KernelRun) -> int:
    channels: int = run.params["output_c"] // run.params["groups"]
    return channels


def _conv_2d(run: KernelRun, *, quads: int, single: str, singles: int) -> Counter[str]:
    """Channels of each group: `quads` four at a time, then `singles` of what `single` names."""
    p = run.params
    groups = p["groups"]
    depth = p["input_c"] // groups
    quads, singles = groups * quads, groups * singles
    rows, rows_inside, rows_outside = _rows(run)
    columns, inside, outside = _columns(run)
    dense = p["dilation_w"] == 1 and groups == 1
    # A row of the window is one run where its taps are neighbours in memory.
    stretches = rows_inside * (_windows_inside(run) if dense else inside)
    values = rows_inside * inside * depth
    counts = Counter(
        calls=run.calls,
        rows=rows,
        outside=rows_outside + rows * outside,
        pixels=rows * columns,
        groups=rows * columns * groups,
    )
    for name, number in (("quads", quads), (single, singles)):
        one = name.removesuffix("s")
        counts[name] = rows * columns * number
        counts[f"{one}_rows"] = rows_inside * columns * number
        counts[f"{one}_runs"] = stretches * number
        counts[f"{one}_values"] = values * number
    return counts


def depthwise_conv_2d(run: KernelRun) -> Counter[str]:
    """Four channels of a pixel at a time where each has one output, else one."""
    p = run.params
    fours = p["output_c"] // 4 if p["depth_multiplier"] == 1 else 0
    singles = p["output_c"] - 4 * fours
    rows, rows_inside, rows_outside = _rows(run)
    columns, inside, outside = _columns(run)
    return Counter(
        calls=run.calls,
        rows=rows,
        outside=rows_outside + rows * outside,
        pixels=rows * columns,
        quads=rows * columns * fours,
        quad_rows=rows_inside * columns * fours,
        quad_taps=rows_inside * inside * fours,
        inputs=rows * columns * singles // p["depth_multiplier"],
        singles=rows * columns * singles,
        single_rows=rows_inside * columns * singles,
        single_taps=rows_inside * inside * singles,
    )


def transpose_conv(run: KernelRun) -> Counter[str]:
    """One output at a time, from the taps that meet an input."""
    p = run.params
    rows = [
        _taps_met(y + p["pad_top"], p["stride_h"], p["filter_h"], p["input_h"])
        for first, end in run.ranges
        for y in range(first, end)
    ]
    columns = [
        _taps_met(x + p["pad_left"], p["stride_w"], p["filter_w"], p["input_w"])
        for x in range(p["output_w"])
    ]
    taps = sum(rows) * sum(columns) * p["output_c"]
    return Counter(
        calls=run.calls,
        rows=len(rows),
        pixels=len(rows) * len(columns),
        outputs=len(rows) * len(columns) * p["output_c"],
        tap_rows=sum(rows) * len(columns) * p["output_c"],
        taps=taps,
        values=taps * p["input_c"],
    )


def _taps_met(target: int, stride: int, taps: int, size: int) -> int:
    return sum(
        (target - tap) % stride == 0 and 0 <= (target - tap) // stride < size for tap in range(taps)
    )


def _rows(run: KernelRun) -> tuple[int, int, int]:
    p = run.params
    places = (y for first, end in run.ranges for y in range(first, end))
    return axis(places, p["stride_h"], p["pad_top"], p["filter_h"], p["input_h"], p["dilation_h"])


def _columns(run: KernelRun) -> tuple[int, int, int]:
    p = run.params
    places = range(p["output_w"])
    return axis(places, p["stride_w"], p["pad_left"], p["filter_w"], p["input_w"], p["dilation_w"])


def _windows_inside(run: KernelRun) -> int:
    """Columns of output whose windows have any tap inside."""
    p = run.params
    return sum(
        axis((x,), p["stride_w"], p["pad_left"], p["filter_w"], p["input_w"], p["dilation_w"])[1]
        > 0
        for x in range(p["output_w"])
    )
