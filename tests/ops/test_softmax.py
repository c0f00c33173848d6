"""SOFTMAX: generated code against BUILTIN_REF."""

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

SHAPES = [(1, 1), (1, 2), (1, 3), (1, 12), (1, 300), (7, 5), (1, 2, 3, 4), (6,)]
SCALES = [1e-6, 1e-3, 0.02, 0.1, 0.5, 1.0, 7.0, 15.99, 16.0, 40.0, 1e9]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", SCALES)
def test_equals_reference(shape: tuple[int, ...], scale: float, compiler: HostCompiler) -> None:
    assert_exact(one_op.single(one_op.softmax, shape, (scale, 3)), compiler)


@pytest.mark.parametrize("beta", [0.25, 2.0, 10.0])
def test_beta(beta: float, compiler: HostCompiler) -> None:
    assert_exact(one_op.single(one_op.softmax, (1, 12), (0.1, 3), beta=beta), compiler)


@pytest.mark.parametrize("scale", SCALES)
def test_every_difference(scale: float, compiler: HostCompiler) -> None:
    """Two classes whose difference takes every value that int8 allows."""
    model = one_op.single(one_op.softmax, (256, 2), (scale, 0))
    x = np.stack([np.full(256, 127), np.arange(-128, 128)], axis=1).astype(np.int8)
    assert_exact(model, compiler, inputs=[(x,), (x[:, ::-1],)])


@pytest.mark.parametrize("classes", [255, 256, 257, 511])
def test_many_classes_tie(classes: int, compiler: HostCompiler) -> None:
    model = one_op.single(one_op.softmax, (1, classes), (0.1, 0))
    ties = np.full((1, classes), 5, dtype=np.int8)
    one_above = ties.copy()
    one_above[0, 17] = 6
    assert_exact(model, compiler, inputs=[(ties,), (one_above,)])


@pytest.mark.parametrize("classes", [512, 600, 4095])
def test_more_ties_than_the_reference_takes(classes: int, compiler: HostCompiler) -> None:
    """The reference aborts; each class has a probability of at most 1/512, which rounds to 0."""
    model = one_op.single(one_op.softmax, (1, classes), (0.1, 0))
    ties = np.full((1, classes), 5, dtype=np.int8)
    (y,) = compiler.compile(parse_graph(model, "m", "m")).run((ties,))
    np.testing.assert_array_equal(y, -128)


def test_too_many_classes_are_refused() -> None:
    model = one_op.single(one_op.softmax, (1, 4096), (0.1, 0))
    with pytest.raises(UnsupportedModelError, match=r"the last axis must .* up to 4095"):
        parse_graph(model, "m", "m")


@pytest.mark.parametrize("shape", [(1, 12), (7, 5)], ids=str)
def test_stays_in_its_tensors(shape: tuple[int, ...], compiler: HostCompiler) -> None:
    assert_sane(one_op.single(one_op.softmax, shape, (0.1, 3)), compiler)


@settings(deadline=None, max_examples=25)
@given(
    rows=st.integers(1, 4),
    classes=st.integers(1, 40),
    exponent=st.floats(-15, 5),
    zero_point=st.integers(-128, 127),
)
def test_any_scale(
    rows: int, classes: int, exponent: float, zero_point: int, compiler: HostCompiler
) -> None:
    quant = (2.0**exponent, zero_point)
    assert_exact(one_op.single(one_op.softmax, (rows, classes), quant), compiler)


def test_another_output_scale_is_refused() -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), scale=0.1)
    y = builder.tensor("y", (1, 4), scale=0.1)
    builder.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=1.0)
    with pytest.raises(UnsupportedModelError, match="scale 1/256 and zero point -128"):
        parse_graph(builder.build([x], [y]), "m", "m")


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan"), float("inf")])
def test_broken_beta_is_refused(beta: float) -> None:
    model = one_op.single(one_op.softmax, (1, 4), (0.1, 0), beta=beta)
    with pytest.raises(UnsupportedModelError, match="SOFTMAX 'softmax_0': beta times"):
        parse_graph(model, "m", "m")
