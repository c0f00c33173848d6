"""How windows lie in columns: firmware/lib/kernels/dsp/columns.h, seen from the weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.ops.window import Window

# Pixels of a sliding window's row.
_TAPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The layout of a layer's windows.

    Attributes:
        rows: of a window.
        row_runs, run_taps: stretches of values that are neighbours in the input: how many a
            window's row has, and how many pixels each.
        channels: of the input.
        rest: whether the last run_length % 4 values of each run lie together, at the end.
        sliding: whether neighbouring windows share their pixels; then runs are of one pixel.
    """

    rows: int
    row_runs: int
    run_taps: int
    channels: int
    rest: bool = False
    sliding: bool = False

    @property
    def runs(self) -> int:
        """Runs of a window, or of a pixel's column of it."""
        return self.rows * self.row_runs

    @property
    def run_length(self) -> int:
        """Values of a run."""
        return self.run_taps * self.channels

    @property
    def blocks(self) -> int:
        """Blocks of four values in a column."""
        if self.rest:
            return self.runs * (self.run_length // 4) + -(-self.runs * (self.run_length % 4) // 4)
        return self.runs * -(-self.run_length // 4)

    @property
    def lanes(self) -> npt.NDArray[np.intp]:
        """[words, 2], which value of a window the lanes of weights belong to; -1: to none."""
        lanes = self._sliding_lanes() if self.sliding else self._lanes()
        return np.array(list(lanes), dtype=np.intp).reshape(-1, 2)

    def _lanes(self) -> Iterator[int]:
        length = self.run_length
        whole = length // 4 * 4
        for first in range(0, self.runs * length, length):
            for block in _blocks(whole if self.rest else length):
                yield from (first + k if k >= 0 else -1 for k in block)
        if self.rest:
            rest = [run * length + k for run in range(self.runs) for k in range(whole, length)]
            yield from rest
            yield from [-1] * (-len(rest) % 4)

    def _sliding_lanes(self) -> Iterator[int]:
        for row in range(self.rows):
            for block in _blocks(self.channels):
                for word in (block[:2], block[2:]):
                    for tap in range(_TAPS):
                        first = (row * _TAPS + tap) * self.channels
                        yield from (first + k if k >= 0 else -1 for k in word)


def _blocks(length: int) -> Iterator[tuple[int, ...]]:
    """Which values of a run lie in the four lanes of each block, in order."""
    whole = length // 4 * 4
    for k in range(0, whole, 4):
        yield k, k + 2, k + 1, k + 3
    if length > whole:
        # The last four values once more: only those count that were not among the others.
        last = [k if k >= whole else -1 for k in range(length - 4, length)]
        yield last[0], last[2], last[1], last[3]


def choose_columns(
    window: Window, channels: int, outputs: int, output_w: int, *, slides: bool = True
) -> Columns:
    """Lay windows into columns at the least cost.

    Args:
        window: geometry of the layer.
        channels: of the input.
        outputs: channels of the output.
        output_w: pixels of an output row.
        slides: whether the kernel has a form for windows that slide.
    """
    rows, dense = window.filter_h, window.dilation_w == 1
    neighbours = window.filter_w == _TAPS and dense and window.stride_w == 1
    if slides and neighbours and channels >= 4 and output_w > 1:
        return Columns(rows=rows, row_runs=1, run_taps=1, channels=channels, sliding=True)
    taps = window.filter_w if dense else 1
    apart = Columns(rows=rows, row_runs=window.filter_w // taps, run_taps=taps, channels=channels)
    tail = apart.run_length % 4
    if tail == 0:
        return apart
    together = Columns(
        rows=rows, row_runs=apart.row_runs, run_taps=taps, channels=channels, rest=True
    )
    # Measured: for each pixel, a block takes 3 instructions for an output channel and 4 to lay, a
    # value that is laid by itself 5.
    more = (apart.blocks - together.blocks) * (3 * outputs + 4)
    return together if apart.run_length < 4 or 5 * apart.runs * tail < more else apart
