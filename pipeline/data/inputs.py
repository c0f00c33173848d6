"""Inputs for a deployed model, in its own dtype and layout (`espalier deploy --inputs`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.dataset import frozen
from pipeline.data.image_folder import (
    SUFFIXES,
    decode_pictures,
    list_class_folders,
)
from pipeline.data.npz import read_npz
from pipeline.data.raw_folder import LABELS_NAME, read_labels, read_raw
from pipeline.data.resize import Fit
from pipeline.errors import ConfigError
from pipeline.records import Array, InputSet

INPUT_FORMS = (
    "random:SEED:N, a folder of raw tensors with y_labels.csv, an .npz with x and perhaps y, "
    "or a folder of JPEG or PNG files, with or without class folders"
)


def load_inputs(
    spec: str,
    *,
    shapes: Sequence[tuple[int, ...]],
    dtypes: Sequence[str],
    ranges: Sequence[tuple[float, float]] | None = None,
    limit: int | None = None,
    fit: Fit = "crop",
) -> InputSet:
    """Load inputs for a model.

    Args:
        spec: "random:SEED:N" (uniform over the whole range), a folder or an .npz file.
        shapes: of each model input, without the batch.
        dtypes: NumPy names of each model input's dtype.
        ranges: of random values for each model input; by default that of an integer dtype.
        limit: at most this many samples, as of `spread_indices`; None for all.
        fit: how pictures are brought to the input's size; see `resize`.
    Returns:
        Samples; labels where the source has them.
    Raises:
        ConfigError: the spec fits no form, or the data does not fit the model.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"inputs: the limit must be at least 1. Received: {limit}.")
    if spec.startswith("random:"):
        return _random(spec, shapes, dtypes, ranges, limit)
    path = Path(spec).expanduser()
    if path.is_dir() and (path / LABELS_NAME).is_file():
        return _raw(spec, path, shapes, dtypes, limit)
    if path.is_file() and path.suffix == ".npz":
        return _npz(spec, path, shapes, dtypes, limit)
    if path.is_dir() and any(_is_picture(entry) for entry in path.rglob("*")):
        return _pictures(spec, path, shapes, dtypes, limit, fit)
    found = (
        "nothing there"
        if not path.exists()
        else "a folder with neither y_labels.csv nor pictures"
        if path.is_dir()
        else "a file of another kind"
    )
    raise ConfigError(f"inputs {spec!r}: expected {INPUT_FORMS}. Received: {found}.")


def spread_indices(count: int, limit: int | None) -> npt.NDArray[np.int64]:
    """Positions of at most `limit` of `count` samples, evenly over all; None for all.

    Samples mostly lie ordered by class: the first ones would be of one class alone.
    """
    taken = count if limit is None else min(count, limit)
    return np.arange(taken, dtype=np.int64) * count // max(1, taken)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _random(
    spec: str,
    shapes: Sequence[tuple[int, ...]],
    dtypes: Sequence[str],
    ranges: Sequence[tuple[float, float]] | None,
    limit: int | None,
) -> InputSet:
    match = re.fullmatch(r"random:(\d+):([1-9]\d*)", spec)
    if match is None:
        raise ConfigError(
            f"inputs {spec!r}: expected random:SEED:N with a seed of at least 0 and N, the "
            "number of inputs, of at least 1. Write for example random:1:5."
        )
    rng = np.random.default_rng(int(match[1]))
    count = int(match[2])
    x = []
    for place, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True)):
        size = (count, *shape)
        if np.issubdtype(np.dtype(dtype), np.integer):
            info = np.iinfo(dtype)
            x.append(rng.integers(info.min, info.max, size=size, dtype=dtype, endpoint=True))
        elif ranges is not None:
            x.append(rng.uniform(*ranges[place], size=size).astype(dtype))
        else:
            raise ConfigError(
                f"inputs {spec!r}: random real values need a range. Received: an input of "
                f"{dtype} without one. Give an .npz."
            )
    return InputSet(
        spec=spec,
        names=tuple(str(index) for index in range(count))[:limit],
        x=tuple(frozen(values[:limit].copy()) for values in x),
    )


def _raw(
    spec: str,
    root: Path,
    shapes: Sequence[tuple[int, ...]],
    dtypes: Sequence[str],
    limit: int | None,
) -> InputSet:
    _expect_one_input(spec, shapes)
    found = read_labels(root)
    lines = tuple(found[index] for index in spread_indices(len(found), limit))
    return InputSet(
        spec=spec,
        names=tuple(line.file for line in lines),
        x=(frozen(read_raw(root, lines, shapes[0], dtypes[0])),),
        y=np.array([line.label for line in lines], np.int64),
    )


def _npz(
    spec: str,
    path: Path,
    shapes: Sequence[tuple[int, ...]],
    dtypes: Sequence[str],
    limit: int | None,
) -> InputSet:
    arrays = read_npz(path)
    names = ["x"] if len(shapes) == 1 and "x" in arrays else [f"x{i}" for i in range(len(shapes))]
    missing = [name for name in names if name not in arrays]
    if missing:
        raise ConfigError(
            f"{path}: expected {'x' if len(shapes) == 1 else ', '.join(names)} for the model's "
            f"{len(shapes)} input(s). Received: {', '.join(sorted(arrays)) or 'no arrays'}."
        )
    x = [
        _fitting(path, name, arrays[name], shape, dtype)
        for name, shape, dtype in zip(names, shapes, dtypes, strict=True)
    ]
    counts = {len(values) for values in x}
    if len(counts) != 1:
        raise ConfigError(
            f"{path}: expected as many samples of each input. Received: "
            f"{', '.join(f'{name} {len(values)}' for name, values in zip(names, x, strict=True))}."
        )
    count = counts.pop()
    y = _labels(path, arrays["y"], count) if "y" in arrays else None
    chosen = spread_indices(count, limit)
    return InputSet(
        spec=spec,
        names=tuple(map(str, chosen.tolist())),
        x=tuple(frozen(np.ascontiguousarray(values[chosen])) for values in x),
        y=None if y is None else y[chosen],
    )


def _fitting(path: Path, name: str, values: Array, shape: tuple[int, ...], dtype: str) -> Array:
    if values.dtype != np.dtype(dtype):
        raise ConfigError(
            f"{path}: {name} must have the model's own dtype {dtype}. Received: {values.dtype}. "
            "Quantize the values yourself, q = round(real / scale) + zero_point, and save them "
            f"as {dtype}; for pictures, int8 is pixel - 128 and uint8 is the pixel."
        )
    if values.ndim == 0 or len(values) == 0:
        raise ConfigError(f"{path}: {name} has no samples. Received: {list(values.shape)}.")
    # [N, 49, 10] for an input of 49 x 10 x 1 is the same bytes; so is a flat [N, 490].
    squeezed = tuple(side for side in values.shape[1:] if side != 1)
    flat = (int(np.prod(shape, dtype=np.int64)),)
    if squeezed not in (tuple(side for side in shape if side != 1), flat):
        raise ConfigError(
            f"{path}: {name} must have shape [samples, {', '.join(map(str, shape))}]. "
            f"Received: {list(values.shape)}."
        )
    return values.reshape(len(values), *shape)


def _labels(path: Path, y: Array, count: int) -> npt.NDArray[np.int64]:
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.shape != (count,) or not np.issubdtype(y.dtype, np.integer):
        raise ConfigError(
            f"{path}: y must hold one integer class index for each of the {count} samples. "
            f"Received: {y.dtype}{list(y.shape)}."
        )
    return y.astype(np.int64)


def _pictures(
    spec: str,
    root: Path,
    shapes: Sequence[tuple[int, ...]],
    dtypes: Sequence[str],
    limit: int | None,
    fit: Fit,
) -> InputSet:
    _expect_one_input(spec, shapes)
    shape, dtype = shapes[0], dtypes[0]
    if len(shape) != 3 or shape[2] not in (1, 3) or dtype not in ("int8", "uint8"):
        raise ConfigError(
            f"inputs {spec!r}: pictures are for models of an int8 or uint8 input of height x "
            f"width x 1 or 3. Received: an input of {dtype}{list(shape)}. "
            "Give raw tensors or an .npz."
        )
    flat = [entry for entry in sorted(root.iterdir()) if _is_picture(entry)]
    labels: list[int] | None = None
    if flat:
        paths, names = flat, [entry.name for entry in flat]
    else:
        class_names, files, _ = list_class_folders(root, min_classes=1)
        paths, names = [file.path for file in files], [file.name for file in files]
        # A single folder's name says nothing about its place among the model's classes.
        labels = [file.label for file in files] if len(class_names) > 1 else None
    chosen = spread_indices(len(paths), limit).tolist()
    paths, names = [paths[index] for index in chosen], [names[index] for index in chosen]
    labels = labels and [labels[index] for index in chosen]
    decoded = decode_pictures(paths, size=shape[:2], fit=fit, channels=shape[2])
    good = [index for index, item in enumerate(decoded) if not isinstance(item, str)]
    if not good:
        raise ConfigError(
            f"inputs {spec!r}: no picture is readable. Received: {names[0]} ({decoded[0]})."
        )
    pixels = np.stack([item.pixels for item in decoded if not isinstance(item, str)])
    x = pixels if dtype == "uint8" else (pixels.astype(np.int16) - 128).astype(np.int8)
    return InputSet(
        spec=spec,
        names=tuple(names[index] for index in good),
        x=(frozen(x),),
        y=None if labels is None else np.array([labels[index] for index in good], np.int64),
        skipped=tuple(
            (names[index], item) for index, item in enumerate(decoded) if isinstance(item, str)
        ),
    )


def _expect_one_input(spec: str, shapes: Sequence[tuple[int, ...]]) -> None:
    if len(shapes) != 1:
        raise ConfigError(
            f"inputs {spec!r}: files of this form are for models of one input. Received: a "
            f"model of {len(shapes)}. Give an .npz with x0, x1 and so on."
        )
