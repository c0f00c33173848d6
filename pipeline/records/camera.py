"""Frames of a camera, and how they become the input of a model."""

from dataclasses import dataclass
from enum import Enum


class PixelFormat(Enum):
    """How a camera stores a pixel."""

    RGB565 = "rgb565"  # two bytes, the high one first, as sensors send it
    RGB565_LE = "rgb565le"  # two bytes, the low one first
    RGB888 = "rgb888"  # three bytes: red, green, blue
    GREY = "grey"  # one byte

    @property
    def bytes_per_pixel(self) -> int:
        """Bytes of one pixel."""
        return {PixelFormat.RGB888: 3, PixelFormat.GREY: 1}.get(self, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFormat:
    """The frames of a camera, and how they are brought to a model's input.

    Attributes:
        width, height: in pixels.
        pixels: how each is stored; rows follow each other without gaps, the top one first.
        fit: "crop" or "fit", as in pipeline/data/resize.py.
    """

    width: int
    height: int
    pixels: PixelFormat
    fit: str = "crop"

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.width * self.pixels.bytes_per_pixel

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        return self.row_bytes * self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Taps:
    """What one output of a resampling is made of: a weighted sum of neighbouring sources.

    Attributes:
        first: position of the first source.
        weights: of it and those that follow, in units of 2**-22; the first and the last are not 0.
    """

    first: int
    weights: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePlan:
    """How a camera's frame becomes the input of a model.

    Attributes:
        camera: the frames.
        height, width, channels: of the input; 1 or 3 channels.
        dtype: of the input, "int8" (pixel - 128) or "uint8" (pixel).
        columns, rows: of the picture within the input, each as a sum of the frame's.
        left, top: columns and rows of grey before the picture.
    """

    camera: CameraFormat
    height: int
    width: int
    channels: int
    dtype: str
    columns: tuple[Taps, ...]
    rows: tuple[Taps, ...]
    left: int
    top: int

    @property
    def planes(self) -> int:
        """Channels that are resampled; a grey frame has one, whatever the model takes."""
        return 1 if self.camera.pixels is PixelFormat.GREY else self.channels

    @property
    def line_rows(self) -> int:
        """Resampled rows that are needed at once."""
        return max(len(taps.weights) for taps in self.rows)

    @property
    def line_bytes(self) -> int:
        """Memory for them."""
        return self.line_rows * len(self.columns) * self.planes
