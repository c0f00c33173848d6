"""A procedural person / no-person generator: data that needs no download.

Both classes share backgrounds and distractors; only the person class has one to three
people. Drawn at twice the size and shrunk, so edges are antialiased.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.data.dataset import Dataset, frozen
from pipeline.data.keys import content_keys
from pipeline.data.resize import array_to_image, thumbnail
from pipeline.data.synthetic_people import draw_person
from pipeline.data.synthetic_scenes import draw_background, draw_distractor

if TYPE_CHECKING:
    from PIL import Image

CLASS_NAMES = ("no_person", "person")

_SUPERSAMPLING = 2


def generate_synthetic(
    num_samples: int,
    *,
    spec: str,
    size: tuple[int, int] = (80, 80),
    seed: int = 0,
    channels: int = 3,
    on_progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Draw pictures, alternately without and with people.

    Picture i depends on the seed, the size and i alone: a longer set starts with the
    shorter one. About 250 pictures a second.

    Args:
        num_samples: how many; at least 2.
        spec: what the user wrote, for the record.
        size: (height, width).
        seed: of the generator.
        channels: 3 or 1.
        on_progress: called with (pictures drawn, pictures in all).
    """
    height, width = size
    x = np.empty((num_samples, height, width, channels), np.uint8)
    thumbnails = np.empty((num_samples, 16, 16), np.uint8)
    for index in range(num_samples):
        picture = draw_picture(np.random.default_rng([seed, index]), size, index % 2 == 1)
        thumbnails[index] = thumbnail(array_to_image(picture))
        x[index] = (
            picture
            if channels == 3
            else np.asarray(array_to_image(picture).convert("L")).reshape(height, width, 1)
        )
        if on_progress is not None:
            on_progress(index + 1, num_samples)
    return Dataset(
        spec=spec,
        class_names=CLASS_NAMES,
        ids=tuple(f"{CLASS_NAMES[index % 2]}/{seed}-{index:06d}" for index in range(num_samples)),
        x=frozen(x),
        y=np.arange(num_samples, dtype=np.int64) % 2,
        keys=content_keys(x),
        thumbnails=thumbnails,
    )


def draw_picture(
    rng: np.random.Generator, size: tuple[int, int], with_people: bool
) -> npt.NDArray[np.uint8]:
    """One picture, uint8 [H, W, 3]."""
    from PIL import Image, ImageFilter

    height, width = (side * _SUPERSAMPLING for side in size)
    image = draw_background(rng, width, height)
    for _ in range(rng.integers(0, 3)):
        draw_distractor(rng, image)
    if with_people:
        for _ in range(rng.choice([1, 1, 2, 2, 3])):
            draw_person(rng, image)
    if rng.random() < 0.2:
        # Something in front, low enough to leave the people recognisable.
        draw_distractor(rng, image, max_height=0.3)
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.0)))
    small = image.resize((size[1], size[0]), Image.Resampling.BOX)
    return _expose(rng, small)


def _expose(rng: np.random.Generator, image: Image.Image) -> npt.NDArray[np.uint8]:
    """Vary brightness, contrast, colour and sensor noise."""
    pixels = np.asarray(image).astype(np.float32)
    pixels = (pixels - 128) * rng.uniform(0.7, 1.15) + 128 + rng.uniform(-25, 25)
    if rng.random() < 0.08:
        pixels[...] = pixels.mean(axis=2, keepdims=True)
    else:
        pixels *= rng.uniform(0.92, 1.08, size=3)
    pixels += rng.normal(0, rng.uniform(1, 6), size=pixels.shape)
    return pixels.clip(0, 255).astype(np.uint8)
