"""Loops of the kernels of FULLY_CONNECTED, in firmware/lib/kernels and its dsp/."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pipeline.estimate.loops.pairs import pairs_of
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


def fully_connected_nibbles_dsp(run: KernelRun) -> Counter[str]:
    """Four outputs at a time of a vector in a column."""
    p = run.params
    rows, inputs = p["rows"], p["inputs"]
    counts = _nibbles(run, blocks=-(-inputs // 4), alone=0)
    counts["laid"] = rows * -(-inputs // 4)
    counts["tails"] = rows * (inputs % 4 > 0)
    counts["tail_values"] = rows * (inputs % 4)
    return counts


def fully_connected_nibbles_direct_dsp(run: KernelRun) -> Counter[str]:
    """Four outputs at a time of values that are widened as they are read."""
    inputs = run.params["inputs"]
    return _nibbles(run, blocks=inputs // 4, alone=int(inputs % 4 > 0))


def _nibbles(run: KernelRun, *, blocks: int, alone: int) -> Counter[str]:
    """Sums of some blocks, and of `alone` more by itself: 0 or 1."""
    p = run.params
    rows, outputs, chunk = p["rows"], p["outputs"], p["chunk"]
    quads = -(-outputs // 4)
    chunks, rest = divmod(blocks, chunk)
    # The loop over blocks is unrolled twice.
    turns = chunks * -(-chunk // 2) + -(-rest // 2) + alone
    return Counter(
        calls=run.calls,
        rows=rows,
        quads=rows * quads,
        sums=rows * quads * (chunks + (rest > 0) + alone),
        turns=rows * quads * turns,
        blocks=rows * quads * (blocks + alone),
        outputs=rows * outputs,
    )


def fully_connected_s4(run: KernelRun) -> Counter[str]:
    """Two pairs of outputs at a time, at last one of an output or two."""
    p = run.params
    rows, inputs = p["rows"], p["inputs"]
    quads, pairs = pairs_of(p["outputs"])
    return Counter(
        calls=run.calls,
        rows=rows,
        wide=rows * _wide(run),
        quads=rows * quads,
        quad_values=rows * quads * inputs,
        pairs=rows * pairs,
        pair_values=rows * pairs * inputs,
        outputs=rows * p["outputs"],
    )


def fully_connected(run: KernelRun) -> Counter[str]:
    """Four outputs at a time, then one."""
    p = run.params
    rows, inputs, outputs = p["rows"], p["inputs"], p["outputs"]
    return Counter(
        calls=run.calls,
        rows=rows,
        wide=rows * _wide(run),
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


def _wide(run: KernelRun) -> int:
    """Outputs of a vector whose shift does not take a whole word away: they need both words."""
    p = run.params
    wide = int((np.ravel(p["shift"]) <= _WORD_BITS).sum())
    return wide * (1 if p["per_channel"] else int(p["outputs"]))


def _clamps(lowest: int, highest: int) -> bool:
    return bool(lowest > -128 or highest < 127)
