"""Weights of four bits: generated code against BUILTIN_REF, itself and on integers of a byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.ops.table import kernel_call
from pipeline.plan.graph import parse_graph
from pipeline.records import INT4, Graph, KernelTarget
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_exact_streamed, assert_sane, samples
from tests.ops import slow

# id: (input shape, options of one_op.conv_2d).
CONVOLUTIONS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "plain": ((1, 8, 8, 3), {"channels": 8}),
    "sliding": ((1, 6, 9, 8), {"channels": 12}),
    "odd_channels": ((1, 7, 5, 5), {"channels": 7, "kernel": (2, 3)}),
    "one_channel": ((1, 5, 5, 4), {"channels": 1}),
    "three_channels": ((1, 4, 5, 3), {"channels": 3, "kernel": (1, 1)}),
    "pointwise": ((1, 5, 4, 16), {"channels": 24, "kernel": (1, 1)}),
    "one_pixel": ((1, 1, 1, 20), {"channels": 6, "kernel": (1, 1)}),
    "two_pixels": ((1, 1, 2, 20), {"channels": 6, "kernel": (1, 1)}),
    "deep": ((1, 3, 3, 67), {"channels": 10, "kernel": (3, 3)}),
    "strides": ((1, 9, 8, 4), {"channels": 6, "stride": (3, 2), "padding": "VALID"}),
    "dilation": ((1, 9, 9, 3), {"channels": 4, "dilation": (2, 2)}),
    "groups_odd": ((1, 5, 5, 9), {"channels": 15, "groups": 3}),
    "per_tensor": ((1, 5, 5, 3), {"channels": 6, "per_channel": False}),
    "large_bias": ((1, 5, 5, 3), {"channels": 6, "bias": 2_000_000}),
    "huge_bias": ((1, 5, 5, 3), {"channels": 6, "bias": 2_000_000_000, "filter_scale": 1e-5}),
    "relu6": ((1, 5, 5, 3), {"channels": 6, "activation": "RELU6", "output": (6 / 255, -128)}),
    "left_shift": (
        (1, 5, 5, 3),
        {"channels": 6, "filter_scale": 9.0, "output": (0.05, 0), "filter_limits": (-2, 2)},
    ),
    "with_minus_8": ((1, 5, 5, 8), {"channels": 6, "filter_limits": (-8, 7)}),
    "only_minus_8": ((1, 5, 5, 8), {"channels": 6, "filter_limits": (-8, -8)}),
}

# id: (input shape, options of one_op.fully_connected).
VECTORS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "plain": ((1, 16), {"outputs": 8}),
    "one_to_one": ((1, 1), {"outputs": 1}),
    "two_outputs": ((1, 20), {"outputs": 2}),
    "three_outputs": ((1, 21), {"outputs": 3}),
    "five_outputs": ((1, 22), {"outputs": 5, "per_channel": True}),
    "seven_outputs": ((1, 13), {"outputs": 7}),
    "wide": ((1, 640), {"outputs": 34, "output": (3.0, 7)}),
    # Sums beyond 20 bits, which the last of four outputs that share their words cannot hold.
    "chunks": ((1, 4801), {"outputs": 5, "output": (9.0, 7), "filter_limits": (3, 7)}),
    "rows": ((5, 12), {"outputs": 6, "per_channel": True}),
    "no_bias": ((1, 16), {"outputs": 9, "bias": None}),
    "large_bias": ((1, 16), {"outputs": 9, "bias": 2_000_000}),
    "relu": ((2, 16), {"outputs": 9, "activation": "RELU"}),
    "with_minus_8": ((1, 16), {"outputs": 9, "filter_limits": (-8, 7)}),
    "only_minus_8": ((1, 16), {"outputs": 9, "filter_limits": (-8, -8)}),
    "double": (
        (3, 8),
        {"outputs": 9, "filter_scale": 7.0, "output": (20.0, -5), "quant": (1.0, 3)},
    ),
}

_USUAL = {"filter_scale": 0.18, "filter_limits": (-7, 7)}


def convolution(case: str, dtype: str = INT4) -> bytes:
    shape, options = CONVOLUTIONS[case]
    options = {**_USUAL, **options, "filter_dtype": dtype}
    return one_op.single(one_op.conv_2d, shape, (0.05, -10), **options)


def vectors(case: str, dtype: str = INT4) -> bytes:
    shape, options = VECTORS[case]
    options = {**_USUAL, **options, "filter_dtype": dtype}
    quant = options.pop("quant", (0.05, 3))
    return one_op.single(one_op.fully_connected, shape, quant, **options)


MODELS = {
    **{f"conv_2d-{case}": convolution(case) for case in CONVOLUTIONS},
    **{f"fully_connected-{case}": vectors(case) for case in VECTORS},
}


@pytest.mark.parametrize("case", MODELS)
def test_equals_reference(case: str, compiler: HostCompiler) -> None:
    assert_exact(MODELS[case], compiler)


@pytest.mark.parametrize("case", MODELS)
def test_stays_in_its_tensors(case: str, compiler: HostCompiler) -> None:
    assert_sane(MODELS[case], compiler)


@pytest.mark.parametrize("case", ["sliding", "strides", "dilation", "groups_odd"])
def test_rows_are_computed_one_by_one(case: str, compiler: HostCompiler) -> None:
    assert_exact_streamed(convolution(case), compiler, rows=1, sane=True)


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_equals_plain_numpy(case: str, compiler: HostCompiler) -> None:
    graph = parse_graph(convolution(case), case, case)
    model = compiler.compile(graph)
    for (x,) in samples(graph, seed=1, count=1):
        (received,) = model.run((x,))
        np.testing.assert_array_equal(received, slow.convolve(graph.ops[0], graph, x))


# Where other kernels have to do: with groups, with -8 beside another negative weight, with biases
# and factors that no short form takes.
_OTHERWISE = {
    "conv_2d-groups_odd": "conv_2d_s4",
    "conv_2d-huge_bias": "conv_2d_bytes_floor_dsp_s8",
    "conv_2d-left_shift": "conv_2d_s4",
    "conv_2d-with_minus_8": "conv_2d_sliding_nearest_dsp_s8",
    "conv_2d-only_minus_8": "conv_2d_sliding_nearest_dsp_s8",
    "fully_connected-with_minus_8": "fully_connected_dsp_s8",
    "fully_connected-only_minus_8": "fully_connected_dsp_s8",
    "fully_connected-double": "fully_connected_double_s8",
}


@pytest.mark.parametrize("case", MODELS)
def test_kernels_for_four_bits_are_chosen(case: str) -> None:
    graph = parse_graph(MODELS[case], case, case)
    functions = {target: _function(graph, target) for target in KernelTarget}
    portable = (
        "fully_connected_double_s8" if case.endswith("double") else f"{case.split('-')[0]}_s4"
    )
    assert functions[KernelTarget.PORTABLE] == portable
    if case in _OTHERWISE:
        assert functions[KernelTarget.DSP] == _OTHERWISE[case]
    else:
        assert "nibbles" in functions[KernelTarget.DSP]


def _function(graph: Graph, target: KernelTarget) -> str:
    call = kernel_call(graph.ops[0], graph, target)
    assert call is not None
    return call.function


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_filters_are_read(multiplier: int, compiler: HostCompiler) -> None:
    model = one_op.single(
        one_op.depthwise_conv_2d,
        (1, 6, 5, 4),
        (0.05, 7),
        multiplier=multiplier,
        filter_dtype=INT4,
        **_USUAL,
    )
    assert_exact(model, compiler)


def test_a_depthwise_filter_of_one_channel_is_a_convolutions(compiler: HostCompiler) -> None:
    model = one_op.single(
        one_op.depthwise_conv_2d,
        (1, 9, 5, 1),
        (0.05, 7),
        multiplier=8,
        kernel=(4, 2),
        filter_dtype=INT4,
        **_USUAL,
    )
    assert_exact(model, compiler)
