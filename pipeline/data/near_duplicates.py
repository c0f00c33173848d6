"""Groups of near-duplicate pictures, by perceptual hash."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

# Two pictures are near-duplicates where their 64-bit difference hashes differ in at most
# this many bits and their thumbnails correlate at least this much. The hash alone also
# links unrelated pictures of simple structure (a lit wall, a sky), the correlation alone is
# slow. Both values were set by eye on photographs of fixed cameras: recompressed, resized,
# relit and slightly cropped copies and frames of the same scene fall together, different
# scenes do not.
MAX_HASH_DISTANCE = 12
MIN_CORRELATION = 0.75

_BLOCK = 2048


def difference_hashes(thumbnails: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """64-bit difference hash (dHash) of each thumbnail.

    A bit says whether an 8 x 9 picture gets brighter from one column to the next.

    Args:
        thumbnails: uint8 [N, 16, 16].
    Returns:
        uint64 [N].
    """
    rows = thumbnails.astype(np.float32).reshape(len(thumbnails), 8, 2, 16).mean(axis=2)
    # Nine columns at the centres of nine equal parts of the sixteen, linearly interpolated.
    positions = (np.arange(9) + 0.5) * (16 / 9) - 0.5
    left = np.floor(positions).astype(np.int64).clip(0, 14)
    weight = (positions - left).astype(np.float32)
    columns = rows[:, :, left] * (1 - weight) + rows[:, :, left + 1] * weight
    bits = (columns[:, :, 1:] > columns[:, :, :-1]).reshape(len(thumbnails), 64)
    packed = np.packbits(bits, axis=1)
    return np.ascontiguousarray(packed).view(np.uint64).reshape(-1)


def near_duplicate_groups(
    keys: npt.NDArray[np.uint64],
    thumbnails: npt.NDArray[np.uint8] | None,
    on_progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.int64]:
    """The group of each sample: connected components of "is a near-duplicate of".

    Samples of equal key always share a group; with thumbnails, so do near-duplicates.
    Compares all pairs: 60,000 pictures take about 10 s.

    Args:
        keys: uint64 [N].
        thumbnails: uint8 [N, 16, 16] or None.
        on_progress: called with (samples compared, samples in all).
    Returns:
        int64 [N]: position of the group's first sample.
    """
    parent = np.arange(len(keys))

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = int(parent[node])
        return node

    def join(first: int, second: int) -> None:
        a, b = find(first), find(second)
        if a != b:
            parent[max(a, b)] = min(a, b)

    _, first_of_key, inverse = np.unique(keys, return_index=True, return_inverse=True)
    for sample, first in enumerate(first_of_key[inverse]):
        if first != sample:
            join(int(first), sample)
    if thumbnails is not None:
        for first, second in _similar_pairs(thumbnails, on_progress):
            join(first, second)
    return np.array([find(sample) for sample in range(len(keys))], np.int64)


def _similar_pairs(
    thumbnails: npt.NDArray[np.uint8], on_progress: Callable[[int, int], None] | None
) -> list[tuple[int, int]]:
    hashes = difference_hashes(thumbnails)
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(hashes), _BLOCK):
        rows = hashes[start : start + _BLOCK]
        for other in range(start, len(hashes), _BLOCK):
            columns = hashes[other : other + _BLOCK]
            distance = np.bitwise_count(rows[:, None] ^ columns[None, :])
            i, j = np.nonzero(distance <= MAX_HASH_DISTANCE)
            i, j = i + start, j + other
            i, j = i[i < j], j[i < j]
            alike = np.einsum("nk,nk->n", flat[i], flat[j]) >= MIN_CORRELATION
            pairs.extend(zip(i[alike].tolist(), j[alike].tolist(), strict=True))
        if on_progress is not None:
            on_progress(min(start + _BLOCK, len(hashes)), len(hashes))
    return pairs
