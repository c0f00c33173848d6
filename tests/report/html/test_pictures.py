from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from pipeline.report.html.pictures import encode_png, sample_picture


def decoded(uri: str) -> np.ndarray:
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_its_pixels(channels: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, channels)).astype(np.uint8)
    sample = (pixels.astype(np.int16) - 128).astype(np.int8)
    seen = decoded(sample_picture(sample, is_picture=True))
    np.testing.assert_array_equal(seen.reshape(pixels.shape), pixels)


@pytest.mark.parametrize("shape", [(49, 10, 1), (49, 10), (640,), (1, 640), (4, 4, 5), (1,)])
def test_a_tensor_is_a_heat_map(shape: tuple[int, ...]) -> None:
    sample = np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8)
    seen = decoded(sample_picture(sample, is_picture=False))
    assert seen.ndim == 3
    if sample.size > 1:
        assert {(33, 102, 172), (178, 24, 43)} <= {tuple(pixel) for pixel in seen.reshape(-1, 3)}


def test_a_constant_tensor_has_one_colour() -> None:
    seen = decoded(sample_picture(np.full((3, 3), 7, np.int8), is_picture=False))
    assert len(np.unique(seen.reshape(-1, 3), axis=0)) == 1


def test_encoding_is_repeatable() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    assert encode_png(pixels) == encode_png(pixels)
