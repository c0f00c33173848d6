"""RESHAPE: the same bytes under another shape; the plan gives both tensors one buffer."""

from __future__ import annotations

from pipeline.ops.base import RawOp
from pipeline.ops.checks import input_of, require, require_counts


def parse(raw: RawOp) -> None:
    """Check sizes and types; see `OpModule.parse`. The shapes say everything."""
    require_counts(raw, (1, 2))
    x, output = input_of(raw, 0), raw.outputs[0]
    require(
        x.size_bytes == output.size_bytes and x.dtype == output.dtype,
        raw,
        "input and output must have the same type and number of elements",
        f"{x.dtype} {x.shape} and {output.dtype} {output.shape}",
        "Shapes of an open batch may be wrong in the file: `espalier slim MODEL OUT.tflite` works "
        "them out. Else the file is damaged; convert the model again.",
    )
