"""Kernels that compute images a few rows at a time, from and into rings of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact_streamed
from tests.tflite_models import ModelBuilder

RELU6 = {"activation": "RELU6", "output": (6 / 255, -128)}

# id: (input shape, function of one_op, its options).
CASES: dict[str, tuple[tuple[int, ...], Callable[..., int], dict[str, Any]]] = {
    "add": ((1, 7, 5, 3), one_op.add, {"constant_shape": (1, 7, 5, 3)}),
    "add_constant_pixel": ((1, 7, 5, 3), one_op.add, {"constant_shape": (3,)}),
    "average_pool": ((1, 9, 6, 5), one_op.pool_2d, {"kind": "AVERAGE_POOL_2D", "kernel": (3, 3)}),
    "max_pool": ((1, 9, 7, 6), one_op.pool_2d, {"kind": "MAX_POOL_2D"}),
    "max_pool_overlapping": (
        (1, 9, 6, 5),
        one_op.pool_2d,
        {"kind": "MAX_POOL_2D", "kernel": (3, 2), "stride": (1, 1), "padding": "SAME"},
    ),
    "conv": ((1, 8, 5, 3), one_op.conv_2d, {"channels": 5}),
    "conv_stride_2": ((1, 9, 6, 3), one_op.conv_2d, {"channels": 4, "stride": (2, 2)}),
    "conv_1x1": ((1, 6, 5, 6), one_op.conv_2d, {"channels": 7, "kernel": (1, 1)}),
    "depthwise": ((1, 8, 17, 3), one_op.depthwise_conv_2d, {}),
    "depthwise_relu": ((1, 8, 17, 3), one_op.depthwise_conv_2d, RELU6),
    "depthwise_narrow": ((1, 9, 5, 6), one_op.depthwise_conv_2d, RELU6),
    "depthwise_valid": ((1, 9, 8, 5), one_op.depthwise_conv_2d, {"padding": "VALID", **RELU6}),
    "depthwise_stride_2_odd": ((1, 9, 7, 3), one_op.depthwise_conv_2d, {"stride": (2, 2), **RELU6}),
    "depthwise_stride_2_even": ((1, 8, 18, 4), one_op.depthwise_conv_2d, {"stride": (2, 2)}),
    "depthwise_5x5": ((1, 9, 8, 3), one_op.depthwise_conv_2d, {"kernel": (5, 5)}),
    "depthwise_dilated": ((1, 9, 8, 3), one_op.depthwise_conv_2d, {"dilation": (2, 2)}),
    "pad": ((1, 5, 4, 3), one_op.pad, {"amounts": ((0, 0), (2, 1), (1, 2), (0, 0))}),
}


def between(add: Callable[..., int], shape: tuple[int, ...], options: dict[str, Any]) -> bytes:
    """A model of an operator between two that only change the scale."""
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = builder.tensor("input", shape, scale=0.04, zero_point=3)
    before = one_op.quantize(builder, rng, x, output=(0.05, -7))
    y = add(builder, rng, before, **options)
    return builder.build([x], [one_op.quantize(builder, rng, y, output=(0.03, 5))])


@pytest.mark.parametrize(("rows", "spare"), [(1, 0), (2, 1), (3, 0)])
@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case: str, rows: int, spare: int, compiler: HostCompiler) -> None:
    shape, add, options = CASES[case]
    sane = rows == 1 and spare == 0
    model = between(add, shape, options)
    assert_exact_streamed(model, compiler, rows=rows, spare=spare, sane=sane)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_depthwise_3x3(data: st.DataObject, compiler: HostCompiler) -> None:
    padding = data.draw(st.sampled_from(["SAME", "VALID"]))
    least = 1 if padding == "SAME" else 3
    sizes = [data.draw(st.integers(least, most)) for most in (9, 20)]
    options = data.draw(st.sampled_from([RELU6, {"output": (0.07, 9)}]))
    stride = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2)))
    model = between(
        one_op.depthwise_conv_2d,
        (1, *sizes, data.draw(st.integers(1, 9))),
        {"padding": padding, "stride": stride, **options},
    )
    rows, spare = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 3))
    assert_exact_streamed(model, compiler, rows=rows, spare=spare)
