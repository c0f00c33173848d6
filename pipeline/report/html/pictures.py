"""Samples as small pictures inside a page."""

from __future__ import annotations

import base64
import math
import struct
import zlib

import numpy as np
import numpy.typing as npt

from pipeline.records import Array

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2

# Ends and middle of the heat map: blue, nearly white, red; told apart by colour-blind eyes.
_LOW, _MIDDLE, _HIGH = np.array(((33, 102, 172), (247, 247, 247), (178, 24, 43)), np.float64)


def sample_picture(sample: Array, *, is_picture: bool) -> str:
    """A sample as a PNG in a data URI.

    Args:
        sample: int8, as the model takes it, without the batch.
        is_picture: whether [H, W, 1] and [H, W, 3] are pixels; all else is a heat map, blue for
            the lowest and red for the highest value.
    """
    if is_picture and sample.ndim == 3 and sample.shape[2] in (1, 3):
        pixels = (sample.astype(np.int16) + 128).astype(np.uint8)
    else:
        pixels = _heat_map(_flattened(sample))
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode("ascii")


def _flattened(sample: Array) -> npt.NDArray[np.float64]:
    """A sample of any rank as rows and columns."""
    values = np.squeeze(sample).astype(np.float64)
    if values.ndim >= 2:
        return values.reshape(values.shape[0], -1)
    width = math.ceil(math.sqrt(values.size))
    padded = np.full(width * math.ceil(values.size / width), values.min(initial=0.0))
    padded[: values.size] = values.reshape(-1)
    return padded.reshape(-1, width)


def _heat_map(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    low, high = values.min(), values.max()
    share = ((values - low) / (high - low or 1.0))[..., None]
    below = _LOW + (_MIDDLE - _LOW) * (2 * share)
    above = _MIDDLE + (_HIGH - _MIDDLE) * (2 * share - 1)
    pixels: npt.NDArray[np.uint8] = np.where(share < 0.5, below, above).round().astype(np.uint8)
    return pixels


def encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file. Source: https://www.w3.org/TR/png, sections 5, 9 and 11.

    Args:
        pixels: [H, W, 1] grey or [H, W, 3] RGB.
    """
    height, width, channels = pixels.shape
    colour = _GREY if channels == 1 else _RGB
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    # Each row begins with its filter: none.
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
