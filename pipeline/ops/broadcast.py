"""Two operands of an elementwise operator whose shapes broadcast to the output's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.ops.base import Field, RawOp, field_of
from pipeline.ops.checks import input_of, require
from pipeline.ops.rows import ONE_ROW, RowWindow, is_image, num_rows, row_bytes
from pipeline.records import Graph, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """Shapes brought to four axes, equal ones merged within a row."""

    shape: tuple[int, ...]
    a_shape: tuple[int, ...]
    b_shape: tuple[int, ...]

    @property
    def rows(self) -> tuple[int, int, int]:
        """Rows that a kernel counts in both operands and in the output."""
        a, b, output = (math.prod(shape[:2]) for shape in (self.a_shape, self.b_shape, self.shape))
        return a, b, output


def broadcast_of(raw: RawOp) -> Broadcast:
    """Check the shapes of the first two inputs against the output's.

    Raises:
        UnsupportedModelError: they do not broadcast to it, or over more than four axes.
    """
    a, b, output = input_of(raw, 0), input_of(raw, 1), raw.outputs[0]
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        shape = ()
    require(
        shape == output.shape,
        raw,
        "the shapes of the operands must broadcast to the output's",
        f"{a.shape}, {b.shape} and {output.shape}",
        "The file is damaged; convert the model again.",
    )
    if a.shape == b.shape:
        merged = (1, num_rows(output), 1, row_bytes(output))
        return Broadcast(shape=merged, a_shape=merged, b_shape=merged)
    require(
        len(output.shape) <= 4,
        raw,
        "broadcasting takes up to 4 dimensions",
        output.shape,
        "Reshape the operands to 4 dimensions.",
    )
    a_shape, b_shape = _four_axes(a.shape), _four_axes(b.shape)
    return Broadcast(
        shape=tuple(np.broadcast_shapes(a_shape, b_shape)), a_shape=a_shape, b_shape=b_shape
    )


def _four_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (4 - len(shape)) + shape


def operand_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """From one index to the next along each axis, 0 where it is broadcast; see broadcast.h."""
    steps = (shape[1], 1, shape[3], 1)
    return tuple(step if size > 1 else 0 for step, size in zip(steps, shape, strict=True))


def broadcast_fields(broadcast: Broadcast, label: str) -> tuple[Field, ...]:
    """The contents of a struct broadcast."""

    def operand(shape: tuple[int, ...]) -> tuple[Field, ...]:
        return (
            field_of("stride", "int32_t", operand_strides(shape), label),
            field_of("row_bytes", "int32_t", math.prod(shape[2:]), label),
        )

    return (
        field_of("a", "struct", operand(broadcast.a_shape), label),
        field_of("b", "struct", operand(broadcast.b_shape), label),
        field_of("shape", "int32_t", broadcast.shape, label),
    )


def broadcast_windows(op: Op, graph: Graph) -> Mapping[int, RowWindow] | None:
    """Row by row; one row of an operand that is broadcast over rows."""
    output = graph.tensors[op.outputs[0]]
    if not is_image(output):
        return None
    operands = [graph.tensors[index] for index in op.inputs]
    return {
        operand.index: RowWindow() if num_rows(operand) == num_rows(output) else ONE_ROW
        for operand in operands
        if operand.constant is None
    }
