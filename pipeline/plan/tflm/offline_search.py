"""Find places for tensors with which the head of TFLM's arena becomes smallest.

TFLM places the largest buffer first, each where it first fits, and that wastes memory. A plan in
the file fixes the places of tensors; around them TFLM still places what kernels ask for while they
run, which differs from one TFLM to the next. So a plan is right for all of them and is searched
for one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.errors import UnsupportedModelError
from pipeline.plan.file_model import FileModel
from pipeline.plan.lifetimes import Block, live_bytes
from pipeline.plan.placement import place
from pipeline.plan.tflm.arena import predict_arena, scratch_buffers, tensor_buffers
from pipeline.plan.tflm.kernels import kernel_memory
from pipeline.plan.tflm.offline import OFFLINE_PLAN, PLACED_BY_TFLM, plan_bytes
from pipeline.plan.tflm.plan import check_supported
from pipeline.plan.tflm.planner import Buffer, greedy_offsets, head_bytes
from pipeline.plan.tflm.runtimes import RUNTIMES, Runtime
from pipeline.records import OpKind, TflmArena

# Changes of the order of placement that are tried.
_CHANGES = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflinePlan:
    """Places of a model's tensors.

    Attributes:
        offsets: of each tensor in the head, -1 where TFLM needs none.
        runtime: name of the TFLM that it was searched for.
        lower_bound_bytes: no plan gives that TFLM a smaller head.
        arenas: (as the file was, with this plan) by name of each TFLM that has all operators.
        shared: how many tensors take over the place of the one that they are a view of.
    """

    offsets: tuple[int, ...] = field(repr=False)
    runtime: str
    lower_bound_bytes: int
    arenas: Mapping[str, tuple[TflmArena, TflmArena]]
    shared: int


def plan_offline(model: FileModel, runtime: Runtime) -> OfflinePlan:
    """Search for the places of all tensors.

    Args:
        model: the file as it stands; a plan that is in it counts as one candidate.
        runtime: the TFLM whose head is to be smallest; of plans that are equal to it, the one
            with which the others need least.
    Raises:
        UnsupportedModelError: the TFLM cannot run the model.
    """
    try:
        check_supported(model, runtime)
    except UnsupportedModelError as error:
        able = [name for name, other in RUNTIMES.items() if _supports(model, other)]
        if not able:
            raise
        raise UnsupportedModelError(
            f"{error} To plan for a TFLM that takes it: --tflm-runtime {able[0]}."
        ) from error
    search = _Search(model, runtime)
    offsets = search.best()
    planned = with_plan(model, offsets)
    arenas = {
        name: (predict_arena(model, other), predict_arena(planned, other))
        for name, other in RUNTIMES.items()
        if other in search.runtimes
    }
    return OfflinePlan(
        offsets=offsets,
        runtime=runtime.name,
        lower_bound_bytes=search.lower_bound_bytes,
        arenas=arenas,
        shared=search.shared,
    )


def with_plan(model: FileModel, offsets: Sequence[int]) -> FileModel:
    """The model with a plan in its metadata; its bytes stay those of before."""
    metadata = {**model.metadata, OFFLINE_PLAN: plan_bytes(offsets)}
    return dataclasses.replace(model, metadata=metadata)


class _Search:
    """Candidates for one model, and what each makes of the head."""

    def __init__(self, model: FileModel, runtime: Runtime) -> None:
        self._model, self._runtime = model, runtime
        self._now = tensor_buffers(model)
        self._free = {
            index: dataclasses.replace(buffer, offset_bytes=None)
            for index, buffer in self._now.items()
        }
        self._groups = _views(model, self._free)
        self.shared = len(self._free) - len(self._groups)
        # The runtime itself first.
        self.runtimes = [runtime] + [
            other for other in RUNTIMES.values() if other is not runtime and _supports(model, other)
        ]
        self._scratch = [
            scratch_buffers([kernel_memory(raw, other) for raw in model.ops])
            for other in self.runtimes
        ]
        blocks = self._blocks(self._scratch[0])
        self.lower_bound_bytes = int(live_bytes(blocks).max()) if blocks else 0

    def best(self) -> tuple[int, ...]:
        """The offsets of all tensors with the smallest head."""
        candidates = [
            self._placed_by_tflm(self._now),
            self._placed_by_tflm(self._free),
            *(self._placed(scratch) for scratch in self._different_scratch()),
        ]
        best = min(candidates, key=self._heads)
        return tuple(best.get(tensor.index, PLACED_BY_TFLM) for tensor in self._model.tensors)

    def _different_scratch(self) -> list[list[Buffer]]:
        different: list[list[Buffer]] = [[]]
        for scratch in self._scratch:
            if scratch not in different:
                different.append(scratch)
        return different

    def _heads(self, offsets: Mapping[int, int]) -> tuple[int, int]:
        """The head of the runtime, then those of all others together."""
        fixed = [
            dataclasses.replace(buffer, offset_bytes=offsets[index])
            for index, buffer in self._free.items()
        ]
        first, *others = (head_bytes([*fixed, *scratch]) for scratch in self._scratch)
        return first, sum(others)

    def _placed_by_tflm(self, tensors: Mapping[int, Buffer]) -> dict[int, int]:
        offsets = greedy_offsets([*tensors.values(), *self._scratch[0]])
        return dict(zip(tensors, offsets[: len(tensors)], strict=True))

    def _placed(self, scratch: Sequence[Buffer]) -> dict[int, int]:
        """Offsets from the search, which keeps a place free for scratch buffers."""
        blocks = self._blocks(scratch)
        # What no operator uses disturbs nobody, wherever it lies.
        offsets = dict.fromkeys(self._free, 0)
        if blocks:
            layout = place(blocks, _CHANGES)
            used = [group for group in self._groups if self._free[group[0]].first >= 0]
            for group, offset in zip(used, layout.offsets, strict=False):
                offsets.update(dict.fromkeys(group, offset))
        return offsets

    def _blocks(self, scratch: Sequence[Buffer]) -> list[Block]:
        """Tensors that are used, those that share a place as one, then scratch buffers."""
        lives = []
        for group in self._groups:
            members = [self._free[index] for index in group]
            if members[0].first >= 0:
                lives.append(
                    Buffer(
                        size_bytes=members[0].size_bytes,
                        first=members[0].first,
                        last=max(member.last for member in members),
                    )
                )
        times = np.arange(len(self._model.ops) + 1)
        needed = [buffer for buffer in scratch if buffer.size_bytes]
        return [_block(life, times) for life in (*lives, *needed)]


def _block(life: Buffer, times: np.ndarray) -> Block:
    alive = (times >= life.first) & (times <= life.last)
    return Block(
        buffers=(),
        scratch_of=None,
        ring=None,
        size_bytes=life.size_bytes,
        first=np.zeros_like(times),
        end=np.where(alive, life.size_bytes, 0),
    )


def _views(model: FileModel, tensors: Mapping[int, Buffer]) -> list[tuple[int, ...]]:
    """Groups of tensors that may lie in one place: a RESHAPE and what it is the last to read.

    Source: TFLM micro/kernels/reshape.cc, which copies nothing where both lie in one place.
    """
    groups: dict[int, tuple[int, ...]] = {index: (index,) for index in tensors}
    for time, raw in enumerate(model.ops, 1):
        if raw.kind is not OpKind.RESHAPE or raw.inputs[0] is None:
            continue
        x, y = raw.inputs[0].index, raw.outputs[0].index
        if x not in tensors or y not in tensors or x in model.outputs:
            continue
        same = tensors[x].size_bytes == tensors[y].size_bytes
        if same and tensors[x].last == time == tensors[y].first:
            joined = groups[x] + groups[y]
            groups.update(dict.fromkeys(joined, joined))
    return list(dict.fromkeys(groups.values()))


def _supports(model: FileModel, runtime: Runtime) -> bool:
    try:
        check_supported(model, runtime)
    except UnsupportedModelError:
        return False
    return True
