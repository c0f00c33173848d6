"""Tables of weights: Pillow's own arithmetic, and a proof that notices when it is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data import resampling
from pipeline.data.frames import frame_to_input, parse_camera
from pipeline.data.resampling import bilinear_taps, make_frame_plan, plan_frame, resample
from pipeline.errors import MismatchError, UnsupportedModelError
from pipeline.plan.graph import parse_graph
from pipeline.records import CameraFormat, FramePlan, PixelFormat
from tests import one_op
from tests.small_models import residual_network
from tests.tflite_models import ModelBuilder


@settings(max_examples=80, deadline=None)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    shape=st.tuples(st.integers(1, 150), st.integers(1, 150), st.sampled_from([1, 3])),
    pixels=st.sampled_from(PixelFormat),
    fit=st.sampled_from(["crop", "fit"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_tables_give_what_pillow_gives(
    width: int, height: int, shape: tuple[int, int, int], pixels: PixelFormat, fit: str, seed: int
) -> None:
    camera = CameraFormat(width=width, height=height, pixels=pixels, fit=fit)
    frame = np.random.default_rng(seed).bytes(camera.frame_bytes)
    received = resample(frame, make_frame_plan(camera, shape, "int8"))
    np.testing.assert_array_equal(received, frame_to_input(frame, camera, shape, "int8"))


@settings(max_examples=200, deadline=None)
@given(
    sources=st.integers(1, 4096),
    outputs=st.integers(1, 400),
    edges=st.tuples(st.floats(0, 0.4), st.floats(0.6, 1)),
)
def test_what_the_device_relies_on(sources: int, outputs: int, edges: tuple[float, float]) -> None:
    taps = bilinear_taps(sources, edges[0] * sources, edges[1] * sources, outputs)
    ends = [tap.first + len(tap.weights) for tap in taps]
    for tap, end in zip(taps, ends, strict=True):
        # Positive, within the frame, and a sum whose byte needs no clamp.
        assert 0 <= tap.first < end <= sources
        assert min(tap.weights) >= 0
        assert tap.weights[0] > 0
        assert tap.weights[-1] > 0
        assert abs(sum(tap.weights) - (1 << 22)) * 255 < 1 << 21
    # Rows come from the top: no output needs a row that one before it could let go.
    assert [tap.first for tap in taps] == sorted(tap.first for tap in taps)
    assert ends == sorted(ends)


def test_even_scales_repeat_their_weights() -> None:
    plan = make_frame_plan(parse_camera("320x240:rgb565"), (80, 80, 3), "int8")
    assert len({taps.weights for taps in (*plan.columns, *plan.rows)}) == 3
    assert plan.line_rows == 5
    assert plan.line_bytes == 5 * 80 * 3


def test_a_grey_frame_is_resampled_once() -> None:
    plan = make_frame_plan(parse_camera("160x120:grey"), (80, 80, 3), "int8")
    assert (plan.planes, plan.line_bytes) == (1, 3 * 80)


def no_picture(shape: tuple[int, ...], dtype: str = "int8") -> bytes:
    builder = ModelBuilder()
    x = builder.tensor("x", shape, scale=0.1, dtype=dtype)
    rng = np.random.default_rng(0)
    y = one_op.quantize(builder, rng, x, output=(0.1, 0)) if dtype == "uint8" else x
    return builder.build([x], [one_op.reshape(builder, rng, y, target=(1, int(np.prod(shape))))])


def two_pictures() -> bytes:
    builder = ModelBuilder()
    a, b = (builder.tensor(name, (1, 4, 4, 3), scale=0.1) for name in "ab")
    return builder.build([a, b], [one_op.add(builder, np.random.default_rng(0), a, other=b)])


@pytest.mark.parametrize(
    ("model", "received"),
    [
        (lambda: no_picture((1, 49, 10, 2)), r"int8\[1, 49, 10, 2\]"),
        (lambda: no_picture((1, 640)), r"int8\[1, 640\]"),
        (lambda: no_picture((2, 4, 4, 3)), r"int8\[2, 4, 4, 3\]"),
        (two_pictures, r"int8\[1, 4, 4, 3\], int8\[1, 4, 4, 3\]"),
    ],
)
def test_models_of_no_picture_are_refused(model: Callable[[], bytes], received: str) -> None:
    graph = parse_graph(model(), "m", "m")
    with pytest.raises(UnsupportedModelError, match=rf"m: a camera is for .*Received: {received}"):
        plan_frame(parse_camera("8x8:grey"), graph)


def test_another_pillow_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    original = resampling.make_frame_plan

    def skewed(*arguments: object) -> FramePlan:
        plan = original(*arguments)  # type: ignore[arg-type]
        return dataclasses.replace(plan, rows=plan.rows[::-1])

    monkeypatch.setattr(resampling, "make_frame_plan", skewed)
    with pytest.raises(MismatchError, match=r"Received: \d+ of 108 bytes .*constraints\.txt"):
        plan_frame(parse_camera("8x8:rgb565"), parse_graph(residual_network(), "m", "m"))
