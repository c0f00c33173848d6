"""Pictures as a camera delivers them: photographs where they are present, drawn ones otherwise."""

from __future__ import annotations

import io
import tarfile
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.data.resize import decode
from pipeline.records import CameraFormat, PixelFormat
from tests.data.pictures import photo
from tests.shared import shared_root

_PHOTOGRAPHS = 4


@cache
def pictures() -> tuple[Image.Image, ...]:
    """Some photographs of people, or smooth pictures with noise on them."""
    archive = shared_root() / "data" / "person921.tar.gz"
    if archive.is_file():
        return tuple(_photographs(archive.read_bytes()))
    rng = np.random.default_rng(7)
    drawn = [np.asarray(photo(seed, 300, 200)).astype(int) for seed in range(_PHOTOGRAPHS)]
    noisy = [(values + rng.integers(-20, 20, values.shape)).clip(0, 255) for values in drawn]
    return tuple(Image.fromarray(values.astype(np.uint8)) for values in noisy)


def _photographs(data: bytes) -> list[Image.Image]:
    found = []
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.name.lower().endswith(".jpg") else None
            if file is not None:
                found.append(decode(file.read()))
            if len(found) == _PHOTOGRAPHS:
                break
    assert found
    return found


def encode_frame(picture: Image.Image, camera: CameraFormat) -> bytes:
    """A picture as a camera of this format would deliver it."""
    scaled = picture.resize((camera.width, camera.height))
    if camera.pixels is PixelFormat.GREY:
        return scaled.convert("L").tobytes()
    rgb = np.asarray(scaled)
    return rgb.tobytes() if camera.pixels is PixelFormat.RGB888 else _rgb565(rgb, camera)


def _rgb565(rgb: npt.NDArray[np.uint8], camera: CameraFormat) -> bytes:
    red, green, blue = (rgb[..., channel].astype(np.uint16) for channel in range(3))
    pixel = red >> 3 << 11 | green >> 2 << 5 | blue >> 3
    return pixel.astype("<u2" if camera.pixels is PixelFormat.RGB565_LE else ">u2").tobytes()
