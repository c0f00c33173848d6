"""Frames as a camera delivers them, to the input of a model: what the device's C must equal."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from pipeline.data.resize import check_fit, resize_array
from pipeline.errors import ConfigError
from pipeline.records import Array, CameraFormat, PixelFormat
from pipeline.samples import to_int8_input
from pipeline.suggest import did_you_mean

CAMERA_FORM = (
    "WIDTHxHEIGHT:FORMAT or WIDTHxHEIGHT:FORMAT:FIT, such as 160x120:rgb565 or 96x96:grey:fit"
)
# Positions in a frame and in the table of weights have 16 bits on the device.
MAX_SIDE = 4096


def parse_camera(text: str) -> CameraFormat:
    """A camera's frames as an option names them.

    Raises:
        ConfigError: the text has another form, or names no format or size that there is.
    """
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6}):([^:]+)(?::([^:]+))?", text)
    if match is None:
        raise ConfigError(f"camera: expected {CAMERA_FORM}. Received: {text!r}.")
    width, height = int(match[1]), int(match[2])
    formats = {kind.value: kind for kind in PixelFormat}
    if match[3] not in formats:
        raise ConfigError(
            f"camera {text!r}: the format must be one of {', '.join(formats)}. "
            f"Received: {match[3]!r}.{did_you_mean(match[3], formats)} "
            "Let the camera deliver one of these."
        )
    for name, side in (("width", width), ("height", height)):
        if not 1 <= side <= MAX_SIDE:
            raise ConfigError(
                f"camera {text!r}: {name} must be 1 to {MAX_SIDE} pixels. Received: {side}."
            )
    return CameraFormat(
        width=width, height=height, pixels=formats[match[3]], fit=check_fit(match[4] or "crop")
    )


def decode_frame(data: bytes, camera: CameraFormat) -> npt.NDArray[np.uint8]:
    """A frame as a picture.

    The 5 and 6 bits of RGB565 become 8 by repeating the highest ones, so that black stays 0 and
    white becomes 255.

    Args:
        data: rows of pixels, the top one first.
        camera: size and format.
    Returns:
        uint8 [height, width, 3], or [height, width, 1] of a grey frame.
    Raises:
        ConfigError: the frame has another size.
    """
    if len(data) != camera.frame_bytes:
        raise ConfigError(
            f"frame: {camera.width} x {camera.height} pixels of {camera.pixels.value} are "
            f"{camera.frame_bytes:,} bytes. Received: {len(data):,}."
        )
    raw = np.frombuffer(data, np.uint8).reshape(camera.height, camera.width, -1)
    if camera.pixels in (PixelFormat.RGB888, PixelFormat.GREY):
        return raw
    pair = raw if camera.pixels is PixelFormat.RGB565 else raw[..., ::-1]
    pixel = pair[..., 0].astype(np.uint16) << 8 | pair[..., 1]
    red, green, blue = pixel >> 11, pixel >> 5 & 63, pixel & 31
    wide = (red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2)
    return np.stack(wide, axis=-1).astype(np.uint8)


def frame_to_input(
    data: bytes, camera: CameraFormat, shape: tuple[int, int, int], dtype: str
) -> Array:
    """A frame as the input of a model, through the very functions that training pictures take.

    Args:
        data: the frame.
        camera: size, format and fit.
        shape: [height, width, channels] of the input.
        dtype: of the input, "int8" or "uint8".
    Returns:
        [height, width, channels]; int8 is pixel - 128, uint8 the pixel.
    """
    picture = decode_frame(data, camera)
    pixels = resize_array(picture, shape[:2], check_fit(camera.fit), shape[2])
    return pixels if dtype == "uint8" else to_int8_input(pixels)
