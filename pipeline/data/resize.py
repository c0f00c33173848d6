"""Decode a picture and bring it to the size and the channels of a model."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.suggest import did_you_mean

if TYPE_CHECKING:
    from PIL import Image

Fit = Literal["crop", "fit"]

# What lies under transparent pixels and beside a fitted picture: it becomes a model input
# of exactly 0, the same as the zero padding inside the network.
FILL = 128

# Side of the grey thumbnail that the perceptual hash is made of.
THUMBNAIL = 16


class UnreadablePictureError(Exception):
    """A file that is no picture, or a broken one; loaders name and skip it."""


def check_fit(fit: str) -> Fit:
    """The mode, if it is one.

    Raises:
        ConfigError: it is not.
    """
    for mode in get_args(Fit):
        if fit == mode:
            return mode  # type: ignore[no-any-return]
    raise ConfigError(
        f"data fit: expected one of {', '.join(get_args(Fit))}. Received: {fit!r}."
        f"{did_you_mean(fit, get_args(Fit))}"
    )


def decode(data: bytes) -> Image.Image:
    """A JPEG or PNG as an upright RGB picture, whatever its own mode.

    EXIF orientation is applied, transparency composited over mid-grey, 16-bit greys
    scaled to 8 bits, palettes and CMYK converted.

    Raises:
        UnreadablePictureError: with Pillow's reason.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as source:
            source.load()
            return _to_rgb(ImageOps.exif_transpose(source))
    except Exception as error:
        # Pillow raises OSError, SyntaxError, ValueError, struct.error, DecompressionBombError
        # and others on broken files; whichever it is, this one picture cannot be used.
        reason = str(error) or type(error).__name__
        if "cannot identify image file" in reason:
            reason = "not a JPEG or PNG"
        raise UnreadablePictureError(reason) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I"):
        # PNG's 16-bit greys; Pillow's own conversion would clip at 255.
        grey = np.asarray(image).astype(np.int64) >> 8
        return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        canvas = Image.new("RGBA", rgba.size, (FILL, FILL, FILL, 255))
        return Image.alpha_composite(canvas, rgba).convert("RGB")
    return image.convert("RGB")


def resize(
    image: Image.Image, size: tuple[int, int], fit: Fit = "crop", channels: int = 3
) -> npt.NDArray[np.uint8]:
    """An RGB picture at a given size, antialiased.

    Args:
        image: as `decode` returns it.
        size: (height, width) in pixels.
        fit: "crop" fills the size and cuts what stands out on both sides equally; "fit"
            shows the whole picture, with mid-grey bars where its aspect differs.
        channels: 3 for RGB or 1 for luma (ITU-R 601).
    Returns:
        uint8 [height, width, channels].
    """
    from PIL import Image

    height, width = size
    if channels == 1:
        image = image.convert("L")
    if fit == "crop":
        result = _resample(image, size, crop_box((image.height, image.width), size))
    else:
        inner, top, left = fitted((image.height, image.width), size)
        result = Image.new(image.mode, (width, height), FILL if channels == 1 else (FILL,) * 3)
        whole = (0.0, 0.0, float(image.width), float(image.height))
        result.paste(_resample(image, inner, whole), (left, top))
    return np.asarray(result).reshape(height, width, channels)


def crop_box(source: tuple[int, int], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest box in the middle of a picture with the aspect of `size`.

    Args:
        source: (height, width) of the picture.
        size: (height, width) that the box is scaled to.
    Returns:
        left, top, right and bottom in pixels of the picture.
    """
    (rows, columns), (height, width) = source, size
    scale = min(columns / width, rows / height)
    left = (columns - width * scale) / 2
    top = (rows - height * scale) / 2
    return (
        max(left, 0.0),
        max(top, 0.0),
        min(left + width * scale, columns),
        min(top + height * scale, rows),
    )


def fitted(source: tuple[int, int], size: tuple[int, int]) -> tuple[tuple[int, int], int, int]:
    """Where a whole picture lies in `size`, scaled but not distorted.

    Args:
        source: (height, width) of the picture.
        size: (height, width) that it is to fit into.
    Returns:
        Its (height, width) there, and how many rows and columns of grey come before it.
    """
    (rows, columns), (height, width) = source, size
    scale = max(columns / width, rows / height)
    inner = (max(1, round(rows / scale)), max(1, round(columns / scale)))
    return inner, (height - inner[0]) // 2, (width - inner[1]) // 2


def _resample(
    image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]
) -> Image.Image:
    """A box of a picture at (height, width), bilinear; columns first, then rows.

    Pillow's filters widen their support when they shrink a picture, hence no aliasing. In one call
    Pillow 13 takes the rows of a very tall picture first, and rounds to bytes in between. Here the
    order is fixed: boards resample rows as they come from a camera.
    """
    from PIL import Image

    left, top, right, bottom = box
    method = Image.Resampling.BILINEAR
    columns = image.resize((size[1], image.height), method, box=(left, 0, right, image.height))
    return columns.resize((size[1], size[0]), method, box=(0, top, size[1], bottom))


def resize_array(
    picture: npt.NDArray[np.uint8], size: tuple[int, int], fit: Fit = "crop", channels: int = 3
) -> npt.NDArray[np.uint8]:
    """`resize` for a picture that is already an array [H, W], [H, W, 1] or [H, W, 3]."""
    image = array_to_image(picture)
    if (image.height, image.width) == size and channels == picture.shape[-1]:
        return picture
    return resize(image, size, fit, channels)


def array_to_image(picture: npt.NDArray[np.uint8]) -> Image.Image:
    """An RGB picture from an array [H, W], [H, W, 1] or [H, W, 3]."""
    from PIL import Image

    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    return Image.fromarray(picture).convert("RGB")


def thumbnail(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Grey thumbnail of the whole picture, uint8 [16, 16], squeezed to a square."""
    from PIL import Image

    small = image.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small)
