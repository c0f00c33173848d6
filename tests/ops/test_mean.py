"""MEAN and REDUCE_MAX: generated code against BUILTIN_REF."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.plan.graph import parse_graph
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane
from tests.tflite_models import ModelBuilder

# id: (input shape, input quantization, options of one_op.mean).
CASES: dict[str, tuple[tuple[int, ...], one_op.Quant, dict[str, Any]]] = {
    "global": ((1, 5, 5, 8), (0.05, -10), {"axes": (1, 2), "output": (0.04, 3)}),
    "global_keep_dims": (
        (1, 5, 5, 8),
        (0.05, -10),
        {"axes": (1, 2), "keep_dims": True, "output": (0.04, 3)},
    ),
    "same_quantization": ((1, 7, 3, 5), (0.05, -10), {"axes": (1, 2)}),
    "negative_axes": ((1, 5, 4, 6), (0.05, -10), {"axes": (-2, -3), "output": (0.04, 3)}),
    "repeated_axes": ((1, 5, 4, 6), (0.05, -10), {"axes": (1, 2, -2, 1), "output": (0.04, 3)}),
    "rows": ((1, 5, 4, 6), (0.05, -10), {"axes": (1,), "output": (0.04, 3)}),
    "columns": ((1, 5, 4, 6), (0.05, -10), {"axes": (2,), "output": (0.04, 3)}),
    "channels": ((1, 5, 4, 6), (0.05, -10), {"axes": (3,), "output": (0.04, 3)}),
    "columns_and_channels": ((1, 5, 4, 6), (0.05, -10), {"axes": (2, 3), "output": (0.04, 3)}),
    "all_but_batch": ((1, 5, 4, 6), (0.05, -10), {"axes": (1, 2, 3), "output": (0.04, 3)}),
    "all": ((1, 5, 4, 6), (0.05, -10), {"axes": (0, 1, 2, 3), "output": (0.04, 3)}),
    "gap_of_length_1": ((1, 5, 1, 6), (0.05, -10), {"axes": (1, 3), "output": (0.04, 3)}),
    "only_length_1": ((1, 1, 1, 6), (0.05, -10), {"axes": (1, 2), "output": (0.04, 3)}),
    "rank_2": ((1, 9), (0.05, -10), {"axes": (1,), "output": (0.04, 3)}),
    "rank_3": ((1, 9, 4), (0.05, -10), {"axes": (1,), "output": (0.04, 3)}),
    "rank_5": ((1, 2, 3, 4, 2), (0.05, -10), {"axes": (2, 3), "output": (0.04, 3)}),
    "large": ((1, 100, 90, 2), (0.05, -10), {"axes": (1, 2), "output": (0.04, 3)}),
    "power_of_two_count": ((1, 8, 8, 9), (0.5, 0), {"axes": (1, 2), "output": (0.25, 0)}),
    "output_scale_small": ((1, 3, 3, 5), (0.5, 7), {"axes": (1, 2), "output": (0.001, 3)}),
    "output_scale_large": ((1, 3, 3, 5), (0.005, 7), {"axes": (1, 2), "output": (3.0, 3)}),
    "zero_points_low": ((1, 3, 3, 5), (0.05, -128), {"axes": (1, 2), "output": (0.05, 127)}),
    "zero_points_high": ((1, 3, 3, 5), (0.05, 127), {"axes": (1, 2), "output": (0.05, -128)}),
}


def model_of(case: str) -> bytes:
    shape, quant, options = CASES[case]
    return one_op.single(one_op.mean, shape, quant, **options)


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case: str, compiler: HostCompiler) -> None:
    assert_exact(model_of(case), compiler)


@pytest.mark.parametrize("case", ["gap_of_length_1", "columns_and_channels"])
def test_stays_in_its_tensors(case: str, compiler: HostCompiler) -> None:
    assert_sane(model_of(case), compiler)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_neighbouring_axes(data: st.DataObject, compiler: HostCompiler) -> None:
    shape = (1, *data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    first, last = sorted(data.draw(st.integers(0, len(shape) - 1)) for _ in range(2))
    quants = st.tuples(st.floats(0.01, 1.0), st.integers(-128, 127))
    model = one_op.single(
        one_op.mean,
        shape,
        data.draw(quants),
        axes=tuple(range(first, last + 1)),
        keep_dims=data.draw(st.booleans()),
        output=data.draw(st.one_of(st.none(), quants)),
    )
    assert_exact(model, compiler)


def test_axes_apart_are_refused() -> None:
    model = one_op.single(one_op.mean, (1, 3, 3, 3), (0.1, 0), axes=(1, 3))
    with pytest.raises(UnsupportedModelError, match="axes must be neighbours"):
        parse_graph(model, "m", "m")


@pytest.mark.parametrize("axis", [4, -5, 100])
def test_axis_that_does_not_exist_is_refused(axis: int) -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 3, 3, 3), scale=0.1)
    y = builder.tensor("y", (3, 3, 3), scale=0.1)
    axes = builder.constant("axes", [axis], dtype="int32")
    builder.operator("MEAN", [x, axes], [y], "ReducerOptions")
    with pytest.raises(UnsupportedModelError, match=r"MEAN 'y': the axes must be in -4 \.\. 3"):
        parse_graph(builder.build([x], [y]), "m", "m")


def test_a_sum_that_leaves_int32_is_refused() -> None:
    model = one_op.single(one_op.mean, (1, 2903, 2903, 1), (0.1, 0))
    with pytest.raises(UnsupportedModelError, match="up to 8421504 values. Received: 8427409"):
        parse_graph(model, "m", "m")


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((1, 5, 4, 3), (1, 2)), ((1, 5, 4, 3), (3,)), ((1, 7, 3), (1,)), ((2, 5), (0,)), ((9,), (0,))],
)
@pytest.mark.parametrize("keep_dims", [False, True])
def test_maximum(
    shape: tuple[int, ...], axes: tuple[int, ...], keep_dims: bool, compiler: HostCompiler
) -> None:
    model = one_op.single(
        one_op.mean, shape, (0.1, -7), kind="REDUCE_MAX", axes=axes, keep_dims=keep_dims
    )
    assert_exact(model, compiler)


def test_maximum_stays_in_its_tensors(compiler: HostCompiler) -> None:
    model = one_op.single(one_op.mean, (1, 5, 4, 3), (0.1, -7), kind="REDUCE_MAX")
    assert_sane(model, compiler)


def test_a_maximum_at_another_scale_is_refused() -> None:
    model = one_op.single(one_op.mean, (1, 3, 3, 2), (0.1, 0), kind="REDUCE_MAX", output=(0.2, 0))
    with pytest.raises(UnsupportedModelError, match="must have the same scale and zero point"):
        parse_graph(model, "m", "m")
