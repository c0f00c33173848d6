"""How large a tensor arena TFLM needs for a model, worked out by following its allocator.

The arena has two ends. From its end downwards grows what stays (the *tail*: an array entry for
each tensor and operator, options, what kernels keep). From its start upwards lies what comes and
goes (the *head*): first the list of scratch requests and tensors that are being looked at, then
the tables of the memory planner, at last the activations and scratch buffers that it has placed.
The arena has to be large enough at each of these moments; what TFLM reports afterwards as used is
only the last of them, and can be too little to start with.

Source: TFLM `MicroAllocator`, `MicroInterpreter::AllocateTensors` and
`SingleArenaBufferAllocator`, whose steps follow each other here as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.ops.base import RawOp
from pipeline.plan.file_model import FileModel
from pipeline.plan.tflm.kernels import KernelMemory, described_tensors, kernel_memory
from pipeline.plan.tflm.offline import OFFLINE_PLAN, PLACED_BY_TFLM, parse_offsets
from pipeline.plan.tflm.planner import Buffer, head_bytes
from pipeline.plan.tflm.runtimes import Runtime
from pipeline.records import ARENA_ALIGNMENT_BYTES, Tensor, TflmArena

# Scratch requests that TFLM keeps room for beside those already made.
_REQUESTS_IN_RESERVE = 12
# Of each planned buffer in the tables of the planner.
_PLANNED_BYTES = 40
_INT32_BYTES = 4


def predict_arena(model: FileModel, runtime: Runtime) -> TflmArena:
    """The arena that a model needs.

    Args:
        model: the operators as they stand in the file.
        runtime: the TFLM that will run it.
    """
    arena = _Arena(runtime)
    arena.start(model)
    memories = [kernel_memory(raw, runtime) for raw in model.ops]
    for raw in model.ops:
        arena.keep(*runtime.params.get(raw.kind, (0, 1)))
    for raw in model.ops:
        arena.keep_block(runtime.op_data.get(raw.kind, 0))
    requests = 0
    for raw, memory in zip(model.ops, memories, strict=True):
        requests = arena.prepare(raw, memory, requests)
    buffers = planned_buffers(model, memories)
    arena.plan(len(model.tensors), requests, len(buffers))
    arena.head = head_bytes(buffers)
    for ends in (model.inputs, model.outputs):
        arena.keep_block(runtime.word_bytes * len(ends))
        for index in ends:
            arena.keep_tensor(model.tensors[index])
    arena.note()
    needed = _round_up(max(arena.peak, arena.head + arena.tail), ARENA_ALIGNMENT_BYTES)
    return TflmArena(
        arena_bytes=needed,
        head_bytes=arena.head,
        tail_bytes=arena.tail,
        peak_bytes=arena.peak,
    )


def planned_buffers(model: FileModel, memories: Sequence[KernelMemory]) -> list[Buffer]:
    """What the memory planner places: computed tensors and inputs, then scratch buffers."""
    return [*tensor_buffers(model).values(), *scratch_buffers(memories)]


def tensor_buffers(model: FileModel) -> dict[int, Buffer]:
    """Computed tensors and inputs, by index.

    Times are operators, counted from 1; 0 is before the first.
    """
    first: dict[int, int] = dict.fromkeys(model.inputs, 0)
    last: dict[int, int] = dict.fromkeys(model.inputs, 0)
    for time, raw in enumerate(model.ops, 1):
        for tensor in raw.outputs:
            first.setdefault(tensor.index, time)
        for used in (*raw.inputs, *raw.outputs):
            if used is not None:
                last[used.index] = time
    for index in model.outputs:
        first.setdefault(index, len(model.ops))
        last[index] = len(model.ops)
    offline = _offline_offsets(model)
    return {
        tensor.index: Buffer(
            size_bytes=_round_up(tensor.size_bytes, ARENA_ALIGNMENT_BYTES),
            first=first.get(tensor.index, -1),
            last=last.get(tensor.index, -1),
            offset_bytes=offline.get(tensor.index),
        )
        for tensor in model.tensors
        if tensor.constant is None and tensor.size_bytes
    }


def scratch_buffers(memories: Sequence[KernelMemory]) -> list[Buffer]:
    """What kernels ask for while they run, operator by operator."""
    return [
        Buffer(size_bytes=_round_up(size, ARENA_ALIGNMENT_BYTES), first=time, last=time)
        for time, memory in enumerate(memories, 1)
        for size in memory.scratch
    ]


def _offline_offsets(model: FileModel) -> dict[int, int]:
    """Places that an offline plan in the file gives to tensors."""
    plan = model.metadata.get(OFFLINE_PLAN)
    if plan is None:
        return {}
    offsets = parse_offsets(plan, len(model.tensors), model.name)
    return {index: offset for index, offset in enumerate(offsets) if offset != PLACED_BY_TFLM}


@dataclass(slots=True)
class _Arena:
    """The two ends of an arena, and the most that both have held at any moment."""

    runtime: Runtime
    head: int = 0
    tail: int = 0
    peak: int = 0

    def start(self, model: FileModel) -> None:
        """The allocator's own structs, and the arrays over tensors and operators."""
        structs, word = self.runtime.structs, self.runtime.word_bytes
        for size in (
            structs.buffer_allocator,
            structs.memory_planner,
            structs.micro_allocator,
            structs.builtin_data_allocator,
        ):
            self.keep(size, word)
        self.head = structs.scratch_request * _REQUESTS_IN_RESERVE
        self.keep(structs.subgraph, word)
        self.keep(structs.eval_tensor * len(model.tensors), word)
        self.keep(structs.node * len(model.ops), word)

    def keep(self, size: int, alignment: int) -> None:
        """Take memory at the tail for good."""
        if size:
            self.tail = _round_up(self.tail + size, alignment)
            self.note()

    def keep_block(self, size: int) -> None:
        """Take memory at the tail for good, as kernels get it."""
        self.keep(size, ARENA_ALIGNMENT_BYTES)

    def keep_tensor(self, tensor: Tensor) -> None:
        """The description of an input or output."""
        structs, word = self.runtime.structs, self.runtime.word_bytes
        self.keep(structs.tensor, word)
        if tensor.quant is not None:
            self.keep(structs.affine_quantization, word)
            self.keep(_INT32_BYTES * (1 + len(tensor.quant.scale)), _INT32_BYTES)

    def prepare(self, raw: RawOp, memory: KernelMemory, requests: int) -> int:
        """Prepare an operator; returns how many scratch buffers have been requested so far."""
        temporary = self.head
        for tensor in described_tensors(raw, self.runtime):
            temporary = self._describe(tensor, temporary)
        for size in memory.persistent:
            self.keep_block(size)
        self.peak = max(self.peak, temporary + self.tail)
        requests += len(memory.scratch)
        self.head = self.runtime.structs.scratch_request * (requests + _REQUESTS_IN_RESERVE)
        self.note()
        return requests

    def plan(self, num_tensors: int, num_requests: int, num_buffers: int) -> None:
        """The planner's tables, which are there beside the list of requests."""
        word = self.runtime.word_bytes
        self.keep(word * num_requests, word)
        top = _round_up(self.head, word) + word
        top += self.runtime.structs.allocation_info * (num_tensors + num_requests)
        top = _round_up(top, ARENA_ALIGNMENT_BYTES) + _PLANNED_BYTES * num_buffers
        self.peak = max(self.peak, top + _round_up(self.tail, ARENA_ALIGNMENT_BYTES))

    def note(self) -> None:
        """Remember the most that both ends have held together."""
        self.peak = max(self.peak, self.head + self.tail)

    def _describe(self, tensor: Tensor, top: int) -> int:
        """The top of the head after a temporary description of a tensor."""
        structs, word = self.runtime.structs, self.runtime.word_bytes
        top = _round_up(top, word) + structs.tensor
        if tensor.quant is not None:
            top = _round_up(top, word) + structs.affine_quantization
            top += _INT32_BYTES * (1 + len(tensor.quant.scale))
        return top


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
