"""Sliding windows: output sizes and padding as TFLite computes them."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.ops.base import RawOp
from pipeline.ops.checks import require
from pipeline.ops.rows import RowWindow
from pipeline.records import Tensor

_SAME, _VALID = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Geometry of a convolution or a pooling, in values of its input's axes."""

    filter_h: int
    filter_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_left: int

    @property
    def reach_h(self) -> int:
        """Rows from the first to the last that one window reads, both included."""
        return (self.filter_h - 1) * self.dilation_h + 1

    @property
    def reach_w(self) -> int:
        """The same for columns."""
        return (self.filter_w - 1) * self.dilation_w + 1

    @property
    def rows(self) -> RowWindow:
        """The vertical part."""
        return RowWindow(stride=self.stride_h, pad=self.pad_top, reach=self.reach_h)


def output_and_padding(
    padding: int, size: int, taps: int, stride: int, dilation: int
) -> tuple[int, int]:
    """Output size and padding before the first value, along one axis.

    Source: TFLite `ComputeOutSize` and `ComputePadding` (kernels/padding.h).
    """
    reach = (taps - 1) * dilation + 1
    output = -(-size // stride) if padding == _SAME else -(-(size - reach + 1) // stride)
    total = max((output - 1) * stride + reach - size, 0)
    return output, total // 2


def window_of(
    raw: RawOp,
    x: Tensor,
    output: Tensor,
    *,
    taps: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: int,
) -> Window:
    """Check the geometry against the tensors' shapes and resolve the padding.

    Args:
        raw: for messages.
        x, output: NHWC tensors of rank 4.
        taps, stride, dilation: (vertical, horizontal).
        padding: TFLite's code, 0 SAME or 1 VALID.
    Raises:
        UnsupportedModelError: the geometry and the shapes do not belong together.
    """
    way_out = "The file is damaged; convert the model again."
    require(padding in (_SAME, _VALID), raw, "padding must be SAME or VALID", padding, way_out)
    for name, pair in (("filter size", taps), ("stride", stride), ("dilation", dilation)):
        require(min(pair) >= 1, raw, f"{name} must be at least 1", pair, way_out)
    sizes = [
        output_and_padding(padding, x.shape[axis + 1], taps[axis], stride[axis], dilation[axis])
        for axis in (0, 1)
    ]
    expected = (sizes[0][0], sizes[1][0])
    require(
        output.shape[1:3] == expected and min(expected) >= 1,
        raw,
        f"the output must be {expected[0]} x {expected[1]}",
        output.shape,
        way_out,
    )
    return Window(
        filter_h=taps[0],
        filter_w=taps[1],
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h=dilation[0],
        dilation_w=dilation[1],
        pad_top=sizes[0][1],
        pad_left=sizes[1][1],
    )


def image_sizes(x: Tensor, output: Tensor) -> dict[str, int]:
    """The fields of a kernel's struct that tell both images' height, width and channels."""
    return {
        f"{name}_{axis}": size
        for name, tensor in (("input", x), ("output", output))
        for axis, size in zip("hwc", tensor.shape[1:], strict=True)
    }
