"""Random changes of training pictures, inside TensorFlow's graph.

One projective resampling per picture does flip, shift, scale, stretch and rotation at
once, so that two cores spend their time on training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentOptions:
    """How much training pictures are changed; 0 (or 1 for `scale`) changes nothing.

    Attributes:
        flip: mirror half of the pictures left to right.
        shift: largest shift, in sides of the picture.
        scale: largest factor by which pictures grow; they shrink down to 1 / sqrt(scale).
        stretch: largest relative change of the aspect.
        rotate: largest rotation in degrees.
        turn: share of pictures turned by a quarter to either side.
        brightness: largest change, in halves of the value range.
        contrast: largest relative change.
        saturation: largest relative change, also down to grey for one picture in ten.
        erase: share of pictures in which a rectangle is blotted out.
    """

    flip: bool = True
    shift: float = 0.12
    scale: float = 1.35
    stretch: float = 0.1
    rotate: float = 8.0
    turn: float = 0.0
    brightness: float = 0.25
    contrast: float = 0.3
    saturation: float = 0.4
    erase: float = 0.25


# For weights that start at random: strong changes cost them more epochs than they can have in
# a few minutes.
GENTLE = AugmentOptions(
    shift=0.08,
    scale=1.2,
    rotate=0.0,
    brightness=0.1,
    contrast=0.1,
    saturation=0.0,
    erase=0.0,
)


def augment_batch(
    x: Any, seed: Any, options: AugmentOptions, low: float = -1.0, high: float = 127 / 128
) -> Any:
    """Change each picture of a batch in its own random way.

    Args:
        x: float32 tensor [batch, H, W, C].
        seed: int32 tensor [2]; equal seeds give equal changes.
        options: how much.
        low, high: what pixels 0 and 255 are in x.
    Returns:
        Tensor of the same shape and range.
    """
    import tensorflow as tf

    height, width = x.shape[1], x.shape[2]
    batch = tf.shape(x)[0]
    draws = tf.random.stateless_uniform([16, batch], seed, -1.0, 1.0)
    x = tf.raw_ops.ImageProjectiveTransformV3(
        images=x,
        transforms=_transforms(tf.concat([draws[:6], draws[15:16]], 0), height, width, options),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )

    def per_picture(row: Any) -> Any:
        return tf.reshape(row, [-1, 1, 1, 1])

    if x.shape[3] == 3 and options.saturation > 0:
        grey = tf.reduce_mean(x, axis=3, keepdims=True)
        keep = tf.where(draws[6] > 0.8, 0.0, 1.0 + options.saturation * draws[7])
        x = grey + (x - grey) * per_picture(keep)
    mean = tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True)
    x = mean + (x - mean) * per_picture(1.0 + options.contrast * draws[8])
    x = x + per_picture(options.brightness * (high - low) / 2 * draws[9])
    if options.erase > 0:
        x = _erase(x, draws[10:15], options.erase, (low + high) / 2)
    return tf.clip_by_value(x, low, high)


def _transforms(draws: Any, height: int, width: int, options: AugmentOptions) -> Any:
    """Rows of 8 coefficients that map output pixels to input pixels."""
    import tensorflow as tf

    low, high = -0.5 * math.log(options.scale), math.log(options.scale)
    # Input pixels per output pixel: the inverse of the picture's growth.
    zoom = tf.exp(-(low + (high - low) * (draws[0] + 1) / 2))
    aspect = tf.exp(0.5 * options.stretch * draws[1])
    angle = draws[2] * options.rotate * math.pi / 180
    quarter = tf.where(tf.abs(draws[6]) < options.turn, tf.sign(draws[6]), 0.0)
    angle = angle + quarter * math.pi / 2
    mirror = tf.where(draws[3] > 0, -1.0, 1.0) if options.flip else tf.ones_like(draws[3])
    a0 = zoom * aspect * tf.cos(angle) * mirror
    a1 = -zoom / aspect * tf.sin(angle)
    b0 = zoom * aspect * tf.sin(angle) * mirror
    b1 = zoom / aspect * tf.cos(angle)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    a2 = centre_x + draws[4] * options.shift * width - a0 * centre_x - a1 * centre_y
    b2 = centre_y + draws[5] * options.shift * height - b0 * centre_x - b1 * centre_y
    zero = tf.zeros_like(a0)
    return tf.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)


def _erase(x: Any, draws: Any, share: float, grey: float) -> Any:
    """Set a rectangle to grey in some pictures."""
    import tensorflow as tf

    def inside(length: int, centre: Any, half: Any) -> Any:
        positions = tf.linspace(-1.0, 1.0, length)[None, :]
        return tf.abs(positions - centre[:, None]) < half[:, None]

    half_height = 0.1 + 0.15 * (draws[2] + 1)
    half_width = 0.1 + 0.15 * (draws[3] + 1)
    chosen = (draws[4] < 2 * share - 1)[:, None, None]
    rows = inside(x.shape[1], draws[0], half_height)[:, :, None]
    columns = inside(x.shape[2], draws[1], half_width)[:, None, :]
    hole = (rows & columns & chosen)[..., None]
    return tf.where(hole, tf.constant(grey, x.dtype), x)
