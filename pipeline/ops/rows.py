"""Rows: which rows of its inputs an operator reads for a row of its output.

An image [1, height, width, channels] has `height` rows; a tensor of any other shape counts as one
row. Kernels that compute an image compute any range of its rows, so the plan may compute it a few
rows at a time and keep only the rows that are still to be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.records import Tensor

# One row number, or many.
_Rows = TypeVar("_Rows", int, npt.NDArray[np.int64])


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWindow:
    """The rows of one input that a row of the output is computed from.

    Output row y reads rows y * stride - pad to y * stride - pad + reach - 1, as far as the input
    has them.

    Attributes:
        stride: from one output row to the next.
        pad: rows above the input's first that output row 0 reaches.
        reach: rows from the first to the last that is read, both included.
        accumulates: the operator takes in one row of its input after the other, from the first
            on, and its output is there after the last: y counts rows of the input.
    """

    stride: int = 1
    pad: int = 0
    reach: int = 1
    accumulates: bool = False

    def rows(self, first_row: int, end_row: int, height: int) -> range:
        """Rows of an input of `height` rows that output rows first_row to end_row - 1 read."""
        first = min(max(0, self.first(first_row)), height)
        return range(first, max(first, min(height, self.end(end_row))))

    def first(self, first_row: _Rows) -> _Rows:
        """First row that output rows from first_row on read, were there rows on all sides."""
        return first_row * self.stride - self.pad

    def end(self, end_row: _Rows) -> _Rows:
        """The row behind the last that output rows up to end_row - 1 read, likewise."""
        return (end_row - 1) * self.stride - self.pad + self.reach


# Of an input that has one row, or is read whole.
ONE_ROW = RowWindow(stride=0)

# Of an input whose rows are added up.
EVERY_ROW = RowWindow(accumulates=True)


def is_image(tensor: Tensor) -> bool:
    """Whether a tensor consists of rows."""
    return len(tensor.shape) == 4 and tensor.shape[0] == 1


def num_rows(tensor: Tensor) -> int:
    """Rows of a tensor."""
    return tensor.shape[1] if is_image(tensor) else 1


def row_bytes(tensor: Tensor) -> int:
    """Bytes of one row of a tensor."""
    return tensor.size_bytes // num_rows(tensor)
