"""DEPTHWISE_CONV_2D: generated code against BUILTIN_REF and against plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.ops.table import kernel_call
from pipeline.plan.graph import parse_graph
from pipeline.records import KernelTarget
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane, samples
from tests.ops import slow

# id: (input shape, input quantization, options of one_op.depthwise_conv_2d).
CASES: dict[str, tuple[tuple[int, ...], one_op.Quant, dict[str, Any]]] = {
    "plain": ((1, 8, 8, 8), (0.05, -10), {}),
    "valid": ((1, 8, 7, 8), (0.05, 4), {"padding": "VALID"}),
    "stride_2_even": ((1, 8, 8, 8), (0.05, 0), {"stride": (2, 2)}),
    "stride_2_odd": ((1, 9, 7, 4), (0.05, 0), {"stride": (2, 2)}),
    "stride_above_kernel": ((1, 9, 9, 4), (0.05, 9), {"kernel": (2, 2), "stride": (4, 4)}),
    "even_kernel": ((1, 5, 6, 4), (0.05, 83), {"kernel": (4, 2)}),
    "kernel_1x1": ((1, 5, 6, 6), (0.05, 83), {"kernel": (1, 1)}),
    "kernel_10x4": ((1, 12, 5, 4), (0.05, 83), {"kernel": (10, 4)}),
    "kernel_5x5": ((1, 9, 10, 5), (0.05, 83), {"kernel": (5, 5)}),
    "kernel_5x5_stride_2": ((1, 9, 11, 3), (0.05, 83), {"kernel": (5, 5), "stride": (2, 2)}),
    "kernel_5x5_stride_3": ((1, 9, 13, 3), (0.05, 83), {"kernel": (5, 5), "stride": (3, 3)}),
    "kernel_7x7_relu6": (
        (1, 8, 9, 4),
        (0.05, -128),
        {"kernel": (7, 7), "activation": "RELU6", "output": (6 / 255, -128)},
    ),
    "kernel_5x5_dilated_rows": (
        (1, 12, 7, 2),
        (0.05, 9),
        {"kernel": (5, 3), "dilation": (2, 1)},
    ),
    "one_channel": ((1, 6, 6, 1), (0.05, 127), {}),
    "two_channels": ((1, 6, 6, 2), (0.05, 1), {}),
    "three_channels": ((1, 6, 6, 3), (0.05, 1), {}),
    "five_channels": ((1, 4, 4, 5), (0.05, 1), {}),
    "many_channels": ((1, 3, 3, 67), (0.05, 1), {}),
    "one_pixel": ((1, 1, 1, 6), (0.05, -4), {}),
    "one_row": ((1, 1, 9, 4), (0.05, -4), {}),
    "kernel_above_input": ((1, 2, 3, 5), (0.05, -4), {"kernel": (5, 7)}),
    "kernel_is_input": ((1, 4, 3, 6), (0.05, -4), {"kernel": (4, 3), "padding": "VALID"}),
    "dilation": ((1, 9, 9, 5), (0.05, 5), {"dilation": (2, 2)}),
    "dilations_differ": ((1, 9, 8, 3), (0.05, 5), {"dilation": (1, 3), "padding": "VALID"}),
    "dilation_over_edge": ((1, 3, 2, 4), (0.05, 5), {"dilation": (3, 5)}),
    "dilation_misses_input": ((1, 1, 1, 5), (0.05, 5), {"kernel": (2, 2), "dilation": (4, 4)}),
    "multiplier_2": ((1, 5, 5, 3), (0.05, 5), {"multiplier": 2}),
    "multiplier_3": ((1, 5, 5, 4), (0.05, 5), {"multiplier": 3, "stride": (2, 1)}),
    "multiplier_8": ((1, 5, 5, 2), (0.05, 5), {"multiplier": 8}),
    "one_channel_multiplier_2": ((1, 5, 5, 1), (0.05, 5), {"multiplier": 2}),
    "one_channel_multiplier_8": (
        (1, 12, 6, 1),
        (0.05, 5),
        {"multiplier": 8, "kernel": (10, 4), "stride": (2, 2)},
    ),
    "one_channel_dilated": ((1, 8, 8, 1), (0.05, 5), {"multiplier": 3, "dilation": (2, 3)}),
    "one_channel_per_tensor": ((1, 5, 5, 1), (0.05, 5), {"multiplier": 5, "per_channel": False}),
    "per_tensor": ((1, 5, 5, 6), (0.05, 5), {"per_channel": False}),
    "no_bias": ((1, 5, 5, 6), (0.05, 5), {"bias": None}),
    "large_bias": ((1, 5, 5, 6), (0.05, 5), {"bias": 2_000_000}),
    "relu": ((1, 5, 5, 6), (0.05, 5), {"activation": "RELU"}),
    "relu6": ((1, 5, 5, 6), (0.05, 5), {"activation": "RELU6", "output": (6 / 255, -128)}),
    "relu_n1_to_1": ((1, 5, 5, 6), (0.05, 5), {"activation": "RELU_N1_TO_1"}),
    "zero_points_low": ((1, 5, 5, 6), (0.05, -128), {"output": (0.1, -128)}),
    "zero_points_high": ((1, 5, 5, 6), (0.05, 127), {"output": (0.1, 127)}),
    "weights_of_minus_128": (
        (1, 5, 5, 6),
        (0.05, 127),
        {"filter_limits": (-128, -128), "output": (1.0, 0)},
    ),
    "left_shift": (
        (1, 5, 5, 6),
        (0.5, 1),
        {"filter_scale": 0.9, "output": (0.05, 0), "filter_limits": (-2, 2)},
    ),
    "tiny_multiplier": (
        (1, 5, 5, 6),
        (1e-4, 1),
        {"filter_scale": 1e-5, "output": (2.0, 0), "bias": 2_000_000_000},
    ),
}


def model_of(case: str) -> bytes:
    shape, quant, options = CASES[case]
    return one_op.single(one_op.depthwise_conv_2d, shape, quant, **options)


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case: str, compiler: HostCompiler) -> None:
    assert_exact(model_of(case), compiler)


@pytest.mark.parametrize(
    "case", ["dilation_over_edge", "kernel_above_input", "multiplier_3", "one_channel_multiplier_8"]
)
def test_stays_in_its_tensors(case: str, compiler: HostCompiler) -> None:
    assert_sane(model_of(case), compiler)


@pytest.mark.parametrize("case", CASES)
def test_equals_plain_numpy(case: str, compiler: HostCompiler) -> None:
    graph = parse_graph(model_of(case), case, case)
    model = compiler.compile(graph)
    x = next(samples(graph, seed=1))
    (received,) = model.run(x)
    np.testing.assert_array_equal(received, slow.convolve(graph.ops[0], graph, x[0]))


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_geometry(data: st.DataObject, compiler: HostCompiler) -> None:
    small = st.integers(1, 5)
    kernel = (data.draw(small), data.draw(small))
    dilation = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)))
    padding = data.draw(st.sampled_from(["SAME", "VALID"]))
    reach = [(taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True)]
    least = [1, 1] if padding == "SAME" else reach
    sizes = [data.draw(st.integers(low, low + 7)) for low in least]
    zero_points = st.integers(-128, 127)
    model = one_op.single(
        one_op.depthwise_conv_2d,
        (1, *sizes, data.draw(st.integers(1, 9))),
        (data.draw(st.floats(0.001, 0.5)), data.draw(zero_points)),
        seed=data.draw(st.integers(0, 1000)),
        multiplier=data.draw(st.sampled_from([1, 1, 1, 2, 3])),
        kernel=kernel,
        stride=(data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))),
        dilation=dilation,
        padding=padding,
        per_channel=data.draw(st.booleans()),
        bias=data.draw(st.sampled_from([0, 100_000])),
        activation=data.draw(st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])),
        output=(data.draw(st.floats(0.01, 2.0)), data.draw(zero_points)),
    )
    assert_exact(model, compiler)


@pytest.mark.parametrize(
    ("kernel", "filter_scale", "relu", "function"),
    [
        ((3, 3), 0.1, True, "3x3_relu_coarse_dsp_s8"),
        ((3, 3), 0.01, True, "3x3_relu_dsp_s8"),
        ((3, 3), 0.01, False, "3x3_dsp_s8"),
        ((3, 3), 0.0005, False, "3x3_fine_dsp_s8"),
        ((5, 5), 0.1, True, "dsp_s8"),
        ((5, 5), 0.0005, False, "dsp_s8"),
        ((5, 5), 0.2, False, "s8"),
    ],
)
def test_results_that_change_little_or_much_with_sums(
    kernel: one_op.Pair, filter_scale: float, relu: bool, function: str, compiler: HostCompiler
) -> None:
    model = one_op.single(
        one_op.depthwise_conv_2d,
        (1, 8, 8, 12),
        (0.05, -10),
        kernel=kernel,
        filter_scale=filter_scale,
        bias=100,
        activation="RELU" if relu else "NONE",
        output=(0.05, -128 if relu else 3),
    )
    graph = assert_exact(model, compiler)
    call = kernel_call(graph.ops[0], graph, KernelTarget.DSP)
    assert call is not None
    assert call.function == f"depthwise_conv_2d_{function}"


def test_one_input_channel_uses_the_convolution_kernel() -> None:
    graph = parse_graph(model_of("one_channel_multiplier_8"), "m", "m")
    call = kernel_call(graph.ops[0], graph, KernelTarget.PORTABLE)
    assert call is not None
    assert call.function == "conv_2d_s8"


def test_channels_that_do_not_divide_are_refused() -> None:
    model = one_op.single(one_op.depthwise_conv_2d, (1, 4, 4, 2), (0.1, 0))
    wider = model.replace(
        np.array([1, 4, 4, 2], dtype=np.int32).tobytes(),
        np.array([1, 4, 4, 3], dtype=np.int32).tobytes(),
    )
    with pytest.raises(UnsupportedModelError, match="multiple of the input channels"):
        parse_graph(wider, "m", "m")
