"""A .tflite file as it stands, for runtimes that take it whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.ops.base import RawOp
from pipeline.records import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class FileModel:
    """A model as it stands in the file: no operator folded, split or left out.

    Attributes:
        name: file name without suffix.
        data: the bytes of the file.
        tensors: a tensor's position is its index.
        ops: in execution order.
        inputs, outputs: tensor indices, in the model's order.
        metadata: contents by name.
    """

    name: str
    data: bytes = field(repr=False)
    tensors: tuple[Tensor, ...]
    ops: tuple[RawOp, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    metadata: Mapping[str, bytes] = field(repr=False)
