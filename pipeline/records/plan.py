"""Where tensors lie in memory and what runs when, for either engine."""

import bisect
from dataclasses import dataclass, field
from typing import TypeAlias

from pipeline.records.graph import Graph, KernelTarget, OpKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of the schedule: operator `op` computes rows first_row to end_row - 1.

    An operator that computes its output whole has one step, 0 to the number of its rows.
    """

    op: int
    first_row: int
    end_row: int


@dataclass(frozen=True, slots=True)
class Extent:
    """Occupied bytes of a buffer, first_byte to end_byte - 1, from a step on.

    Step -1 is before the first step. None are occupied where both are equal.
    """

    step: int
    first_byte: int
    end_byte: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a buffer lies in the tensor arena, and which of its bytes are occupied when.

    Attributes:
        tensors: the tensors that share the buffer: a RESHAPE's output is its input, an operator
            that works in place writes over its input; empty for the scratch of one operator.
        offset_bytes, size_bytes: in the arena.
        extents: by step, from the first step with occupied bytes on; each holds until the next.
        ring: rows that the buffer holds at once; None where it holds its tensors whole.
        scratch_of: index of the operator whose scratch it is, or None.
    """

    tensors: tuple[int, ...]
    offset_bytes: int
    size_bytes: int
    extents: tuple[Extent, ...]
    ring: int | None = None
    scratch_of: int | None = None

    def occupied(self, step: int) -> range:
        """Occupied bytes of the buffer during a step."""
        place = bisect.bisect_right(self.extents, step, key=lambda extent: extent.step)
        if place == 0:
            return range(0)
        extent = self.extents[place - 1]
        return range(extent.first_byte, extent.end_byte)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChannels:
    """What the removal of constant channels did to one layer with weights.

    Attributes:
        name, kind: of the operator.
        channels: output channels before.
        constant: how many of them are constant whatever the input.
        removed: how many of them went; others than constant ones where nobody reads them.
        macs_before, macs: multiply-accumulates of one inference; 0 where the layer went.
        weight_bytes_before, weight_bytes: filter and bias.
    """

    name: str
    kind: OpKind
    channels: int
    constant: int
    removed: int
    macs_before: int
    macs: int
    weight_bytes_before: int
    weight_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedPadding:
    """A PAD that the layers behind it do themselves.

    Attributes:
        name: of the PAD.
        layers: names of the layers that pad instead.
        before, after: rows and columns of padding.
    """

    name: str
    layers: tuple[str, ...]
    before: tuple[int, int]
    after: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """A graph with its memory plan.

    Attributes:
        graph: without the operators that are constant, and without folded padding.
        target: whose kernels run it.
        steps: the schedule.
        placements: every buffer of the arena.
        arena_bytes: size of the arena.
        lower_bound_bytes: the largest live set; no placement for these steps can be smaller.
        scratch_bytes: the largest scratch of one operator (part of the arena).
        macs: multiply-accumulates of one inference.
        weights_bytes: all constants that the generated code holds for the model.
        channels: of each layer with weights, in the model's order; None where constant channels
            were left in.
        folded_padding: what became part of the layers that read it.
    """

    graph: Graph
    target: KernelTarget
    steps: tuple[Step, ...]
    placements: tuple[Placement, ...]
    arena_bytes: int
    lower_bound_bytes: int
    scratch_bytes: int
    macs: int
    weights_bytes: int
    channels: tuple[LayerChannels, ...] | None = None
    folded_padding: tuple[FoldedPadding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TflmArena:
    """The tensor arena that TensorFlow Lite Micro asks for.

    Attributes:
        arena_bytes: the size to reserve.
        head_bytes: activations and scratch buffers.
        tail_bytes: what stays: descriptions of tensors and operators, data of the kernels.
        peak_bytes: the most that is needed at any moment of the start; TFLM's tables for the
            memory planner may take more than activations do.
    """

    arena_bytes: int
    head_bytes: int
    tail_bytes: int
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelGuard:
    """A kernel that has to be in an image.

    Attributes:
        kind: of the operator that it computes.
        library: that it comes from, for messages.
        symbol_prefix: what the names of its functions start with.
    """

    kind: OpKind
    library: str
    symbol_prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TflmPlan:
    """A model as TensorFlow Lite Micro (TFLM) will run it.

    Attributes:
        graph: each operator of the file is one of it; without attributes.
        runtime: name of the TFLM snapshot (pipeline/plan/tflm/runtimes.py).
        arena: what it asks for.
        registrations: C++ calls, without their object, that register the operators needed.
        guards: kernels that have to be in the image.
        layer_macs: multiply-accumulates of each operator.
        tflite: the file.
    """

    graph: Graph
    runtime: str
    arena: TflmArena
    registrations: tuple[str, ...]
    guards: tuple[KernelGuard, ...]
    layer_macs: tuple[int, ...]
    tflite: bytes = field(compare=False, repr=False)

    @property
    def channels(self) -> None:
        """Constant channels stay in: the file runs as it is."""
        return None

    @property
    def arena_bytes(self) -> int:
        """Size of the tensor arena."""
        return self.arena.arena_bytes

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(self.layer_macs)

    @property
    def weights_bytes(self) -> int:
        """Bytes of the model in flash: the whole file."""
        return len(self.tflite)


# What any engine is planned as.
AnyPlan: TypeAlias = DeployPlan | TflmPlan
