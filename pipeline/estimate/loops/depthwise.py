"""Loops of depthwise_3x3_walk.c and depthwise_conv_2d_dsp_s8.c in the kernels' dsp/."""

from __future__ import annotations

from collections import Counter

from pipeline.estimate.runs import KernelRun


def depthwise_conv_2d_3x3_dsp(run: KernelRun) -> Counter[str]:
    """Windows that slide along rows: walks over all channels, some rows at a time."""
    counts: Counter[str] = Counter(calls=run.calls)
    for first, end in run.ranges:
        y = first
        while y < end:
            y += _walk(run, counts, y, end)
    return counts


def _walk(run: KernelRun, counts: Counter[str], y: int, end: int) -> int:
    """One walk from output row `y` on; returns how many rows it computes."""
    p = run.params
    input_ring, output_ring = run.rings
    stride = p["stride_w"]
    right = (p["output_w"] - 1) * stride + 3 - p["pad_left"] > p["input_w"]
    whole = p["output_w"] - right
    iy = y * p["stride_h"] - p["pad_top"]
    above, below = iy < 0, iy >= 0 and iy + 3 > p["input_h"]
    iy += above - below
    place = iy % input_ring
    rows = 1
    last = min(input_ring - place, p["input_h"] - iy)
    while (
        not (above or below)
        and y + rows < end
        and rows * p["stride_h"] + 3 <= last
        and (y + rows) % output_ring
    ):
        rows += 1
    channels = p["channels"]
    turned = place + 3 > input_ring
    counts["walks"] += 1
    counts["grown"] += rows
    counts["channels"] += channels
    counts["above"] += channels * above
    counts["below"] += channels * below
    counts[f"rows_{stride}"] += channels * rows
    # Without padding on the left, a row begins with one column more.
    counts["begun"] += channels * rows * (not p["pad_left"])
    counts["right"] += channels * rows * right
    counts[f"pixels_{stride}"] += channels * rows * whole
    if stride == 1:
        counts["turned"] += channels * rows * whole * turned
        counts["swapped"] += channels * rows * (whole % 2 == 0)
        counts["turns"] += channels * rows * (whole // (2 if turned else 4))
    else:
        counts["turns"] += channels * rows * (whole // 2)
    return rows


def depthwise_conv_2d_dsp(run: KernelRun) -> Counter[str]:
    """One channel at a time on a plane of 16-bit values."""
    p = run.params
    counts: Counter[str] = Counter(calls=run.calls)
    reach = (p["filter_h"] - 1) * p["dilation_h"] + 1
    most = (p["plane_rows"] - reach) // p["stride_h"] + 1
    for first, end in run.ranges:
        y = first
        while y < end:
            rows = min(end - y, most, run.rings[1] - y % run.rings[1])
            _plane(run, counts, y, rows, reach)
            y += rows
    return counts


def _plane(run: KernelRun, counts: Counter[str], y: int, rows: int, reach: int) -> None:
    """Some rows of output from one plane."""
    p = run.params
    top = y * p["stride_h"] - p["pad_top"]
    end = top + (rows - 1) * p["stride_h"] + reach
    inside = max(0, min(end, p["input_h"]) - max(top, 0))
    channels, width = p["channels"], p["output_w"]
    pairs = -(-p["filter_w"] // 2)
    fours = width // 4 + (width % 4 > 1)
    alone = width % 4 == 1
    counts["planes"] += 1
    counts["filled"] += (end - top) * (p["plane_columns"] // 2)
    counts["channels"] += channels
    counts["filter_rows"] += channels * p["filter_h"]
    counts["filter_pairs"] += channels * p["filter_h"] * pairs
    counts["widened_rows"] += channels * inside
    counts["widened_pairs"] += channels * inside * -(-p["input_w"] // 2)
    counts["rows"] += channels * rows
    counts["fours"] += channels * rows * fours
    counts["four_rows"] += channels * rows * fours * p["filter_h"]
    counts["four_pairs"] += channels * rows * fours * p["filter_h"] * pairs
    counts["stored"] += channels * rows * (width - alone)
    counts["alone"] += channels * rows * alone
    counts["alone_pairs"] += channels * rows * alone * p["filter_h"] * pairs
