"""The offline memory plan in a .tflite, which TFLM follows: a place in the head for each tensor.

Source: TFLM, micro/docs/memory_management.md and `AllocationInfoBuilder::GetOfflinePlannedOffsets`
(micro/micro_allocation_info.cc).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.errors import UnsupportedModelError
from pipeline.plan.pack import pack

# The file's metadata of this name: a version, a subgraph, the number of tensors of all subgraphs,
# then an offset for each of them.
OFFLINE_PLAN = "OfflineMemoryAllocation"
_VERSION = 1
_HEADER = 3
# The offset of a tensor that TFLM places itself, or that needs no place.
PLACED_BY_TFLM = -1


def parse_offsets(plan: bytes, num_tensors: int, name: str) -> tuple[int, ...]:
    """The offset of each tensor.

    Args:
        plan: contents of the metadata.
        num_tensors: of all subgraphs.
        name: of the model, for messages.
    Raises:
        UnsupportedModelError: the plan is for other tensors.
    """
    values = np.frombuffer(plan[: len(plan) // 4 * 4], "<i4")
    offsets = values[_HEADER:]
    if len(values) < _HEADER or not values[2] == len(offsets) == num_tensors:
        raise UnsupportedModelError(
            f"{name}: the offline memory plan in the file must have an offset for each of "
            f"{num_tensors} tensors. Received: {len(offsets)}. Convert the model again."
        )
    return tuple(int(offset) for offset in offsets)


def plan_bytes(offsets: Sequence[int]) -> bytes:
    """Contents of the metadata for the offsets of all tensors."""
    return np.array([_VERSION, 0, len(offsets), *offsets], "<i4").tobytes()


def read_offsets(model: Any) -> list[list[int]] | None:
    """Offsets of each subgraph's tensors in a `ModelT`, or None without a plan.

    Raises:
        UnsupportedModelError: the plan is for other tensors.
    """
    counts = [len(subgraph.tensors) for subgraph in model.subgraphs]
    for entry in model.metadata or ():
        if bytes(entry.name or b"") == OFFLINE_PLAN.encode():
            data = model.buffers[entry.buffer].data
            plan = b"" if data is None else bytes(data)
            offsets = parse_offsets(plan, sum(counts), "the model")
            ends = np.cumsum(counts)
            parts = zip(counts, ends, strict=True)
            return [list(offsets[end - count : end]) for count, end in parts]
    return None


def write_offsets(model: Any, offsets: Sequence[Sequence[int]]) -> None:
    """Put a plan into a `ModelT`, in place of one that is there.

    Args:
        model: its metadata and buffers change.
        offsets: of each subgraph's tensors.
    """
    from ai_edge_litert import schema_py_generated as schema

    drop_plan(model)
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer = OFFLINE_PLAN.encode(), len(model.buffers)
    buffer.data = np.frombuffer(plan_bytes([offset for part in offsets for offset in part]), "u1")
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]


def drop_plan(model: Any) -> None:
    """Take an offline plan out of a `ModelT`; its buffer stays, without data."""
    kept = []
    for entry in model.metadata or ():
        if bytes(entry.name or b"") == OFFLINE_PLAN.encode():
            model.buffers[entry.buffer].data = None
        else:
            kept.append(entry)
    model.metadata = kept or None


def add_plan(tflite: bytes, offsets: Sequence[int]) -> bytes:
    """A file with a plan, in place of one that is there.

    Args:
        tflite: the bytes of a file with one subgraph.
        offsets: of its tensors.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(tflite)
    write_offsets(model, [offsets])
    return pack(model)
