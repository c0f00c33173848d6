"""AVERAGE_POOL_2D and MAX_POOL_2D: generated code against BUILTIN_REF."""

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

KINDS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")

# id: (input shape, quantization, options of one_op.pool_2d).
CASES: dict[str, tuple[tuple[int, ...], one_op.Quant, dict[str, Any]]] = {
    "plain": ((1, 8, 8, 3), (0.05, -10), {}),
    "overlapping": ((1, 8, 8, 3), (0.05, -10), {"kernel": (3, 3), "stride": (1, 1)}),
    "same": ((1, 7, 5, 3), (0.05, 4), {"kernel": (3, 3), "padding": "SAME"}),
    "same_even": ((1, 8, 6, 3), (0.05, 4), {"kernel": (3, 3), "padding": "SAME"}),
    "same_even_kernel": (
        (1, 5, 5, 2),
        (0.05, 4),
        {"kernel": (2, 4), "stride": (1, 1), "padding": "SAME"},
    ),
    "stride_above_kernel": ((1, 9, 9, 2), (0.05, 4), {"kernel": (2, 1), "stride": (4, 3)}),
    "window_1": ((1, 4, 4, 5), (0.05, 4), {"kernel": (1, 1), "stride": (1, 1)}),
    "whole_image": ((1, 6, 5, 7), (0.05, -128), {"kernel": (6, 5), "stride": (1, 1)}),
    "kernel_above_input": (
        (1, 2, 3, 2),
        (0.05, 4),
        {"kernel": (7, 5), "stride": (1, 1), "padding": "SAME"},
    ),
    "one_column_stride_above_kernel": (
        (1, 2, 1, 8),
        (0.05, 4),
        {"kernel": (2, 2), "stride": (4, 4), "padding": "SAME"},
    ),
    "one_pixel": ((1, 1, 1, 3), (0.05, 4), {"kernel": (1, 1), "stride": (1, 1)}),
    "one_channel": ((1, 6, 6, 1), (0.05, 4), {}),
    "many_channels": ((1, 4, 4, 130), (0.05, 4), {}),
    "relu": ((1, 6, 6, 2), (0.05, 4), {"activation": "RELU"}),
    "relu6": ((1, 6, 6, 2), (0.05, -100), {"activation": "RELU6"}),
    "relu_n1_to_1": ((1, 6, 6, 2), (0.05, 4), {"activation": "RELU_N1_TO_1"}),
    "zero_point_high": ((1, 6, 6, 2), (0.05, 127), {"kernel": (3, 3)}),
}


def model_of(kind: str, case: str) -> bytes:
    shape, quant, options = CASES[case]
    return one_op.single(one_op.pool_2d, shape, quant, kind=kind, **options)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_reference(kind: str, case: str, compiler: HostCompiler) -> None:
    assert_exact(model_of(kind, case), compiler)


@pytest.mark.parametrize("case", ["kernel_above_input", "stride_above_kernel"])
@pytest.mark.parametrize("kind", KINDS)
def test_stays_in_its_tensors(kind: str, case: str, compiler: HostCompiler) -> None:
    assert_sane(model_of(kind, case), compiler)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_geometry(data: st.DataObject, compiler: HostCompiler) -> None:
    small = st.integers(1, 5)
    kernel = (data.draw(small), data.draw(small))
    padding = data.draw(st.sampled_from(["SAME", "VALID"]))
    least = (1, 1) if padding == "SAME" else kernel
    sizes = [data.draw(st.integers(low, low + 7)) for low in least]
    model = one_op.single(
        one_op.pool_2d,
        (1, *sizes, data.draw(st.integers(1, 6))),
        (data.draw(st.floats(0.001, 0.5)), data.draw(st.integers(-128, 127))),
        kind=data.draw(st.sampled_from(KINDS)),
        kernel=kernel,
        stride=(data.draw(small), data.draw(small)),
        padding=padding,
        activation=data.draw(st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])),
    )
    assert_exact(model, compiler)


@pytest.mark.parametrize("kind", KINDS)
def test_another_output_scale_is_refused(kind: str) -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4, 4, 1), scale=0.1)
    y = builder.tensor("y", (1, 2, 2, 1), scale=0.2)
    options = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
    builder.operator(kind, [x], [y], "Pool2DOptions", padding=1, **options)
    with pytest.raises(UnsupportedModelError, match=f"{kind} 'y': .* same scale and zero point"):
        parse_graph(builder.build([x], [y]), "m", "m")
