"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR: generated code against BUILTIN_REF."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.plan.graph import parse_graph
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane
from tests.tflite_models import ModelBuilder

KINDS = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
PLACES = {
    "plain": {},
    "align_corners": {"align_corners": True},
    "half_pixel_centers": {"half_pixel_centers": True},
}
SIZES: dict[str, tuple[one_op.Pair, one_op.Pair]] = {
    "twice": ((4, 5), (8, 10)),
    "half": ((8, 6), (4, 3)),
    "odd": ((5, 3), (7, 11)),
    "from_one": ((1, 1), (3, 4)),
    "to_one": ((5, 4), (1, 1)),
    "same": ((3, 4), (3, 4)),
}


def model_of(
    kind: str, sizes: tuple[one_op.Pair, one_op.Pair], channels: int, **places: bool
) -> bytes:
    shape = (1, *sizes[0], channels)
    return one_op.single(one_op.resize, shape, (0.1, -5), kind=kind, size=sizes[1], **places)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_reference(kind: str, places: str, sizes: str, compiler: HostCompiler) -> None:
    assert_exact(model_of(kind, SIZES[sizes], 3, **PLACES[places]), compiler)


@pytest.mark.parametrize("kind", KINDS)
def test_stays_in_its_tensors(kind: str, compiler: HostCompiler) -> None:
    assert_sane(model_of(kind, SIZES["odd"], 3, half_pixel_centers=True), compiler)


def test_nearest_neighbors_of_aligned_half_pixels(compiler: HostCompiler) -> None:
    both = {"align_corners": True, "half_pixel_centers": True}
    assert_exact(model_of("RESIZE_NEAREST_NEIGHBOR", SIZES["odd"], 2, **both), compiler)


@settings(deadline=None, max_examples=25)
@given(
    kind=st.sampled_from(KINDS),
    places=st.sampled_from(sorted(PLACES)),
    sizes=st.tuples(*(st.tuples(*(st.integers(1, 12),) * 2),) * 2),
    channels=st.integers(1, 3),
)
def test_any_size(
    kind: str,
    places: str,
    sizes: tuple[one_op.Pair, one_op.Pair],
    channels: int,
    compiler: HostCompiler,
) -> None:
    assert_exact(model_of(kind, sizes, channels, **PLACES[places]), compiler)


def test_uint8_neighbors(compiler: HostCompiler) -> None:
    """A uint8 model's input, resized before it becomes int8; there is no bilinear form."""
    for kind in KINDS:
        builder = ModelBuilder()
        x = builder.tensor("x", (1, 3, 3, 2), dtype="uint8", scale=0.1, zero_point=128)
        size = builder.constant("size", (6, 6), dtype="int32")
        large = builder.tensor("large", (1, 6, 6, 2), dtype="uint8", scale=0.1, zero_point=128)
        options = "ResizeBilinear" if kind == "RESIZE_BILINEAR" else "ResizeNearestNeighbor"
        builder.operator(kind, [x, size], [large], f"{options}Options")
        model = builder.build([x], [large])
        if kind == "RESIZE_NEAREST_NEIGHBOR":
            assert_exact(model, compiler)
        else:
            with pytest.raises(UnsupportedModelError, match="input and output must be int8. Rec"):
                parse_graph(model, "m", "m")


def test_refusals() -> None:
    both = {"align_corners": True, "half_pixel_centers": True}
    with pytest.raises(UnsupportedModelError, match="corners may be aligned or centers half pix"):
        parse_graph(model_of("RESIZE_BILINEAR", SIZES["odd"], 2, **both), "m", "m")
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 3, 3, 2), scale=0.1)
    y = builder.tensor("y", (1, 6, 6, 2), scale=0.1)
    size = builder.constant("size", (6, 7), dtype="int32")
    builder.operator("RESIZE_BILINEAR", [x, size], [y], "ResizeBilinearOptions")
    with pytest.raises(UnsupportedModelError, match=r"of the given size. Received: \(1, 6, 6, 2\)"):
        parse_graph(builder.build([x], [y]), "m", "m")
