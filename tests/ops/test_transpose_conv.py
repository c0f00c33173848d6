"""TRANSPOSE_CONV: generated code against BUILTIN_REF."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.ops.table import macs_of
from pipeline.plan.graph import parse_graph
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane

# id: (shape of the input, options).
CASES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "twice": ((1, 4, 5, 3), {"size": (8, 10)}),
    "twice_2x2": ((1, 4, 5, 3), {"size": (8, 10), "kernel": (2, 2)}),
    "valid": ((1, 4, 5, 3), {"size": (9, 11), "padding": "VALID"}),
    "gaps": ((1, 3, 3, 2), {"size": (9, 12), "kernel": (2, 1), "stride": (3, 4)}),
    "step_1": ((1, 5, 4, 3), {"size": (5, 4), "stride": (1, 1)}),
    "step_1_valid": ((1, 5, 4, 3), {"size": (7, 6), "stride": (1, 1), "padding": "VALID"}),
    "odd_output": ((1, 4, 5, 3), {"size": (7, 9)}),
    "wide_kernel": ((1, 3, 4, 2), {"size": (6, 8), "kernel": (5, 4)}),
    "one_channel": ((1, 3, 4, 1), {"size": (6, 8)}),
    "per_tensor": ((1, 3, 4, 2), {"size": (6, 8), "per_channel": False}),
    "no_bias": ((1, 3, 4, 2), {"size": (6, 8), "bias": None}),
    "relu": ((1, 3, 4, 2), {"size": (6, 8), "activation": "RELU"}),
    "relu6": ((1, 3, 4, 2), {"size": (6, 8), "activation": "RELU6", "output": (6 / 255, -128)}),
}


def model_of(case: str) -> bytes:
    shape, options = CASES[case]
    return one_op.single(one_op.transpose_conv, shape, (0.05, -7), channels=4, **options)


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case: str, compiler: HostCompiler) -> None:
    assert_exact(model_of(case), compiler)


@pytest.mark.parametrize("case", ["twice", "gaps", "wide_kernel"])
def test_stays_in_its_tensors(case: str, compiler: HostCompiler) -> None:
    assert_sane(model_of(case), compiler)


def test_macs() -> None:
    graph = parse_graph(model_of("twice"), "m", "m")
    assert macs_of(graph.ops[0], graph) == 4 * 5 * 3 * 9 * 4


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_geometry(data: st.DataObject, compiler: HostCompiler) -> None:
    size = data.draw(st.tuples(*(st.integers(1, 10),) * 2))
    stride = data.draw(st.tuples(*(st.integers(1, 4),) * 2))
    kernel = data.draw(st.tuples(*(st.integers(1, 5),) * 2))
    padding = data.draw(st.sampled_from(["SAME", "VALID"]))
    if padding == "VALID" and any(taps > length for taps, length in zip(kernel, size, strict=True)):
        padding = "SAME"
    # The image that a convolution with these options makes of the output.
    height, width = one_op.window_sizes(size, kernel, stride, padding)
    model = one_op.single(
        one_op.transpose_conv,
        (1, height, width, data.draw(st.integers(1, 4))),
        data.draw(st.tuples(st.floats(1e-2, 0.2), st.integers(-128, 127))),
        channels=data.draw(st.integers(1, 4)),
        size=size,
        stride=stride,
        kernel=kernel,
        padding=padding,
        activation=data.draw(st.sampled_from(["NONE", "RELU6"])),
        output=data.draw(st.tuples(st.floats(1e-2, 0.2), st.integers(-128, 127))),
    )
    assert_exact(model, compiler)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((1, 4, 4, 3), {"size": (10, 8)}, "the input of such an output must be 5 x 4"),
        ((2, 4, 4, 3), {"size": (8, 8)}, "must have batch 1"),
        ((1, 4, 4, 3), {"size": (8, 8), "activation": "TANH"}, "fused activation must be"),
        ((1, 4, 4, 3), {"size": (8, 8), "stride": (0, 2)}, "stride must be at least 1"),
    ],
)
def test_refusals(shape: tuple[int, ...], options: dict[str, Any], message: str) -> None:
    model = one_op.single(one_op.transpose_conv, shape, (0.1, 0), channels=2, **options)
    with pytest.raises(UnsupportedModelError, match=message):
        parse_graph(model, "m", "m")


def test_absurd_scales_are_refused(compiler: HostCompiler) -> None:
    model = one_op.single(
        one_op.transpose_conv,
        (1, 2, 2, 2),
        (0.1, 0),
        channels=2,
        size=(4, 4),
        filter_scale=1e9,
        output=(1e-9, 0),
    )
    with pytest.raises(UnsupportedModelError, match="scaled results must stay below"):
        compiler.compile(parse_graph(model, "m", "m"))
