"""firmware/lib/camera under sanitizers: every byte as the pipeline makes it of the same frame."""

from __future__ import annotations

import itertools
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codegen.camera import frame_tables
from pipeline.data.frames import frame_to_input
from pipeline.data.resampling import make_frame_plan
from pipeline.paths import cache_path, firmware_path
from pipeline.records import Array, CameraFormat, FramePlan, PixelFormat
from tests.codegen.test_compilers import STRICT
from tests.compiled import HostCompiler
from tests.data.camera_frames import encode_frame, pictures
from tests.shared import REPOSITORY

_LIBRARY = firmware_path() / "lib" / "camera"
_FUNCTIONS = (
    "frame_columns_rgb565_rgb",
    "frame_columns_rgb565_luma",
    "frame_columns_rgb565le_rgb",
    "frame_columns_rgb565le_luma",
    "frame_columns_rgb888_rgb",
    "frame_columns_rgb888_luma",
    "frame_columns_grey",
)
Take = Callable[[Sequence[tuple[FramePlan, bytes]]], list[Array]]


@pytest.fixture(scope="module")
def take(compiler: HostCompiler, tmp_path_factory: pytest.TempPathFactory) -> Take:
    """Runs (plan, frame) pairs through the C code; a frame may be longer than its camera's."""
    out = tmp_path_factory.mktemp("camera") / "take_frames"
    return taking(compiler.program(out, sources(), includes=[_LIBRARY]))


def sources() -> list[Path]:
    """All of the program."""
    main = REPOSITORY / "tests" / "firmware" / "programs" / "take_frames.c"
    return [main, *sorted(_LIBRARY.glob("*.c"))]


def taking(program: Path) -> Take:
    """Frames through a compiled program."""

    def run(frames: Sequence[tuple[FramePlan, bytes]]) -> list[Array]:
        data = b"".join(packed(plan, frame) for plan, frame in frames)
        # The leak checker cannot run under every tracer and container.
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        done = subprocess.run(
            [program], input=data, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        outputs, position = [], 0
        for plan, _ in frames:
            shape = (plan.height, plan.width, plan.channels)
            size = int(np.prod(shape))
            raw = np.frombuffer(done.stdout[position : position + size], plan.dtype)
            outputs.append(raw.reshape(shape))
            position += size
        assert position == len(done.stdout)
        return outputs

    return run


def packed(plan: FramePlan, frame: bytes) -> bytes:
    """A frame and its parameters as the program reads them."""
    tables = frame_tables(plan)
    extra = len(frame) // plan.camera.row_bytes - plan.camera.height
    numbers = [*tables.numbers.values(), _FUNCTIONS.index(tables.function)]
    numbers += [len(tables.weights), plan.camera.row_bytes, extra]
    taps = [value for pair in (*tables.columns, *tables.rows) for value in pair]
    return (
        struct.pack(f"={len(numbers)}I", *numbers)
        + struct.pack(f"={len(taps)}H", *taps)
        + struct.pack(f"={len(tables.weights)}I", *tables.weights)
        + frame
    )


def assert_equal(
    take: Take, cases: Sequence[tuple[CameraFormat, tuple[int, int, int], str, bytes]]
) -> None:
    plans = [make_frame_plan(camera, shape, dtype) for camera, shape, dtype, _ in cases]
    received = take([(plan, case[3]) for plan, case in zip(plans, cases, strict=True)])
    for (camera, shape, dtype, frame), values in zip(cases, received, strict=True):
        expected = frame_to_input(frame[: camera.frame_bytes], camera, shape, dtype)
        np.testing.assert_array_equal(values, expected, err_msg=f"{camera} to {dtype}{shape}")


@pytest.mark.parametrize("fit", ["crop", "fit"])
@pytest.mark.parametrize("pixels", PixelFormat)
@pytest.mark.parametrize(
    ("width", "height"),
    [
        (160, 120),
        (320, 240),
        (176, 144),
        (96, 96),
        (80, 80),
        (640, 480),
        (61, 203),
        (1, 1),
        (33, 7),
    ],
)
def test_pictures_equal_in_every_byte(
    take: Take, width: int, height: int, pixels: PixelFormat, fit: str
) -> None:
    camera = CameraFormat(width=width, height=height, pixels=pixels, fit=fit)
    shapes = itertools.product([(80, 80, 1), (80, 80, 3), (96, 64, 3)], ["int8", "uint8"])
    frames = [encode_frame(picture, camera) for picture in pictures()]
    assert_equal(
        take, [(camera, shape, dtype, frame) for shape, dtype in shapes for frame in frames]
    )


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    shape=st.tuples(st.integers(1, 120), st.integers(1, 120), st.sampled_from([1, 3])),
    pixels=st.sampled_from(PixelFormat),
    fit=st.sampled_from(["crop", "fit"]),
    dtype=st.sampled_from(["int8", "uint8"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_size_equals(
    take: Take,
    width: int,
    height: int,
    shape: tuple[int, int, int],
    pixels: PixelFormat,
    fit: str,
    dtype: str,
    seed: int,
) -> None:
    camera = CameraFormat(width=width, height=height, pixels=pixels, fit=fit)
    frame = np.random.default_rng(seed).bytes(camera.frame_bytes)
    assert_equal(take, [(camera, shape, dtype, frame)])


def test_rows_beyond_the_frame_are_ignored(take: Take) -> None:
    camera = CameraFormat(width=20, height=10, pixels=PixelFormat.GREY)
    frame = np.random.default_rng(0).bytes(13 * camera.row_bytes)
    assert_equal(take, [(camera, (8, 8, 1), "int8", frame)])


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["clang"], marks=pytest.mark.needs("clang"), id="clang"),
        pytest.param(
            [sys.executable, "-m", "ziglang", "cc"], marks=pytest.mark.needs("ziglang"), id="zig"
        ),
    ],
)
def test_other_compilers_give_the_same(command: list[str], tmp_path: Path) -> None:
    cache = str(cache_path() / "zig")
    # Traps need no run-time library of the compiler's.
    flags = ("-O2", "-fsanitize=undefined", "-fsanitize-trap=undefined")
    subprocess.run(
        [
            *command,
            *STRICT,
            *flags,
            f"-I{_LIBRARY}",
            *map(str, sources()),
            "-o",
            str(tmp_path / "program"),
        ],
        env={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache, **os.environ},
        check=True,
    )
    rng = np.random.default_rng(12)
    cameras = [
        CameraFormat(width=width, height=height, pixels=pixels, fit=fit)
        for (width, height), pixels, fit in itertools.product(
            [(160, 120), (31, 90), (200, 33)], PixelFormat, ["crop", "fit"]
        )
    ]
    cases = [
        (camera, (40, 50, channels), "int8", rng.bytes(camera.frame_bytes))
        for camera in cameras
        for channels in (1, 3)
    ]
    assert_equal(taking(tmp_path / "program"), cases)
