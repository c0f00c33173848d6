"""Loops of firmware/lib/kernels/dsp/conv_2d_dsp_s8.c, channel_pairs.c and columns.c."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pipeline.estimate.loops.memory import moved
from pipeline.estimate.runs import KernelRun


def conv_2d_dsp(run: KernelRun) -> Counter[str]:
    """Groups of two or three pixels, laid into columns and multiplied by pairs of channels."""
    p = run.params
    counts: Counter[str] = Counter(calls=run.calls)
    runs = p["rows"] * p["runs"]
    pointwise = p["reach_h"] == p["reach_w"] == 1
    follows = pointwise and p["stride_h"] == p["stride_w"] == 1
    known: dict[tuple[int, int], Counter[str]] = {}
    for first, end in run.ranges:
        counts["offsets"] += 0 if pointwise else runs
        y = first
        while y < end:
            rows = 1
            if follows:
                left_in, left_out = (ring - y % ring for ring in run.rings)
                rows = min(end - y, left_in, left_out)
            # Strips whose windows have as many rows inside take as much.
            key = (rows, -1 if pointwise else _rows_inside(p, y))
            if key not in known:
                known[key] = _strip(run, y, rows * p["output_w"], pointwise)
            counts += known[key]
            y += rows
    if p["output_min"] > -128 or p["output_max"] < 127:
        counts["clamped"] = run.rows * p["output_w"] * p["output_c"]
    return counts


def _rows_inside(p: Mapping[str, Any], y: int) -> int:
    """Rows of an output row's windows that are rows of the image; of all, -1."""
    top = y * p["stride_h"] - p["pad_top"]
    if top >= 0 and top + p["reach_h"] <= p["input_h"]:
        return -1
    rows = (top + row * p["row_step"] for row in range(p["rows"]))
    return sum(0 <= row < p["input_h"] for row in rows)


def _strip(run: KernelRun, y: int, pixels: int, pointwise: bool) -> Counter[str]:
    """Pixels that follow each other, from the start of output row `y` on."""
    p = run.params
    inside = _rows_inside(p, y)
    counts: Counter[str] = Counter(strips=1)
    if not pointwise and inside < 0:
        counts["offsets"] += p["rows"] * p["runs"]
    x, step = -p["pad_left"], p["stride_w"]
    groups = 0
    if _takes_three(run.call.function) and pixels > 1:
        groups = (pixels - 4 if pixels % 3 == 1 else pixels) // 3
        x = _groups(run, counts, inside, x, (3, groups, step), pointwise)
    left = pixels - 3 * groups
    x = _groups(run, counts, inside, x, (2, left // 2, step), pointwise)
    if left % 2:
        # A last pixel is computed twice.
        _groups(run, counts, inside, x, (2, 1, 0), pointwise)
    return counts


def _takes_three(function: str) -> bool:
    return "halves" not in function and "3x3x3" not in function


def _groups(
    run: KernelRun,
    counts: Counter[str],
    inside: int,
    x: int,
    groups: tuple[int, int, int],
    pointwise: bool,
) -> int:
    """Groups of (pixels each, how many, columns between two); returns where the next begins."""
    p = run.params
    size, left, step = groups
    advance = size * step
    span = advance - step + p["reach_w"]
    done = left
    while left > 0:
        now = min(left, p["groups"])
        beyond = p["input_w"] - span - x
        if pointwise:
            pass
        elif inside < 0 and x >= 0 and beyond >= 0:
            if now * advance > beyond + advance:
                now = beyond // advance + 1
        else:
            now = 1
            _patch(run, counts, inside, x, span)
        counts["batches"] += 1
        x += now * advance
        left -= now
    _products(p, counts, size, done)
    return x


def _patch(run: KernelRun, counts: Counter[str], inside: int, x: int, span: int) -> None:
    """A copy of what lies below the windows of a group, with padding."""
    p = run.params
    columns = min(p["input_w"] - x, span) - max(0, -x)
    rows = 0 if columns <= 0 else p["rows"] if inside < 0 else inside
    pixels = 3 if _takes_three(run.call.function) else 2
    patch_w = (pixels - 1) * p["stride_w"] + p["reach_w"]
    counts["patches"] += 1
    counts["patch_rows"] += p["rows"]
    moved(counts, "filled", 1, p["rows"] * patch_w * p["input_c"])
    moved(counts, "copied", rows, max(0, columns) * p["input_c"])


def _products(p: Mapping[str, Any], counts: Counter[str], size: int, groups: int) -> None:
    """What is laid and multiplied for groups of `size` pixels."""
    runs = p["rows"] * p["runs"]
    pairs = -(-p["output_c"] // 2)
    for name, count in (
        ("groups", 1),
        ("runs", runs),
        ("laid", runs * (p["run_blocks"] + (p["back"] > 0))),
        ("singles", runs * p["singles"]),
        ("pairs", pairs),
        ("channels", p["output_c"]),
        ("blocks", pairs * p["blocks"]),
        ("turns", pairs * -(-p["blocks"] // 4)),
    ):
        counts[f"{name}_{size}"] += count * groups
