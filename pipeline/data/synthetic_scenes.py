"""Backgrounds and distractors of the procedural pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Colour = tuple[int, int, int]


def random_colour(rng: np.random.Generator, low: int = 0, high: int = 255) -> Colour:
    """A colour with each channel within [low, high]."""
    r, g, b = rng.integers(low, high, size=3, endpoint=True).tolist()
    return (r, g, b)


def shade(colour: Colour, amount: int) -> Colour:
    """The colour made brighter (amount > 0) or darker."""
    r, g, b = (min(255, max(0, channel + amount)) for channel in colour)
    return (r, g, b)


def draw_background(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A room, a street, a landscape or a plain texture, RGB."""
    from PIL import Image, ImageDraw

    pixels = _gradient(rng, width, height)
    kind = rng.integers(0, 4)
    horizon = int(height * rng.uniform(0.35, 0.85))
    if kind < 3:
        floor = np.array(random_colour(rng, 30, 210), np.float32)
        depth = np.linspace(0.7, 1.1, height - horizon, dtype=np.float32)[:, None, None]
        pixels[horizon:] = floor * depth
    pixels += _soft_noise(rng, width, height) * rng.uniform(0, 30)
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    if kind == 0:
        _draw_room(rng, draw, width, horizon)
    elif kind == 1:
        _draw_street(rng, draw, width, horizon)
    elif kind == 2:
        _draw_hills(rng, draw, width, height, horizon)
    else:
        _draw_shapes(rng, draw, width, height)
    return image


def _gradient(rng: np.random.Generator, width: int, height: int) -> npt.NDArray[np.float32]:
    top, bottom = (np.array(random_colour(rng, 30, 255), np.float32) for _ in range(2))
    mix = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    slope = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None] * rng.uniform(-25, 25)
    result: npt.NDArray[np.float32] = top * (1 - mix) + bottom * mix + slope.astype(np.float32)
    return result


def _soft_noise(rng: np.random.Generator, width: int, height: int) -> npt.NDArray[np.float32]:
    """Smooth noise of a random coarseness in [-1, 1], [height, width, 1]."""
    from PIL import Image

    cells = int(rng.choice([4, 8, 16, 32]))
    coarse = Image.fromarray(rng.uniform(-1, 1, (cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))[..., None]


def _draw_room(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, horizon: int
) -> None:
    for _ in range(rng.integers(1, 4)):
        left = rng.uniform(-0.1, 0.9) * width
        top = rng.uniform(0.05, 0.6) * horizon
        right = left + rng.uniform(0.1, 0.4) * width
        bottom = min(horizon, top + rng.uniform(0.2, 0.9) * horizon)
        frame = random_colour(rng)
        draw.rectangle((left, top, right, bottom), random_colour(rng), frame, width=3)
        if rng.random() < 0.5:
            middle = (left + right) / 2
            draw.line((middle, top, middle, bottom), frame, width=3)


def _draw_street(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, horizon: int
) -> None:
    left = -rng.uniform(0, 0.2) * width
    while left < width:
        right = left + rng.uniform(0.15, 0.45) * width
        top = rng.uniform(0.0, 0.7) * horizon
        wall = random_colour(rng, 40, 220)
        draw.rectangle((left, top, right, horizon), wall)
        pane = shade(wall, int(rng.choice([-60, 60])))
        step = rng.uniform(10, 24)
        for x in np.arange(left + 4, right - step / 2, step):
            for y in np.arange(top + 4, horizon - step / 2, step):
                draw.rectangle((x, y, x + step * 0.5, y + step * 0.6), pane)
        left = right + rng.uniform(0, 0.1) * width


def _draw_hills(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int, horizon: int
) -> None:
    for _ in range(rng.integers(1, 4)):
        x, span = rng.uniform(0, 1) * width, rng.uniform(0.3, 0.9) * width
        rise = rng.uniform(0.1, 0.6) * horizon
        draw.ellipse(
            (x - span / 2, horizon - rise, x + span / 2, horizon + rise),
            random_colour(rng, 20, 160),
        )
    draw.rectangle((0, horizon, width, height), random_colour(rng, 20, 180))
    for _ in range(rng.integers(0, 60)):
        x, y = rng.uniform(0, width), rng.uniform(horizon, height)
        draw.line(
            (x, y, x + rng.uniform(-4, 4), y - rng.uniform(2, 10)), random_colour(rng, 20, 160)
        )


def _draw_shapes(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int
) -> None:
    for _ in range(rng.integers(3, 14)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        w, h = rng.uniform(0.05, 0.5, size=2) * (width, height)
        shape = draw.rectangle if rng.random() < 0.5 else draw.ellipse
        shape((x - w / 2, y - h / 2, x + w / 2, y + h / 2), random_colour(rng))


def draw_distractor(rng: np.random.Generator, image: Image.Image, max_height: float = 0.95) -> None:
    """Add one thing that is no person, of a random kind, size and place.

    Args:
        rng: source of randomness.
        image: drawn on.
        max_height: of the thing, in heights of the picture.
    """
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    height = rng.uniform(0.15, max_height) * image.height if max_height > 0.15 else 0.15
    x = rng.uniform(0.0, 1.0) * image.width
    foot = rng.uniform(0.55, 1.1) * image.height
    kind = _DISTRACTORS[rng.integers(0, len(_DISTRACTORS))]
    kind(rng, draw, x, foot, height)


Painter = Callable[[np.random.Generator, "ImageDraw.ImageDraw", float, float, float], None]


def _lamp(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, foot: float, h: float
) -> None:
    """A pole with a ball or a plate on top: upright, with something like a head."""
    colour = random_colour(rng)
    pole, ball = max(2.0, h * rng.uniform(0.015, 0.05)), h * rng.uniform(0.05, 0.13)
    draw.rectangle((x - pole, foot - h, x + pole, foot), colour)
    shape = draw.ellipse if rng.random() < 0.6 else draw.rectangle
    shape((x - ball, foot - h - ball, x + ball, foot - h + ball), random_colour(rng))


def _tree(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, foot: float, h: float
) -> None:
    trunk = h * rng.uniform(0.03, 0.08)
    draw.rectangle((x - trunk, foot - h * 0.6, x + trunk, foot), random_colour(rng, 30, 130))
    leaves = (int(rng.integers(10, 110)), int(rng.integers(70, 180)), int(rng.integers(10, 90)))
    for _ in range(rng.integers(1, 6)):
        cx, cy = x + rng.normal(0, 0.08) * h, foot - h * rng.uniform(0.6, 0.9)
        r = h * rng.uniform(0.12, 0.25)
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), shade(leaves, int(rng.integers(-25, 25))))


def _chair(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, foot: float, h: float
) -> None:
    colour = random_colour(rng)
    w, leg = h * rng.uniform(0.2, 0.3), max(2, int(h * 0.05))
    seat = foot - h * 0.45
    for side in (-w, w):
        draw.line((x + side, seat, x + side, foot), shade(colour, -30), width=leg)
    draw.rectangle((x - w, seat - leg, x + w, seat + leg), colour)
    back = x - w if rng.random() < 0.5 else x + w
    draw.line((back, seat, back, foot - h), colour, width=leg * 2)


def _animal(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, foot: float, h: float
) -> None:
    """Four legs under a level body, head in front."""
    h = h * 0.7
    colour = random_colour(rng, 20, 230)
    w, facing = h * rng.uniform(0.6, 0.9), rng.choice([-1, 1])
    for offset in (-0.85, -0.55, 0.55, 0.85):
        leg = x + offset * w
        draw.line(
            (leg, foot - h * 0.5, leg + rng.normal(0, 0.05) * h, foot),
            shade(colour, -25),
            width=max(2, int(h * 0.09)),
        )
    draw.ellipse((x - w, foot - h * 0.85, x + w, foot - h * 0.35), colour)
    head, cy, r = x + facing * w * 1.1, foot - h * rng.uniform(0.75, 1.0), h * 0.18
    draw.ellipse((head - r * 1.3, cy - r, head + r * 1.3, cy + r), shade(colour, 15))
    tail = x - facing * w
    draw.line((tail, foot - h * 0.65, tail - facing * w * 0.4, foot - h), colour, width=3)


def _car(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, foot: float, h: float
) -> None:
    h = h * 0.5
    w, colour = h * rng.uniform(1.0, 1.5), random_colour(rng)
    draw.rectangle((x - w, foot - h * 0.6, x + w, foot - h * 0.15), colour)
    roof = (
        (x - w * 0.6, foot - h * 0.6),
        (x - w * 0.4, foot - h),
        (x + w * 0.4, foot - h),
        (x + w * 0.65, foot - h * 0.6),
    )
    draw.polygon(roof, random_colour(rng, 100, 230))
    for side in (-0.55, 0.55):
        r, cx = h * 0.18, x + side * w
        draw.ellipse((cx - r, foot - 2 * r, cx + r, foot), (20, 20, 22))


def _bottle(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, foot: float, h: float
) -> None:
    """A body with a narrow neck and a cap."""
    colour, w = random_colour(rng), h * rng.uniform(0.12, 0.22)
    draw.rectangle((x - w, foot - h * 0.6, x + w, foot), colour)
    draw.polygon(
        (
            (x - w, foot - h * 0.6),
            (x - w * 0.35, foot - h * 0.8),
            (x + w * 0.35, foot - h * 0.8),
            (x + w, foot - h * 0.6),
        ),
        colour,
    )
    draw.rectangle((x - w * 0.35, foot - h, x + w * 0.35, foot - h * 0.8), random_colour(rng))


def _box(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, foot: float, h: float
) -> None:
    w, colour = h * rng.uniform(0.2, 0.6), random_colour(rng)
    draw.rectangle((x - w, foot - h, x + w, foot), colour, shade(colour, -60), width=2)
    for part in range(int(rng.integers(0, 5))):
        y = foot - h * (part + 1) / 6
        draw.line((x - w, y, x + w, y), shade(colour, -40), width=2)


_DISTRACTORS: tuple[Painter, ...] = (_lamp, _tree, _chair, _animal, _car, _bottle, _box)
