"""A graph as its plan sees it: layers that read and write rows of buffers, in numbers alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.ops.base import KernelCall
from pipeline.ops.rows import RowWindow, num_rows, row_bytes
from pipeline.ops.table import row_windows
from pipeline.records import Graph, Op

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """The memory of a tensor and of its reshaped views.

    Attributes:
        tensors: indices; the first is computed or an input, the others are its views.
        rows, row_bytes: what it consists of; views of another shape make rows shorter.
        producer: layer that writes it, None for an input of the graph.
        consumers: layers that read it, each once.
        is_output: whether it has to survive the last step.
        may_ring: whether it can hold some of its rows only: all its tensors have the same rows.
    """

    tensors: tuple[int, ...]
    rows: int
    row_bytes: int
    producer: int | None
    consumers: tuple[int, ...]
    is_output: bool
    may_ring: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a layer reads of one buffer.

    Attributes:
        buffer: its position in `Flow.buffers`.
        window: rows of the tensor that a unit of the layer needs; None for the whole of it.
        height: rows of the tensor.
        factor: rows of the buffer in a row of the tensor.
    """

    buffer: int
    window: RowWindow | None
    height: int
    factor: int

    def rows(self, first: int, end: int) -> range:
        """Rows of the buffer that units first to end - 1 of the layer read."""
        if self.window is None:
            return range(self.height * self.factor)
        rows = self.window.rows(first, end, self.height)
        return range(rows.start * self.factor, rows.stop * self.factor)

    def limits(self, first: IntArray, end: IntArray) -> tuple[IntArray, IntArray]:
        """`rows` of many ranges of units at once: first and end row of each; 0 and 0 for none."""
        if self.window is None:
            return np.zeros_like(first), np.full_like(first, self.height * self.factor)
        start = np.maximum(0, self.window.first(first))
        stop = np.minimum(self.height, self.window.end(end))
        some = stop > start
        return np.where(some, start * self.factor, 0), np.where(some, stop * self.factor, 0)

    def mirrored(self, units: int) -> Read:
        """The same with units and rows counted from the last to the first."""
        if self.window is None:
            return self
        old = self.window
        pad = (units - 1) * old.stride + old.reach - old.pad - self.height
        window = RowWindow(stride=old.stride, pad=pad, reach=old.reach)
        return Read(buffer=self.buffer, window=window, height=self.height, factor=self.factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """An operator with a kernel.

    Attributes:
        op: its index in the graph.
        units: parts that it can be computed in, one after the other: the rows of its output, those
            of its input if they are added up, or 1.
        end_row: `Step.end_row` of the step that ends it.
        accumulates: whether its output is there only after the last unit; units come in order.
        reads: what it reads.
        output: buffer that it writes.
        factor: rows of that buffer in a unit; all of them if it accumulates.
        in_place: buffers whose rows the output may take over, row by row.
        scratch_bytes: that its kernel needs during each step.
        keeps_scratch: whether it needs them from the first step to the last.
    """

    op: int
    units: int
    end_row: int
    accumulates: bool
    reads: tuple[Read, ...]
    output: int
    factor: int
    in_place: tuple[int, ...]
    scratch_bytes: int
    keeps_scratch: bool

    def units_for(self, rows: int) -> int:
        """Units that have to be computed before so many rows of the output are there."""
        if self.accumulates:
            return self.units if rows else 0
        return -(-rows // self.factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Layers in execution order, and the buffers between them."""

    layers: tuple[Layer, ...]
    buffers: tuple[Buffer, ...]


def flow_of(graph: Graph, calls: Sequence[KernelCall | None]) -> Flow:
    """The layers and buffers of a graph.

    Args:
        graph: the model.
        calls: the kernel call of each operator; None for a view (RESHAPE).
    """
    families = _families(graph, calls)
    home = {tensor: place for place, family in enumerate(families) for tensor in family}
    granules = [math.gcd(*(row_bytes(graph.tensors[t]) for t in family)) for family in families]
    layers = tuple(
        _layer(graph, op, call, home, granules)
        for op, call in zip(graph.ops, calls, strict=True)
        if call is not None
    )
    outputs = set(graph.outputs)
    buffers = []
    for place, family in enumerate(families):
        first = graph.tensors[family[0]]
        buffers.append(
            Buffer(
                tensors=tuple(family),
                rows=first.size_bytes // granules[place],
                row_bytes=granules[place],
                producer=next((i for i, layer in enumerate(layers) if layer.output == place), None),
                consumers=tuple(
                    i
                    for i, layer in enumerate(layers)
                    if any(read.buffer == place for read in layer.reads)
                ),
                is_output=not outputs.isdisjoint(family),
                may_ring=all(row_bytes(graph.tensors[t]) == granules[place] for t in family),
            )
        )
    return Flow(layers=layers, buffers=tuple(buffers))


def _families(graph: Graph, calls: Sequence[KernelCall | None]) -> list[list[int]]:
    """Computed tensors, each with its views."""
    families = [[index] for index in graph.inputs]
    home = {index: family for index, family in zip(graph.inputs, families, strict=True)}
    for op, call in zip(graph.ops, calls, strict=True):
        for output in op.outputs:
            if call is None:
                family = home[op.inputs[0]]
                family.append(output)
            else:
                family = [output]
                families.append(family)
            home[output] = family
    return families


def _layer(
    graph: Graph, op: Op, call: KernelCall, home: dict[int, int], granules: list[int]
) -> Layer:
    windows = row_windows(op, graph)
    (output,) = op.outputs
    result = graph.tensors[output]
    adds_up = [
        graph.tensors[index] for index, window in (windows or {}).items() if window.accumulates
    ]
    units = 1 if windows is None else num_rows(adds_up[0] if adds_up else result)
    rows = result.size_bytes // granules[home[output]]
    reads = []
    in_place = []
    for index in dict.fromkeys(op.inputs):
        if index not in home:
            continue
        tensor = graph.tensors[index]
        reads.append(
            Read(
                buffer=home[index],
                window=None if windows is None else windows[index],
                height=num_rows(tensor),
                factor=row_bytes(tensor) // granules[home[index]],
            )
        )
        same = (num_rows(tensor), row_bytes(tensor)) == (num_rows(result), row_bytes(result))
        if call.in_place and same:
            in_place.append(home[index])
    return Layer(
        op=op.index,
        units=units,
        end_row=units if adds_up else call.rows[-1] if call.rows else 1,
        accumulates=bool(adds_up),
        reads=tuple(reads),
        output=home[output],
        factor=rows if adds_up else rows // units,
        in_place=tuple(in_place),
        scratch_bytes=call.scratch_bytes,
        keeps_scratch=call.keeps_scratch,
    )
