"""Frames to the input of a model: formats, sizes, and the functions of training."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pipeline.data.frames import decode_frame, frame_to_input, parse_camera
from pipeline.data.resize import resize
from pipeline.errors import ConfigError
from pipeline.records import CameraFormat, PixelFormat
from tests.data.camera_frames import encode_frame, pictures


@pytest.mark.parametrize(
    ("text", "camera"),
    [
        ("160x120:rgb565", CameraFormat(width=160, height=120, pixels=PixelFormat.RGB565)),
        ("96x96:grey:fit", CameraFormat(width=96, height=96, pixels=PixelFormat.GREY, fit="fit")),
        ("1x4096:rgb888:crop", CameraFormat(width=1, height=4096, pixels=PixelFormat.RGB888)),
        ("9x7:rgb565le", CameraFormat(width=9, height=7, pixels=PixelFormat.RGB565_LE)),
    ],
)
def test_parse_camera(text: str, camera: CameraFormat) -> None:
    assert parse_camera(text) == camera


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("160x120", r"WIDTHxHEIGHT:FORMAT.*Received: '160x120'"),
        ("x120:grey", r"WIDTHxHEIGHT:FORMAT"),
        ("160x120:grey:crop:more", r"WIDTHxHEIGHT:FORMAT"),
        ("160x120:yuv422", r"rgb565, rgb565le, rgb888, grey\. Received: 'yuv422'"),
        ("0x120:grey", r"width must be 1 to 4096 pixels\. Received: 0"),
        ("160x9000:grey", r"height must be 1 to 4096 pixels\. Received: 9000"),
        ("160x120:grey:stretch", r"crop, fit\. Received: 'stretch'"),
    ],
)
def test_what_is_no_camera(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_camera(text)


def test_a_frame_of_another_size_is_refused() -> None:
    camera = parse_camera("4x2:rgb565")
    with pytest.raises(ConfigError, match=r"4 x 2 pixels of rgb565 are 16 bytes\. Received: 15"):
        decode_frame(bytes(15), camera)


@pytest.mark.parametrize(
    ("format_name", "data", "pixel"),
    [
        ("rgb565", b"\xff\xff", (255, 255, 255)),
        ("rgb565", b"\xf8\x00", (255, 0, 0)),
        ("rgb565", b"\x07\xe0", (0, 255, 0)),
        ("rgb565", b"\x00\x1f", (0, 0, 255)),
        ("rgb565", b"\x84\x10", (132, 130, 132)),
        ("rgb565le", b"\x00\xf8", (255, 0, 0)),
        ("rgb888", b"\x01\x02\x03", (1, 2, 3)),
        ("grey", b"\x07", (7,)),
    ],
)
def test_pixels(format_name: str, data: bytes, pixel: tuple[int, ...]) -> None:
    assert decode_frame(data, parse_camera(f"1x1:{format_name}")).tolist() == [[list(pixel)]]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["crop", "fit"])
def test_a_frame_is_treated_as_the_picture_that_it_shows(fit: str, channels: int) -> None:
    camera = parse_camera(f"160x120:rgb888:{fit}")
    picture = pictures()[0].resize((160, 120))
    expected = resize(picture, (80, 80), "crop" if fit == "crop" else "fit", channels)
    frame = encode_frame(picture, camera)
    shape = (80, 80, channels)
    np.testing.assert_array_equal(frame_to_input(frame, camera, shape, "uint8"), expected)
    signed = frame_to_input(frame, camera, shape, "int8")
    np.testing.assert_array_equal(signed.astype(int), expected.astype(int) - 128)


def test_a_grey_frame_for_a_model_of_colours_is_grey() -> None:
    camera = parse_camera("40x30:grey")
    grey = np.random.default_rng(0).integers(0, 256, (30, 40), dtype=np.uint8)
    pixels = frame_to_input(grey.tobytes(), camera, (20, 20, 3), "uint8")
    expected = resize(Image.fromarray(grey).convert("RGB"), (20, 20))
    np.testing.assert_array_equal(pixels, expected)
    assert (pixels[..., 0] == pixels[..., 2]).all()
