"""People of the procedural pictures: many sizes, poses, proportions and colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.synthetic_scenes import Colour, random_colour, shade

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

_SKIN: tuple[Colour, ...] = (
    (255, 219, 192),
    (240, 194, 160),
    (224, 172, 136),
    (198, 140, 100),
    (160, 106, 70),
    (120, 76, 50),
    (84, 54, 38),
    (58, 38, 28),
)
_HAIR: tuple[Colour, ...] = (
    (20, 16, 14),
    (60, 40, 26),
    (110, 74, 40),
    (200, 160, 90),
    (150, 60, 30),
    (190, 190, 190),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    """Where a person stands and how; lengths in pixels, angles in radians from straight down."""

    x: float
    hip: float
    unit: float
    facing: float
    lean: float
    arms: tuple[tuple[float, float], tuple[float, float]]
    legs: tuple[tuple[float, float], tuple[float, float]]
    breadth: float


def draw_person(rng: np.random.Generator, image: Image.Image) -> None:
    """Add one person, at least half as high as the picture, perhaps cut by its edges."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    figure = _pose(rng, image.width, image.height)
    skin = shade(_SKIN[rng.integers(0, len(_SKIN))], int(rng.integers(-12, 12)))
    shirt, trousers = random_colour(rng), random_colour(rng, 0, 200)
    sleeves = shirt if rng.random() < 0.7 else skin
    bare_legs = rng.random() < 0.15
    _draw_legs(draw, figure, skin if bare_legs else trousers, random_colour(rng, 0, 120))
    _draw_arm(draw, figure, 0, shade(sleeves, -20), skin)
    _draw_torso(rng, draw, figure, shirt, trousers)
    _draw_head(rng, draw, figure, skin)
    _draw_arm(draw, figure, 1, shade(sleeves, -8), skin)


def _pose(rng: np.random.Generator, width: int, height: int) -> _Figure:
    stature = rng.uniform(0.65, 1.5) * height
    unit = stature / 7.5  # a person is about seven and a half heads high
    kind = rng.choice(["stand", "walk", "reach", "sit"], p=[0.35, 0.35, 0.15, 0.15])
    swing = {"stand": 0.12, "walk": 0.55, "reach": 0.2, "sit": 0.1}[str(kind)]
    stride = rng.normal(0, swing)
    legs = ((stride, stride * 0.4), (-stride, -stride * 1.2))
    if kind == "sit":
        legs = ((1.4, 0.1), (1.25, 0.0))
    arms = (
        (-stride + rng.normal(0, 0.2), -stride + rng.uniform(0, 0.7)),
        (stride + rng.normal(0, 0.2), stride + rng.uniform(0, 0.7)),
    )
    if kind == "reach":
        raised = rng.uniform(1.3, 3.0)
        arms = ((raised, raised + rng.uniform(-0.3, 0.6)), arms[1])
    # The head stays inside the picture; what is below may be cut off.
    head_top = rng.uniform(0.02, max(0.05, 0.95 - stature / height)) * height
    if stature > 0.9 * height:
        head_top = rng.uniform(0.02, 0.2) * height
    return _Figure(
        x=rng.uniform(0.12, 0.88) * width,
        hip=head_top + 4.0 * unit,
        unit=unit,
        facing=float(rng.choice([-1.0, 1.0])),
        lean=rng.normal(0, 0.08),
        arms=arms,
        legs=legs,
        breadth=rng.uniform(0.75, 1.25),
    )


def _limb(
    draw: ImageDraw.ImageDraw,
    start: tuple[float, float],
    angles: tuple[float, float],
    length: float,
    facing: float,
    width: float,
    colours: tuple[Colour, Colour],
) -> tuple[float, float]:
    """Two straight parts with round joints; returns the end."""
    point = start
    for angle, colour in zip(angles, colours, strict=True):
        end = (
            point[0] + facing * length * float(np.sin(angle)),
            point[1] + length * float(np.cos(angle)),
        )
        draw.line((*point, *end), colour, width=max(2, round(width)))
        r = width / 2
        draw.ellipse((end[0] - r, end[1] - r, end[0] + r, end[1] + r), colour)
        point = end
    return point


def _draw_legs(draw: ImageDraw.ImageDraw, figure: _Figure, cloth: Colour, shoe: Colour) -> None:
    unit = figure.unit
    for side, angles in zip((-0.35, 0.35), figure.legs, strict=True):
        start = (figure.x + side * unit * figure.breadth, figure.hip)
        width = 0.75 * unit * figure.breadth
        colour = cloth if side > 0 else shade(cloth, -18)
        foot = _limb(draw, start, angles, 1.9 * unit, figure.facing, width, (colour, colour))
        toe = figure.facing * 0.5 * unit
        draw.ellipse(
            (
                min(foot[0], foot[0] + toe) - 0.2 * unit,
                foot[1] - 0.2 * unit,
                max(foot[0], foot[0] + toe) + 0.2 * unit,
                foot[1] + 0.25 * unit,
            ),
            shoe,
        )


def _shoulder(figure: _Figure) -> tuple[float, float]:
    return figure.x + figure.lean * 3 * figure.unit, figure.hip - 2.6 * figure.unit


def _draw_arm(
    draw: ImageDraw.ImageDraw, figure: _Figure, which: int, sleeve: Colour, skin: Colour
) -> None:
    unit = figure.unit
    x, y = _shoulder(figure)
    side = (-0.85 if which == 0 else 0.85) * unit * figure.breadth
    width = 0.48 * unit * figure.breadth
    hand = _limb(
        draw, (x + side, y + 0.15 * unit), figure.arms[which], 1.4 * unit, figure.facing, width,
        (sleeve, sleeve),
    )  # fmt: skip
    r = 0.27 * unit
    draw.ellipse((hand[0] - r, hand[1] - r, hand[0] + r, hand[1] + r), skin)


def _draw_torso(
    rng: np.random.Generator,
    draw: ImageDraw.ImageDraw,
    figure: _Figure,
    shirt: Colour,
    trousers: Colour,
) -> None:
    unit, broad = figure.unit, figure.unit * figure.breadth
    x, y = _shoulder(figure)
    draw.ellipse((x - 1.05 * broad, y - 0.25 * unit, x + 1.05 * broad, y + 0.9 * unit), shirt)
    hem = figure.hip + rng.uniform(-0.2, 0.5) * unit
    draw.polygon(
        (
            (x - 1.0 * broad, y + 0.2 * unit),
            (x + 1.0 * broad, y + 0.2 * unit),
            (figure.x + 0.75 * broad, hem),
            (figure.x - 0.75 * broad, hem),
        ),
        shirt,
    )
    draw.rectangle(
        (figure.x - 0.72 * broad, hem, figure.x + 0.72 * broad, max(hem, figure.hip) + 0.3 * unit),
        trousers,
    )
    if rng.random() < 0.3:
        stripe = shade(shirt, int(rng.choice([-70, 70])))
        for level in np.arange(y + 0.5 * unit, hem, 0.6 * unit):
            draw.line((x - 0.7 * broad, level, x + 0.7 * broad, level), stripe, width=2)


def _draw_head(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, figure: _Figure, skin: Colour
) -> None:
    unit = figure.unit
    x, y = _shoulder(figure)
    x += figure.lean * unit
    neck = 0.25 * unit
    draw.rectangle((x - neck, y - 0.45 * unit, x + neck, y + 0.1 * unit), shade(skin, -15))
    cy, wide, high = y - 0.85 * unit, 0.42 * unit, 0.55 * unit
    hair = _HAIR[rng.integers(0, len(_HAIR))] if rng.random() < 0.8 else random_colour(rng)
    if rng.random() < 0.9:
        fringe = rng.uniform(1.05, 1.3)
        bottom = cy + (high if rng.random() < 0.35 else 0.0)
        draw.ellipse((x - wide * fringe, cy - high * fringe, x + wide * fringe, bottom), hair)
    shift = figure.facing * wide * rng.uniform(0.0, 0.25)
    draw.ellipse((x - wide + shift, cy - high * 0.75, x + wide + shift, cy + high), skin)
