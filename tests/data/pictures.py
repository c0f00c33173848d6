"""Small pictures and folders that the data tests read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


def photo(seed: int, width: int = 60, height: int = 40) -> Image.Image:
    """A smooth random picture, like no other seed's."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (5, 7, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def class_folders(root: Path, count: int, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """A folder of class folders with `count` pictures in each."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(count):
            photo(1000 * label + index).save(root / name / f"{index:03d}.png")
    return root
