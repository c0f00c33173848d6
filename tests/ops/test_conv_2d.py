"""CONV_2D: generated code against BUILTIN_REF and against plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.plan.graph import parse_graph
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane, samples
from tests.ops import slow

# id: (input shape, input quantization, options of one_op.conv_2d).
CASES: dict[str, tuple[tuple[int, ...], one_op.Quant, dict[str, Any]]] = {
    "plain": ((1, 8, 8, 3), (0.05, -10), {"channels": 8}),
    "valid": ((1, 8, 7, 3), (0.05, 4), {"channels": 5, "padding": "VALID"}),
    "stride_2_even": ((1, 8, 8, 3), (0.05, 0), {"channels": 8, "stride": (2, 2)}),
    "stride_2_odd": ((1, 9, 7, 4), (0.05, 0), {"channels": 8, "stride": (2, 2)}),
    "strides_differ": ((1, 9, 8, 2), (0.05, 9), {"channels": 3, "stride": (3, 1)}),
    "stride_above_kernel": (
        (1, 9, 9, 2),
        (0.05, 9),
        {"channels": 4, "kernel": (2, 2), "stride": (4, 3)},
    ),
    "stride_above_kernel_valid": (
        (1, 11, 9, 2),
        (0.05, 9),
        {"channels": 4, "kernel": (1, 2), "stride": (4, 3), "padding": "VALID"},
    ),
    "kernel_10x4": (
        (1, 25, 5, 1),
        (0.05, 83),
        {"channels": 8, "kernel": (10, 4), "stride": (2, 2)},
    ),
    "even_kernel": ((1, 5, 6, 2), (0.05, 83), {"channels": 4, "kernel": (4, 2)}),
    "pointwise": ((1, 5, 4, 16), (0.05, -128), {"channels": 24, "kernel": (1, 1)}),
    "pointwise_stride": (
        (1, 5, 4, 7),
        (0.05, -128),
        {"channels": 9, "kernel": (1, 1), "stride": (2, 2)},
    ),
    "one_channel": ((1, 6, 6, 1), (0.05, 127), {"channels": 1}),
    "two_channels": ((1, 6, 6, 2), (0.05, 1), {"channels": 2}),
    "three_channels": ((1, 6, 6, 3), (0.05, 1), {"channels": 3}),
    "five_channels": ((1, 4, 4, 5), (0.05, 1), {"channels": 5}),
    "seven_channels": ((1, 4, 4, 7), (0.05, 1), {"channels": 7, "kernel": (1, 1)}),
    "many_channels": ((1, 2, 2, 67), (0.02, 1), {"channels": 65, "filter_scale": 0.004}),
    "one_pixel": ((1, 1, 1, 6), (0.05, -4), {"channels": 4}),
    "one_row": ((1, 1, 9, 2), (0.05, -4), {"channels": 4}),
    "one_column": ((1, 9, 1, 2), (0.05, -4), {"channels": 4}),
    "kernel_above_input": ((1, 2, 3, 2), (0.05, -4), {"channels": 4, "kernel": (5, 7)}),
    "kernel_is_input": (
        (1, 4, 3, 2),
        (0.05, -4),
        {"channels": 6, "kernel": (4, 3), "padding": "VALID"},
    ),
    "dilation": ((1, 9, 9, 3), (0.05, 5), {"channels": 4, "dilation": (2, 2)}),
    "dilations_differ": (
        (1, 9, 8, 3),
        (0.05, 5),
        {"channels": 4, "dilation": (1, 3), "padding": "VALID"},
    ),
    "dilation_over_edge": ((1, 3, 2, 2), (0.05, 5), {"channels": 4, "dilation": (3, 5)}),
    "dilation_misses_input": (
        (1, 1, 1, 2),
        (0.05, 5),
        {"channels": 5, "kernel": (2, 2), "dilation": (4, 4)},
    ),
    "groups": ((1, 5, 5, 8), (0.05, 5), {"channels": 12, "groups": 2}),
    "groups_odd": ((1, 5, 5, 9), (0.05, 5), {"channels": 15, "groups": 3, "stride": (2, 2)}),
    "groups_are_channels": ((1, 5, 5, 4), (0.05, 5), {"channels": 8, "groups": 4}),
    "groups_dilated": (
        (1, 7, 7, 4),
        (0.05, 5),
        {"channels": 4, "groups": 2, "dilation": (2, 1)},
    ),
    "per_tensor": ((1, 5, 5, 3), (0.05, 5), {"channels": 6, "per_channel": False}),
    "no_bias": ((1, 5, 5, 3), (0.05, 5), {"channels": 6, "bias": None}),
    "large_bias": ((1, 5, 5, 3), (0.05, 5), {"channels": 6, "bias": 2_000_000}),
    "relu": ((1, 5, 5, 3), (0.05, 5), {"channels": 6, "activation": "RELU"}),
    "relu6": (
        (1, 5, 5, 3),
        (0.05, 5),
        {"channels": 6, "activation": "RELU6", "output": (6 / 255, -128)},
    ),
    "relu6_narrow": (
        (1, 5, 5, 3),
        (0.05, 5),
        {"channels": 6, "activation": "RELU6", "output": (0.4, -100)},
    ),
    "relu_n1_to_1": ((1, 5, 5, 3), (0.05, 5), {"channels": 6, "activation": "RELU_N1_TO_1"}),
    "zero_points_low": ((1, 5, 5, 3), (0.05, -128), {"channels": 6, "output": (0.1, -128)}),
    "zero_points_high": ((1, 5, 5, 3), (0.05, 127), {"channels": 6, "output": (0.1, 127)}),
    "weights_of_minus_128": (
        (1, 5, 5, 3),
        (0.05, 127),
        {"channels": 6, "filter_limits": (-128, -128), "output": (1.0, 0)},
    ),
    "left_shift": (
        (1, 5, 5, 3),
        (0.5, 1),
        {"channels": 6, "filter_scale": 0.9, "output": (0.05, 0), "filter_limits": (-2, 2)},
    ),
    "tiny_multiplier": (
        (1, 5, 5, 3),
        (1e-4, 1),
        {"channels": 6, "filter_scale": 1e-5, "output": (2.0, 0), "bias": 2_000_000_000},
    ),
    "vanishing_multiplier": (
        (1, 5, 5, 3),
        (1e-6, 1),
        {"channels": 6, "filter_scale": 1e-6, "output": (3.0, 9), "bias": 2_000_000_000},
    ),
    "power_of_two_scales": (
        (1, 5, 5, 3),
        (0.5, 0),
        {"channels": 6, "filter_scale": 0.25, "output": (32.0, 0), "per_channel": False},
    ),
}

# TFLite's interpreter refuses an int8 CONV_2D without bias; plain NumPy is the only oracle.
WITHOUT_REFERENCE = {"no_bias"}


def model_of(case: str) -> bytes:
    shape, quant, options = CASES[case]
    return one_op.single(one_op.conv_2d, shape, quant, **options)


@pytest.mark.parametrize("case", sorted(set(CASES) - WITHOUT_REFERENCE))
def test_equals_reference(case: str, compiler: HostCompiler) -> None:
    assert_exact(model_of(case), compiler)


@pytest.mark.parametrize(
    "case", ["dilation_over_edge", "groups_dilated", "kernel_above_input", "large_bias"]
)
def test_stays_in_its_tensors(case: str, compiler: HostCompiler) -> None:
    assert_sane(model_of(case), compiler)


@pytest.mark.parametrize("case", CASES)
def test_equals_plain_numpy(case: str, compiler: HostCompiler) -> None:
    graph = parse_graph(model_of(case), case, case)
    model = compiler.compile(graph)
    for (x,) in samples(graph, seed=1, count=1):
        (received,) = model.run((x,))
        np.testing.assert_array_equal(received, slow.convolve(graph.ops[0], graph, x))


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_geometry(data: st.DataObject, compiler: HostCompiler) -> None:
    small = st.integers(1, 6)
    groups = data.draw(st.sampled_from([1, 1, 2, 3]))
    depth, channels = (groups * data.draw(st.integers(1, 5)) for _ in range(2))
    kernel = (data.draw(small), data.draw(small))
    dilation = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)))
    padding = data.draw(st.sampled_from(["SAME", "VALID"]))
    reach = [(taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True)]
    least = [1, 1] if padding == "SAME" else reach
    sizes = [data.draw(st.integers(low, low + 7)) for low in least]
    zero_points = st.integers(-128, 127)
    model = one_op.single(
        one_op.conv_2d,
        (1, *sizes, depth),
        (data.draw(st.floats(0.001, 0.5)), data.draw(zero_points)),
        seed=data.draw(st.integers(0, 1000)),
        channels=channels,
        kernel=kernel,
        stride=(data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))),
        dilation=dilation,
        padding=padding,
        groups=groups,
        per_channel=data.draw(st.booleans()),
        bias=data.draw(st.sampled_from([0, 100_000])),
        activation=data.draw(st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])),
        output=(data.draw(st.floats(0.01, 2.0)), data.draw(zero_points)),
    )
    assert_exact(model, compiler)


def test_steps_lie_where_the_reference_has_them(compiler: HostCompiler) -> None:
    """Biases beside the accumulators at which the result changes, for factors of about 2**-22."""
    rng = np.random.default_rng(3)
    for _ in range(4):
        scales = rng.uniform(0.5e-4, 2e-4, size=3).astype(np.float32).tolist()
        real = scales[0] * scales[1] / (scales[2] * 300)
        steps = np.round((rng.integers(-40, 40, size=12) + 0.5) / real)
        bias = (steps[:, np.newaxis] + np.arange(-24, 25)).ravel().astype(np.int64)
        model = one_op.single(
            one_op.conv_2d,
            (1, 1, 1, 1),
            (scales[0], 0),
            channels=len(bias),
            kernel=(1, 1),
            per_channel=False,
            bias=bias.tolist(),
            filter_scale=scales[1],
            filter_limits=(1, 1),
            output=(scales[2] * 300, 0),
        )
        assert_exact(model, compiler, inputs=[(np.zeros((1, 1, 1, 1), dtype=np.int8),)])


def test_activation_without_clamp_is_refused() -> None:
    model = one_op.single(one_op.conv_2d, (1, 4, 4, 2), (0.1, 0), channels=2, activation="TANH")
    with pytest.raises(UnsupportedModelError, match=r"CONV_2D 'conv_2d_0': fused .*: TANH"):
        parse_graph(model, "m", "m")


def test_overflowing_accumulator_is_refused(compiler: HostCompiler) -> None:
    model = one_op.single(one_op.conv_2d, (1, 4, 4, 2), (0.1, 0), channels=2, bias=[0, 2**31 - 1])
    with pytest.raises(UnsupportedModelError, match=r"accumulator of channel 1 must stay below"):
        compiler.compile(parse_graph(model, "m", "m"))
