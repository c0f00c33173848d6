"""How TFLite packs INT4: two values in a byte, the first in the low half."""

from __future__ import annotations

import numpy as np

from pipeline.records import Array


def unpack_int4(data: bytes, count: int) -> Array:
    """The values of a packed tensor.

    Args:
        data: of the buffer; the high half of its last byte is of no meaning where `count` is odd.
        count: values that the tensor's shape asks for.
    Returns:
        int8 [count] in -8 .. 7, read-only; another number of values where the buffer holds more
        or fewer bytes than that many need.
    """
    packed = np.frombuffer(data, dtype=np.int8)
    values = np.stack([packed << 4 >> 4, packed >> 4], axis=1).reshape(-1)
    if len(values) == count + count % 2:
        values = values[:count]
    values.flags.writeable = False
    return values


def pack_int4(values: Array) -> bytes:
    """The bytes of a tensor whose values, integers in -8 .. 7, follow each other in C order."""
    flat = values.astype(np.int8).reshape(-1)
    pairs = np.pad(flat, (0, len(flat) % 2)).reshape(-1, 2).view(np.uint8) & 0xF
    packed: bytes = (pairs[:, 0] | pairs[:, 1] << 4).astype(np.uint8).tobytes()
    return packed
