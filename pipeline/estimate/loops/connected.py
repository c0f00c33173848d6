"""Loops of the kernels of FULLY_CONNECTED, in firmware/lib/kernels and its dsp/."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pipeline.estimate.runs import KernelRun

_WORD_BITS = 32


def fully_connected_dsp(run: KernelRun) -> Counter[str]:
    """Four outputs at a time of a vector in a column."""
    p = run.params
    rows, inputs, outputs = p["rows"], p["inputs"], p["outputs"]
    quads = -(-outputs // 4)
    blocks = -(-inputs // 4)
    return Counter(
        calls=run.calls,
        rows=rows,
        laid=rows * blocks,
        tails=rows * (inputs % 4 > 0),
        tail_values=rows * (inputs % 4),
        quads=rows * quads,
        blocks=rows * quads * blocks,
        turns=rows * quads * -(-blocks // 4),
        rests=rows * (outputs % 4 > 0),
        rest_values=rows * (outputs % 4),
        clamped=rows * outputs * _clamps(p["output_min"], p["output_max"]),
    )


def fully_connected_direct_dsp(run: KernelRun) -> Counter[str]:
    """Four or two outputs at a time of values that are widened as they are read."""
    p = run.params
    rows, inputs, outputs, chunk = p["rows"], p["inputs"], p["outputs"], p["chunk"]
    whole = inputs // 4
    sums = -(-whole // chunk) + (inputs % 4 > 0)
    blocks = whole + (inputs % 4 > 0)
    pairs = outputs % 4 in (1, 2)
    quads = -(-outputs // 4) - pairs
    return Counter(
        calls=run.calls,
        rows=rows,
        groups=rows * (quads + pairs),
        sums_4=rows * quads * sums,
        blocks_4=rows * quads * blocks,
        sums_2=rows * pairs * sums,
        blocks_2=rows * pairs * blocks,
        outputs=rows * outputs,
        clamped=rows * outputs * _clamps(p["output_min"], p["output_max"]),
    )


def fully_connected(run: KernelRun) -> Counter[str]:
    """Four outputs at a time, then one."""
    p = run.params
    rows, inputs, outputs = p["rows"], p["inputs"], p["outputs"]
    # Shifts that do not take a whole word away need both words of the product.
    wide = int((np.ravel(p["shift"]) <= _WORD_BITS).sum()) * (1 if p["per_channel"] else outputs)
    return Counter(
        calls=run.calls,
        rows=rows,
        wide=rows * wide,
        quads=rows * (outputs // 4),
        quad_values=rows * (outputs // 4) * inputs,
        singles=rows * (outputs % 4),
        single_values=rows * (outputs % 4) * inputs,
    )


def fully_connected_double(run: KernelRun) -> Counter[str]:
    """One output at a time, scaled in double precision."""
    p = run.params
    outputs = p["rows"] * p["outputs"]
    return Counter(calls=run.calls, rows=p["rows"], outputs=outputs, values=outputs * p["inputs"])


def _clamps(lowest: int, highest: int) -> bool:
    return bool(lowest > -128 or highest < 127)
