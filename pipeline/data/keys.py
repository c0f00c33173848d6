"""Hashes that decide, rather than positions, on which side of a split a sample falls."""

import hashlib

import numpy as np
import numpy.typing as npt

from pipeline.records import Array


def content_key(data: bytes) -> int:
    """64-bit hash of a sample's content."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def content_keys(x: Array) -> npt.NDArray[np.uint64]:
    """`content_key` of each row of an array, uint64 [N]."""
    return np.array([content_key(np.ascontiguousarray(row).tobytes()) for row in x], np.uint64)


def seeded_fraction(key: int, seed: int) -> float:
    """A number in [0, 1) that depends on the key and the seed alone, evenly distributed."""
    digest = hashlib.blake2b(
        int(key).to_bytes(8, "little"), digest_size=8, salt=seed.to_bytes(8, "little", signed=True)
    ).digest()
    return int.from_bytes(digest, "little") / 2.0**64
