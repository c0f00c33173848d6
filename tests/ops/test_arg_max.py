"""ARG_MAX: generated code against BUILTIN_REF."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.plan.graph import parse_graph
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane
from tests.tflite_models import ModelBuilder


def model_of(shape: tuple[int, ...], axis: int, dtype: str = "int64") -> bytes:
    return one_op.single(one_op.arg_max, shape, (0.1, -3), axis=axis, dtype=dtype)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((1, 10), -1), ((1, 4, 5, 3), 3), ((1, 4, 5, 3), 1), ((7,), 0), ((3, 1), 1)]
)
def test_equals_reference(
    shape: tuple[int, ...], axis: int, dtype: str, compiler: HostCompiler
) -> None:
    assert_exact(model_of(shape, axis, dtype), compiler)


def test_stays_in_its_tensors(compiler: HostCompiler) -> None:
    assert_sane(model_of((1, 4, 5, 3), 2), compiler)


def test_the_first_of_equal_values(compiler: HostCompiler) -> None:
    x = np.array([[3, 7, 7, -128, 7]], np.int8)
    assert_exact(model_of((1, 5), 1), compiler, inputs=[(x,)])


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_any_axis(data: st.DataObject, compiler: HostCompiler) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    assert_exact(model_of(shape, axis), compiler)


def test_refusals() -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), scale=0.1)
    y = builder.tensor("y", (1,), dtype="int8", scale=0.1)
    axis = builder.constant("axis", 1, dtype="int32")
    builder.operator("ARG_MAX", [x, axis], [y], "ArgMaxOptions")
    with pytest.raises(UnsupportedModelError, match="'y' must be int32 or int64. Received: int8"):
        parse_graph(builder.build([x], [y]), "m", "m")
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), scale=0.1)
    y = builder.tensor("y", (1,), dtype="int64")
    axis = builder.constant("axis", 2, dtype="int32")
    builder.operator("ARG_MAX", [x, axis], [y], "ArgMaxOptions")
    with pytest.raises(UnsupportedModelError, match=r"must be one in -2 .. 1. Received: \[2\]"):
        parse_graph(builder.build([x], [y]), "m", "m")
