"""Render model_camera.h and model_camera.c: a camera's frame to the input of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.codegen.render import environment
from pipeline.codegen.views import comment_text
from pipeline.records import (
    TENSOR_ALIGNMENT_BYTES,
    DeployPlan,
    FramePlan,
    PixelFormat,
    Taps,
)

CAMERA_FILES = ("model_camera.c", "model_camera.h")

_ITEMS_PER_LINE = 8
_PIXEL_COMMENTS = {
    PixelFormat.RGB565: "RGB565, high byte first",
    PixelFormat.RGB565_LE: "RGB565, low byte first",
    PixelFormat.RGB888: "red, green, blue",
    PixelFormat.GREY: "grey",
}
_INT8_FLIP = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameTables:
    """What firmware/lib/camera/frame.h calls the parameters of a frame, as numbers.

    Attributes:
        numbers: the fields of `struct frame_params` that are numbers, in order.
        columns, rows: first source and position of the weights of each.
        weights: of all sums; each begins with how many it has.
        function: that resamples the columns.
    """

    numbers: dict[str, int]
    columns: tuple[tuple[int, int], ...]
    rows: tuple[tuple[int, int], ...]
    weights: tuple[int, ...]
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraView:
    """What the templates print for a camera.

    `lines_offset_bytes` is where the resampled rows lie in the arena; None where it has no room for
    them beside the input.
    """

    width: int
    height: int
    row_bytes: int
    frame_bytes: int
    pixels: str
    fit: str
    input_comment: str
    input_offset_bytes: int
    lines_bytes: int
    lines_offset_bytes: int | None
    tables: FrameTables
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    weights: tuple[str, ...]


def generate_camera(frame: FramePlan, plan: DeployPlan, out: Path, *, command: str) -> None:
    """Write the C sources that take frames for a model, beside those of the model.

    They need firmware/lib/camera in a folder `camera` beside them. Two calls with equal arguments
    write equal bytes.

    Args:
        frame: how frames become the input.
        plan: of the model.
        out: an existing folder; files of the same names are replaced.
        command: what the user ran, for the head of each file.
    """
    from pipeline import __version__

    view = camera_view(frame, plan)
    line = comment_text(" ".join(command.split()))
    model = {"name": comment_text(plan.graph.name), "sha256": plan.graph.sha256}
    for name in CAMERA_FILES:
        text = (
            environment()
            .get_template(f"{name}.jinja")
            .render(camera=view, model=model, version=__version__, command=line)
        )
        (out / name).write_text(text, encoding="ascii")


def camera_view(frame: FramePlan, plan: DeployPlan) -> CameraView:
    """Everything that the templates print for a camera."""
    camera = frame.camera
    place = next(place for place in plan.placements if plan.graph.inputs[0] in place.tensors)
    tables = frame_tables(frame)
    return CameraView(
        width=camera.width,
        height=camera.height,
        row_bytes=camera.row_bytes,
        frame_bytes=camera.frame_bytes,
        pixels=_PIXEL_COMMENTS[camera.pixels],
        fit=camera.fit,
        input_comment=f"{frame.dtype} [{frame.height}, {frame.width}, {frame.channels}]",
        input_offset_bytes=place.offset_bytes,
        lines_bytes=frame.line_bytes,
        lines_offset_bytes=_room(frame, place.offset_bytes, plan.arena_bytes),
        tables=tables,
        columns=_lines([f"{{{first}, {at}}}" for first, at in tables.columns]),
        rows=_lines([f"{{{first}, {at}}}" for first, at in tables.rows]),
        weights=_lines([str(word) for word in tables.weights]),
    )


def frame_tables(frame: FramePlan) -> FrameTables:
    """The parameters of a frame; what scales evenly repeats its weights, each is kept once."""
    words: list[int] = []
    positions: dict[tuple[int, ...], int] = {}

    def place(taps: Taps) -> tuple[int, int]:
        if taps.weights not in positions:
            positions[taps.weights] = len(words)
            words.extend([len(taps.weights), *taps.weights])
        return taps.first, positions[taps.weights]

    columns = tuple(place(taps) for taps in frame.columns)
    rows = tuple(place(taps) for taps in frame.rows)
    # Positions have 16 bits; frames are small enough for that.
    assert len(words) < 1 << 16
    return FrameTables(
        numbers={
            "height": frame.camera.height,
            "num_columns": len(frame.columns),
            "num_rows": len(frame.rows),
            "line_rows": frame.line_rows,
            "planes": frame.planes,
            "copies": frame.channels // frame.planes,
            "flip": _INT8_FLIP if frame.dtype == "int8" else 0,
            "offset_bytes": (frame.top * frame.width + frame.left) * frame.channels,
            "row_bytes": frame.width * frame.channels,
            "input_bytes": frame.height * frame.width * frame.channels,
        },
        columns=columns,
        rows=rows,
        weights=tuple(words),
        function=_columns_function(frame),
    )


def _columns_function(frame: FramePlan) -> str:
    pixels = frame.camera.pixels.value
    if frame.camera.pixels is PixelFormat.GREY:
        return f"frame_columns_{pixels}"
    return f"frame_columns_{pixels}_{'rgb' if frame.planes == 3 else 'luma'}"


def _room(frame: FramePlan, input_offset: int, arena_bytes: int) -> int | None:
    """Where the arena has room for the resampled rows while only the input is in use."""
    if frame.line_bytes <= input_offset:
        return 0
    end = input_offset + frame.height * frame.width * frame.channels
    after = -(-end // TENSOR_ALIGNMENT_BYTES) * TENSOR_ALIGNMENT_BYTES
    return after if after + frame.line_bytes <= arena_bytes else None


def _lines(items: list[str]) -> tuple[str, ...]:
    return tuple(
        ", ".join(items[at : at + _ITEMS_PER_LINE]) for at in range(0, len(items), _ITEMS_PER_LINE)
    )
