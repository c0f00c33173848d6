"""FULLY_CONNECTED: generated code against BUILTIN_REF and against plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import steps
from pipeline.errors import UnsupportedModelError
from pipeline.ops import fully_connected
from pipeline.ops.dsp import fully_connected as dsp_fully_connected
from pipeline.ops.table import kernel_call
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import parse_graph
from pipeline.records import DeployPlan, KernelTarget
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import ReferenceTensors, assert_exact, assert_sane, samples
from tests.ops import slow
from tests.tflite_models import ModelBuilder

# id: (input shape, input quantization, options of one_op.fully_connected).
CASES: dict[str, tuple[tuple[int, ...], one_op.Quant, dict[str, Any]]] = {
    "plain": ((1, 16), (0.05, -10), {"outputs": 8}),
    "one_to_one": ((1, 1), (0.05, -10), {"outputs": 1}),
    "two_outputs": ((1, 20), (0.05, -10), {"outputs": 2}),
    "three_outputs": ((1, 21), (0.05, -10), {"outputs": 3}),
    "seven_outputs": ((1, 13), (0.05, -10), {"outputs": 7}),
    "wide": ((1, 640), (0.05, -10), {"outputs": 130, "output": (1.0, 7)}),
    # Sums beyond 24 bits, which outputs that share words cannot hold.
    "chunks": ((1, 1201), (0.05, -10), {"outputs": 6, "output": (3.0, 7)}),
    "chunks_per_channel": (
        (2, 1402),
        (0.05, 20),
        {"outputs": 3, "per_channel": True, "filter_limits": (-127, -20), "output": (5.0, 7)},
    ),
    "few_outputs": ((1, 131), (0.05, -10), {"outputs": 3, "output": (1.0, 7)}),
    "rows": ((5, 12), (0.05, 3), {"outputs": 6}),
    "rows_keep_num_dims": ((1, 3, 2, 12), (0.05, 3), {"outputs": 6, "keep_num_dims": True}),
    "flattens": ((1, 2, 3, 4), (0.05, 3), {"outputs": 5, "inputs": 24}),
    "splits_an_axis_in_rows": ((1, 2, 12), (0.05, 3), {"outputs": 5, "inputs": 6}),
    "per_channel": ((1, 16), (0.05, 3), {"outputs": 9, "per_channel": True}),
    "per_channel_rows": ((3, 16), (0.05, 3), {"outputs": 9, "per_channel": True}),
    # A channel whose steps no rounding of its own multiplier tells apart.
    "another_multiplier": (
        (1, 64),
        (0.05, 3),
        {"outputs": 40, "per_channel": True, "output": (1.0, 7), "seed": 20},
    ),
    "no_bias": ((1, 16), (0.05, 3), {"outputs": 9, "bias": None}),
    "large_bias": ((1, 16), (0.05, 3), {"outputs": 9, "bias": 2_000_000}),
    "relu": ((1, 16), (0.05, 3), {"outputs": 9, "activation": "RELU"}),
    "relu6": ((1, 16), (0.05, 3), {"outputs": 9, "activation": "RELU6"}),
    "relu_n1_to_1": ((1, 16), (0.05, 3), {"outputs": 9, "activation": "RELU_N1_TO_1"}),
    "zero_points_low": ((1, 16), (0.05, -128), {"outputs": 9, "output": (0.1, -128)}),
    "zero_points_high": ((1, 16), (0.05, 127), {"outputs": 9, "output": (0.1, 127)}),
    "weights_of_minus_128": ((1, 16), (0.05, 127), {"outputs": 9, "filter_limits": (-128, -128)}),
    "factor_above_1": (
        (1, 8),
        (0.5, 1),
        {"outputs": 9, "filter_scale": 0.9, "output": (0.05, 0), "filter_limits": (-2, 2)},
    ),
    "factor_far_above_1": (
        (1, 8),
        (5.0, 1),
        {"outputs": 9, "filter_scale": 9.0, "output": (0.05, 0), "bias": 3},
    ),
    "tiny_factor": (
        (1, 8),
        (1e-4, 1),
        {"outputs": 9, "filter_scale": 1e-5, "output": (2.0, 0), "bias": 2_000_000_000},
    ),
    "vanishing_factor": (
        (1, 8),
        (1e-7, 1),
        {"outputs": 9, "filter_scale": 1e-7, "output": (2.0, 3), "bias": 2_000_000_000},
    ),
    # No integer form is exact at 7 / 20: the kernel scales in double.
    "double": (
        (3, 8),
        (1.0, 3),
        {"outputs": 9, "filter_scale": 7.0, "output": (20.0, -5), "filter_limits": (-3, 3)},
    ),
    # Every other accumulator is an exact tie.
    "ties": (
        (1, 8),
        (0.5, 0),
        {"outputs": 16, "filter_scale": 0.5, "output": (0.5, 0), "filter_limits": (-3, 3)},
    ),
    "ties_below_zero_point": (
        (1, 8),
        (0.5, 127),
        {"outputs": 16, "filter_scale": 0.25, "output": (0.5, 127), "filter_limits": (0, 3)},
    ),
}


def model_of(case: str) -> bytes:
    shape, quant, options = CASES[case]
    return one_op.single(one_op.fully_connected, shape, quant, **options)


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case: str, compiler: HostCompiler) -> None:
    assert_exact(model_of(case), compiler)


def test_doubles_are_taken_only_where_needed() -> None:
    functions = {}
    for case in CASES:
        graph = parse_graph(model_of(case), case, case)
        functions[case] = fully_connected.call(graph.ops[0], graph).function
    assert functions.pop("double") == "fully_connected_double_s8"
    assert set(functions.values()) == {"fully_connected_s8"}


def test_one_channel_does_not_keep_a_layer_from_the_faster_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = parse_graph(model_of("another_multiplier"), "m", "m")
    call = kernel_call(graph.ops[0], graph, KernelTarget.DSP)
    assert call is not None
    assert call.function == "fully_connected_dsp_s8"
    # What it is about: with the factor's own multiplier there is no exact form.
    monkeypatch.setattr(steps, "_NEIGHBOURS", [])
    assert dsp_fully_connected.call(graph.ops[0], graph) is None


def direct_plan(model: bytes, monkeypatch: pytest.MonkeyPatch) -> DeployPlan:
    """The plan with the kernel that lays no inputs, whatever the shape."""
    monkeypatch.setattr(dsp_fully_connected, "_is_direct", lambda op, graph: True)
    return make_plan(parse_graph(model, "m", "m"), KernelTarget.DSP)


@pytest.mark.parametrize("case", CASES)
def test_the_direct_kernel_equals_reference(
    case: str, compiler: HostCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = direct_plan(model_of(case), monkeypatch)
    model, reference = compiler.load(plan), ReferenceTensors(model_of(case))
    for x in samples(plan.graph):
        reference.run(plan.graph, x)
        (received,) = model.run(x)
        np.testing.assert_array_equal(received, reference.read(plan.graph.outputs[0]))


@pytest.mark.parametrize("case", ["seven_outputs", "few_outputs", "per_channel_rows", "chunks"])
def test_the_direct_kernel_stays_in_its_tensors(
    case: str, compiler: HostCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = direct_plan(model_of(case), monkeypatch)
    inputs = list(samples(plan.graph))
    expected = compiler.load(plan)
    for x, (received,) in zip(inputs, compiler.load_sanitized(plan).run(inputs), strict=True):
        np.testing.assert_array_equal(received, expected.run(x)[0])


def chosen(shapes: Sequence[one_op.Pair], **options: Any) -> list[str]:
    """Kernels of layers of (inputs, outputs) in one model."""
    builder, rng = ModelBuilder(), np.random.default_rng(0)
    inputs, outputs = [], []
    for length, count in shapes:
        x = builder.tensor(f"x{length}_{count}", (1, length), scale=0.05, zero_point=3)
        inputs.append(x)
        outputs.append(one_op.fully_connected(builder, rng, x, outputs=count, **options))
    graph = parse_graph(builder.build(inputs, outputs), "m", "m")
    calls = [kernel_call(op, graph, KernelTarget.DSP) for op in graph.ops]
    return [call.function.removeprefix("fully_connected_") for call in calls if call is not None]


@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel"),
    [
        (3, 1, "dsp_s8"),
        (16, 2, "direct_dsp_s8"),
        (16, 4, "dsp_s8"),
        (256, 4, "direct_dsp_s8"),
        (64, 12, "dsp_s8"),
        (1024, 10, "direct_dsp_s8"),
        (1024, 128, "dsp_s8"),
    ],
)
def test_the_shape_decides_on_the_kernel(inputs: int, outputs: int, kernel: str) -> None:
    assert chosen([(inputs, outputs)], filter_limits=(-9, 9), output=(1.0, 0)) == [kernel]


def test_a_second_kernel_has_to_pay_for_its_flash() -> None:
    assert chosen([(64, 32), (32, 2)]) == ["dsp_s8", "dsp_s8"]
    assert chosen([(256, 2), (32, 2)]) == ["direct_dsp_s8", "direct_dsp_s8"]
    many = chosen([(64, 32), (6400, 2)], filter_limits=(-2, 2), output=(3.0, 0))
    assert many == ["dsp_s8", "direct_dsp_s8"]


def test_only_the_direct_kernel_takes_large_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = direct_plan(model_of("chunks"), monkeypatch).graph
    call = kernel_call(graph.ops[0], graph, KernelTarget.DSP)
    assert call is not None
    fields = {field.name: field.value for field in call.fields}
    assert 0 < fields["chunk"] < 300
    assert chosen([(1400, 32)], filter_limits=(90, 127), output=(9.0, 0)) == ["direct_dsp_s8"]


@pytest.mark.parametrize("case", ["rows", "seven_outputs", "per_channel_rows", "double"])
def test_stays_in_its_tensors(case: str, compiler: HostCompiler) -> None:
    assert_sane(model_of(case), compiler)


@pytest.mark.parametrize("case", CASES)
def test_equals_plain_numpy(case: str, compiler: HostCompiler) -> None:
    graph = parse_graph(model_of(case), case, case)
    model = compiler.compile(graph)
    for x in samples(graph, seed=1, count=2):
        (received,) = model.run(x)
        np.testing.assert_array_equal(received, slow.fully_connect(graph.ops[0], graph, x[0]))


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_shape_and_scale(data: st.DataObject, compiler: HostCompiler) -> None:
    zero_points = st.integers(-128, 127)
    scales = st.one_of(st.floats(1e-3, 1.0), st.sampled_from([2.0**-k for k in range(8)]))
    model = one_op.single(
        one_op.fully_connected,
        (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 40))),
        (data.draw(scales), data.draw(zero_points)),
        seed=data.draw(st.integers(0, 1000)),
        outputs=data.draw(st.integers(1, 20)),
        per_channel=data.draw(st.booleans()),
        filter_scale=data.draw(scales),
        bias=data.draw(st.sampled_from([None, 0, 100_000])),
        activation=data.draw(st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])),
        output=(data.draw(scales), data.draw(zero_points)),
    )
    assert_exact(model, compiler)


def test_steps_lie_where_the_reference_has_them(compiler: HostCompiler) -> None:
    """Biases beside the accumulators at which the result changes: factors of about 2**-16.

    There a product of scales that is rounded to float32 moves one step in ten.
    """
    rng = np.random.default_rng(3)
    for _ in range(4):
        scales = rng.uniform(0.5e-4, 2e-4, size=3).astype(np.float32).tolist()
        real = scales[0] * scales[1] / (scales[2] * 4)
        steps = np.round((rng.integers(-100, 100, size=12) + 0.5) / real)
        bias = (steps[:, np.newaxis] + np.arange(-24, 25)).ravel().astype(np.int64)
        model = one_op.single(
            one_op.fully_connected,
            (1, 1),
            (scales[0], 0),
            outputs=len(bias),
            bias=bias.tolist(),
            filter_scale=scales[1],
            filter_limits=(1, 1),
            output=(scales[2] * 4, 0),
        )
        assert_exact(model, compiler, inputs=[(np.zeros((1, 1), dtype=np.int8),)])


def test_absurd_scales_are_refused(compiler: HostCompiler) -> None:
    model = one_op.single(
        one_op.fully_connected, (1, 9), (1e3, 0), outputs=2, filter_scale=1.0, output=(1e-3, 0)
    )
    with pytest.raises(UnsupportedModelError, match=r"'fully_connected_0': scaled results must"):
        compiler.compile(parse_graph(model, "m", "m"))


def test_shuffled_weights_are_refused() -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), scale=0.1)
    y = one_op.fully_connected(builder, np.random.default_rng(0), x, outputs=2)
    builder.subgraph.operators[0].builtinOptions.weightsFormat = 1
    with pytest.raises(UnsupportedModelError, match="weights format must be DEFAULT"):
        parse_graph(builder.build([x], [y]), "m", "m")
