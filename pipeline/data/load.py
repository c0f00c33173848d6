"""One door to every kind of labelled data."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.data.dataset import Dataset
from pipeline.data.image_folder import load_image_folder
from pipeline.data.npz import load_npz
from pipeline.data.raw_folder import LABELS_NAME, load_raw_folder
from pipeline.data.resize import check_fit
from pipeline.data.synthetic import generate_synthetic
from pipeline.errors import ConfigError

DEFAULT_SYNTHETIC = 4000

FORMS = (
    "synthetic or synthetic:N (drawn pictures), a folder of class folders with JPEG or PNG "
    "files, a folder of raw tensors with y_labels.csv, or an .npz with x and y"
)


def load_dataset(
    spec: str,
    size: tuple[int, int] = (80, 80),
    fit: str = "crop",
    *,
    seed: int = 0,
    channels: int = 3,
    tensor_shape: tuple[int, ...] | None = None,
    tensor_dtype: str = "int8",
    on_progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Load labelled samples.

    Args:
        spec: "synthetic", "synthetic:N", a folder or an .npz file.
        size: (height, width) of pictures, in pixels.
        fit: "crop" or "fit"; see `resize`.
        seed: of the synthetic pictures.
        channels: of pictures, 3 or 1.
        tensor_shape, tensor_dtype: of raw tensors, which do not say it themselves; without
            a shape, they are flat.
        on_progress: called with (samples read, samples in all).
    Raises:
        ConfigError: the spec fits no form, or the data is wrong.
    """
    mode = check_fit(fit)
    if channels not in (1, 3):
        raise ConfigError(f"data channels: expected 1 or 3. Received: {channels}.")
    if min(size) < 1:
        raise ConfigError(f"data size: expected at least 1 x 1 pixels. Received: {size}.")
    if spec == "synthetic" or spec.startswith("synthetic:"):
        return generate_synthetic(
            synthetic_count(spec),
            spec=spec,
            size=size,
            seed=seed,
            channels=channels,
            on_progress=on_progress,
        )
    path = Path(spec).expanduser()
    if path.is_dir() and (path / LABELS_NAME).is_file():
        return _finite(load_raw_folder(path, spec=spec, shape=tensor_shape, dtype=tensor_dtype))
    if path.is_dir():
        return load_image_folder(
            path, spec=spec, size=size, fit=mode, channels=channels, on_progress=on_progress
        )
    if path.is_file() and path.suffix == ".npz":
        return _finite(load_npz(path, spec=spec, size=size, fit=mode, channels=channels))
    found = "a file of another kind" if path.exists() else "nothing there"
    raise ConfigError(f"data {spec!r}: expected {FORMS}. Received: {found}.")


def _finite(dataset: Dataset) -> Dataset:
    """The dataset; ConfigError where a value of it is no number."""
    if np.issubdtype(dataset.x.dtype, np.floating):
        sound = np.isfinite(dataset.x.reshape(len(dataset.x), -1)).all(axis=1)
        if not sound.all():
            wrong = [dataset.ids[index] for index in np.flatnonzero(~sound)]
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise ConfigError(
                f"data {dataset.spec!r}: expected finite values. Received: NaN or infinity in "
                f"{', '.join(wrong[:3])}{more}. Leave these samples out, or mend them."
            )
    return dataset


def synthetic_count(spec: str) -> int:
    """How many pictures "synthetic" or "synthetic:N" draws. Raises ConfigError for any other N."""
    if spec == "synthetic":
        return DEFAULT_SYNTHETIC
    match = re.fullmatch(r"synthetic:([1-9]\d*)", spec)
    if match is None or int(match[1]) < 20:
        raise ConfigError(
            f"data {spec!r}: expected synthetic:N with N, the number of pictures, at least 20. "
            "Write for example synthetic:4000."
        )
    return int(match[1])
