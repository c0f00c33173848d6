"""Labelled samples in a NumPy archive."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from pipeline.data.dataset import Dataset, Side, frozen
from pipeline.data.keys import content_keys
from pipeline.data.resize import Fit, array_to_image, resize_array, thumbnail
from pipeline.errors import ConfigError
from pipeline.records import Array


def read_npz(path: Path) -> dict[str, Array]:
    """All arrays of an archive, without pickled objects.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        # Opened here: NumPy leaves a broken file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise ConfigError(
            f"{path}: expected a NumPy archive as numpy.savez writes it, without pickled "
            f"objects. Received: {error}."
        ) from error


def load_npz(
    path: Path, *, spec: str, size: tuple[int, int], fit: Fit = "crop", channels: int = 3
) -> Dataset:
    """Read `x` and `y`, or `x_train`, `y_train`, `x_test` and `y_test`.

    Pictures are uint8 [N, H, W], [N, H, W, 1] or [N, H, W, 3] and are resized; arrays of
    int8 or floats are tensors and stay as they are. Optional: `class_names`.

    Args:
        path: the archive.
        spec: what the user wrote, for the record.
        size, fit, channels: for pictures; see `resize`.
    Raises:
        ConfigError: arrays are missing or do not fit each other.
    """
    arrays = read_npz(path)
    if "x_train" in arrays and "x_test" in arrays:
        parts = [("_train", Side.TRAIN), ("_val", Side.VALIDATION), ("_test", Side.TEST)]
        parts = [(suffix, side) for suffix, side in parts if f"x{suffix}" in arrays]
    else:
        parts = [("", None)]  # type: ignore[list-item]
    pieces = [_pair(path, arrays, suffix) for suffix, _ in parts]
    if len({(x.shape[1:], x.dtype) for x, _ in pieces}) != 1:
        raise ConfigError(
            f"{path}: the parts must have samples of one shape and type. Received: "
            + ", ".join(f"{x.dtype}{list(x.shape)}" for x, _ in pieces)
            + "."
        )
    x = np.concatenate([piece for piece, _ in pieces])
    y = np.concatenate([labels for _, labels in pieces]).astype(np.int64)
    names = _class_names(path, arrays, y)
    keys = content_keys(x)
    thumbnails = None
    if _are_pictures(x):
        thumbnails = np.stack([thumbnail(array_to_image(picture)) for picture in x])
        x = np.stack([resize_array(picture, size, fit, channels) for picture in x])
    sides = tuple(side for (_, side), (piece, _) in zip(parts, pieces, strict=True) for _ in piece)
    return Dataset(
        spec=spec,
        class_names=names,
        ids=tuple(f"{path.name}[{index}]" for index in range(len(x))),
        x=frozen(x),
        y=y,
        keys=keys,
        thumbnails=thumbnails,
        sides=sides if len(parts) > 1 else None,
    )


def _are_pictures(x: Array) -> bool:
    return x.dtype == np.uint8 and (x.ndim == 3 or (x.ndim == 4 and x.shape[-1] in (1, 3)))


def _pair(path: Path, arrays: dict[str, Array], suffix: str) -> tuple[Array, Array]:
    for name in (f"x{suffix}", f"y{suffix}"):
        if name not in arrays:
            raise ConfigError(
                f"{path}: expected arrays x and y (or x_train, y_train, x_test, y_test). "
                f"Received: {', '.join(sorted(arrays)) or 'no arrays'}."
            )
    x, y = arrays[f"x{suffix}"], arrays[f"y{suffix}"]
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if x.ndim < 2 or y.ndim != 1 or len(x) != len(y) or not np.issubdtype(y.dtype, np.integer):
        raise ConfigError(
            f"{path}: expected x [samples, ...] and y with one integer class index per sample. "
            f"Received: x{suffix} {x.dtype}{list(x.shape)}, y{suffix} {y.dtype}{list(y.shape)}."
        )
    return x, y


def _class_names(path: Path, arrays: dict[str, Array], y: Array) -> tuple[str, ...]:
    if len(y) == 0 or y.min() < 0:
        raise ConfigError(
            f"{path}: expected class indices from 0 up. Received: "
            f"{'no samples' if len(y) == 0 else y.min()}."
        )
    num_classes = int(y.max()) + 1
    names = tuple(str(name) for name in arrays.get("class_names", np.array([])).tolist())
    names = names or tuple(str(label) for label in range(num_classes))
    counts = np.bincount(y.astype(np.int64), minlength=len(names))
    if len(names) < max(num_classes, 2) or (counts == 0).any():
        raise ConfigError(
            f"{path}: expected at least two classes with samples in each. Received: "
            f"{len(names)} class names and counts {counts.tolist()}."
        )
    return names
