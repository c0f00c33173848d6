"""read_graph: what it reads, and that nothing but a PipelineError comes out of a bad file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError, PipelineError, UnsupportedModelError
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import parse_graph, read_graph
from pipeline.records import KernelTarget, OpKind
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane, samples
from tests.small_models import SMALL_MODELS, image, residual_network
from tests.tflite_models import ModelBuilder

small_models = pytest.mark.parametrize("build", SMALL_MODELS.values(), ids=SMALL_MODELS)


def refusal(data: bytes) -> str:
    with pytest.raises(UnsupportedModelError) as caught:
        make_plan(parse_graph(data, "model", "model.tflite"), KernelTarget.PORTABLE)
    return str(caught.value)


@small_models
def test_small_models_are_exact(build: Callable[[], bytes], compiler: HostCompiler) -> None:
    assert_exact(build(), compiler)
    assert_sane(build(), compiler)


def test_graph_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "person.tflite"
    path.write_bytes(residual_network())
    graph = read_graph(path)
    assert graph.name == "person"
    assert graph.tflite_bytes == path.stat().st_size
    assert [op.kind for op in graph.ops] == [
        OpKind.PAD,
        OpKind.CONV_2D,
        OpKind.DEPTHWISE_CONV_2D,
        OpKind.CONV_2D,
        OpKind.ADD,
        OpKind.MEAN,
        OpKind.FULLY_CONNECTED,
        OpKind.SOFTMAX,
    ]
    assert [graph.tensors[i].name for i in graph.inputs] == ["image"]
    for tensor in graph.tensors:
        assert tensor.constant is None or not tensor.constant.flags.writeable


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the model .*none.tflite"):
        read_graph(tmp_path / "none.tflite")


@pytest.mark.parametrize("data", [b"", b"TFL3", b"PK\x03\x04" + bytes(100)], ids=str)
def test_another_kind_of_file(data: bytes) -> None:
    message = refusal(data)
    assert "'model.tflite' is not a TensorFlow Lite model" in message
    assert "Received:" in message


def test_float_model() -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), dtype="float32")
    y = builder.tensor("scores", (1, 4), dtype="float32")
    builder.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=1.0)
    message = refusal(builder.build([x], [y]))
    assert "float tensors at SOFTMAX 'scores'" in message
    assert "Quantize to full int8" in message


def test_dynamic_range_model() -> None:
    """int8 weights between float activations."""
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), dtype="float32")
    weights = builder.constant("weights", np.ones((2, 4)), scale=0.1)
    y = builder.tensor("dense", (1, 2), dtype="float32")
    builder.operator("FULLY_CONNECTED", [x, weights, -1], [y], "FullyConnectedOptions")
    assert "float tensors at FULLY_CONNECTED 'dense'" in refusal(builder.build([x], [y]))


def test_float_operators_between_floats_are_refused() -> None:
    """A part of the model that was not quantized: its edges are no edges of the model."""
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = builder.tensor("x", (1, 4), scale=0.1)
    real = one_op.dequantize(builder, rng, x)
    y = builder.tensor("scores", (1, 4), dtype="float32")
    builder.operator("SOFTMAX", [real], [y], "SoftmaxOptions", beta=1.0)
    assert "Received: float tensors at SOFTMAX 'scores'. Q" in refusal(builder.build([x], [y]))


@pytest.mark.parametrize("dtype", ["bool", "int16"])
def test_types_of_inputs(dtype: str) -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), dtype=dtype, scale=0.1)
    y = builder.tensor("y", (1, 2, 2), dtype=dtype, scale=0.1)
    builder.operator("EXPAND_DIMS", [x], [y])
    assert f"'x' must be int8, uint8 or float32. Received: {dtype}" in refusal(
        builder.build([x], [y])
    )


def test_unsupported_operators_are_all_named() -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), scale=0.1)
    y = builder.tensor("y", (1, 4), scale=0.1)
    z = builder.tensor("z", (1, 4), scale=0.1)
    builder.operator("ELU", [x], [y])
    builder.operator("CUMSUM", [y], [z])
    message = refusal(builder.build([x], [z]))
    assert "Received: CUMSUM, ELU." in message
    assert "CONV_2D" in message


def test_custom_operator_is_named() -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), scale=0.1)
    y = builder.tensor("y", (1, 4), scale=0.1)
    builder.operator("CUSTOM", [x], [y])
    builder.model.operatorCodes[0].customCode = b"TFLite_Detection_PostProcess"
    assert "custom operator TFLite_Detection_PostProcess" in refusal(builder.build([x], [y]))


def test_several_subgraphs() -> None:
    builder = ModelBuilder()
    x = image(builder)
    y = one_op.conv_2d(builder, np.random.default_rng(0), x, channels=2)
    builder.model.subgraphs.append(builder.subgraph)
    assert "must have one subgraph. Received: 2" in refusal(builder.build([x], [y]))


def test_batch_above_one() -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (2, 4, 4, 1), scale=0.1)
    y = builder.tensor("y", (2, 2, 2, 1), scale=0.1)
    options = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
    builder.operator("MAX_POOL_2D", [x], [y], "Pool2DOptions", padding=1, **options)
    assert "tensor 'x' must have batch 1. Received: (2, 4, 4, 1)" in refusal(
        builder.build([x], [y])
    )


def chain(**changes: object) -> bytes:
    """A dense layer whose input tensor is changed."""
    builder = ModelBuilder()
    options: dict[str, object] = {"scale": 0.1, **changes}
    x = builder.tensor("x", options.pop("shape", (1, 4)), **options)  # type: ignore[arg-type]
    y = builder.tensor("y", (1, 2), scale=0.1)
    weights = builder.constant("weights", np.ones((2, 4)), scale=0.1)
    builder.operator("FULLY_CONNECTED", [x, weights, -1], [y], "FullyConnectedOptions")
    return builder.build([x], [y])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": None}, "tensor 'x' must have one scale. Received: none"),
        ({"scale": 0.0}, "tensor 'x': scales must be finite and positive"),
        ({"scale": -0.1}, "tensor 'x': scales must be finite and positive"),
        ({"scale": float("inf")}, "tensor 'x': scales must be finite and positive"),
        ({"scale": float("nan")}, "tensor 'x': scales must be finite and positive"),
        ({"scale": [0.1, 0.2]}, "tensor 'x' must have one scale. Received: 2"),
        ({"zero_point": 128}, "tensor 'x': zero points of int8 must be in -128 .. 127"),
        ({"zero_point": -129}, "tensor 'x': zero points of int8 must be in -128 .. 127"),
        ({"dtype": "int16"}, "tensor 'x' must be int8. Received: int16"),
        ({"dtype": "int4"}, "tensor 'x' must be int8. Received: int4"),
        ({"shape": (1, -1)}, "tensor 'x': the shape must be known"),
        ({"shape": (1, 0)}, "tensor 'x' must not be empty"),
        ({"shape": (1, 3)}, "the filter must be [output length, input length]"),
        ({"shape": (1, 4, 1 << 30)}, "must have fewer than 2**28 elements"),
        ({"shape": (1 << 16,) * 4 + (4,)}, "must have fewer than 2**28 elements"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_broken_tensor_is_named(changes: dict[str, object], message: str) -> None:
    assert message in refusal(chain(**changes))


def test_layer_beyond_the_kernels_numbers_is_refused() -> None:
    model = one_op.single(
        one_op.pool_2d, (1, 70000, 1, 1), (0.1, 0), kind="MAX_POOL_2D", kernel=(1, 1), stride=(1, 1)
    )
    assert "input_h must be in 0 .. 65535 for engine aot. Received: 70000" in refusal(model)


@pytest.mark.parametrize("output_scale", [1e-45, 1e-38, 1.0, 3e38])
@pytest.mark.parametrize("input_scale", [1e-45, 1e-38, 1.0, 3e38])
@pytest.mark.parametrize("activation", ["NONE", "RELU6"])
def test_extreme_scales_plan_or_are_refused(
    activation: str, input_scale: float, output_scale: float
) -> None:
    output = {"output": (output_scale, 0)}
    relu = {"activation": activation, **output}
    for add, shape, options in (
        (one_op.conv_2d, (1, 2, 2, 1), {"channels": 2, **relu}),
        (one_op.depthwise_conv_2d, (1, 2, 2, 2), relu),
        (one_op.fully_connected, (1, 4), {"outputs": 2, **relu}),
        (one_op.add, (1, 4), relu),
        (one_op.mean, (1, 2, 2, 2), output),
        (one_op.quantize, (1, 4), output),
        *((one_op.function, (1, 4), {"kind": kind, **output}) for kind in ("RELU6", "HARD_SWISH")),
        (one_op.function, (1, 4), {"kind": "LEAKY_RELU", "alpha": 0.1, **output}),
        *((one_op.function, (1, 4), {"kind": kind}) for kind in ("LOGISTIC", "TANH")),
        (one_op.softmax, (1, 4), {}),
    ):
        _plans_or_is_refused(one_op.single(add, shape, (input_scale, 0), **options))


def test_constant_output_is_refused() -> None:
    builder = ModelBuilder()
    x = image(builder)
    y = one_op.conv_2d(builder, np.random.default_rng(0), x, channels=2)
    constant = builder.constant("c", [1, 2], scale=0.1)
    assert "output 'c' must be computed" in refusal(builder.build([x], [y, constant]))


def test_model_without_operators_is_refused() -> None:
    builder = ModelBuilder()
    x = image(builder)
    assert "must compute something" in refusal(builder.build([x], [x]))


@pytest.mark.parametrize(
    ("inputs", "outputs"), [([-1], [1]), ([0], [-1]), ([99], [1]), ([0], [99]), ([0, 0], [1])]
)
def test_indices_of_inputs_and_outputs(inputs: list[int], outputs: list[int]) -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), scale=0.1)
    y = builder.tensor("y", (1, 4), scale=1 / 256, zero_point=-128)
    builder.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=1.0)
    assert "truncated or damaged" in refusal(builder.build(inputs, outputs))


@pytest.mark.parametrize(("inputs", "outputs"), [([-5], [1]), ([0], [-1]), ([7], [1]), ([0], [0])])
def test_indices_of_operators(inputs: list[int], outputs: list[int]) -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), scale=0.1)
    y = builder.tensor("y", (1, 4), scale=1 / 256, zero_point=-128)
    builder.operator("SOFTMAX", inputs, outputs, "SoftmaxOptions", beta=1.0)
    assert "truncated or damaged" in refusal(builder.build([x], [y]))


def test_reshape_of_a_constant_is_folded(compiler: HostCompiler) -> None:
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = builder.tensor("x", (1, 2, 3), scale=0.1)
    operand = builder.constant("operand", [1, 2, 3, 4, 5, 6], scale=0.1)
    other = one_op.reshape(builder, rng, operand, target=(1, 2, 3))
    y = one_op.add(builder, rng, x, other=other)
    graph = assert_exact(builder.build([x], [y]), compiler)
    assert [op.kind for op in graph.ops] == [OpKind.ADD]


@small_models
def test_truncated_file(build: Callable[[], bytes]) -> None:
    data = build()
    for length in range(0, len(data), max(1, len(data) // 150)):
        _plans_or_is_refused(data[:length])


@small_models
def test_flipped_bytes(build: Callable[[], bytes]) -> None:
    data = build()
    rng = np.random.default_rng(0)
    outcomes = {True: 0, False: 0}
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(int(rng.integers(1, 6))):
            damaged[int(rng.integers(8, len(data)))] = int(rng.integers(256))
        outcomes[_plans_or_is_refused(bytes(damaged))] += 1
    # Both kinds have to occur, else the test tries nothing.
    assert min(outcomes.values()) > 20


@small_models
def test_damaged_words(build: Callable[[], bytes]) -> None:
    """Offsets, lengths and dimensions replaced by numbers that lead astray."""
    data = build()
    rng = np.random.default_rng(1)
    numbers = (0, 1, 2, 7, 65536, len(data), len(data) - 4, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
    for _ in range(400):
        damaged = bytearray(data)
        at = int(rng.integers(2, len(data) // 4)) * 4
        damaged[at : at + 4] = int(rng.choice(numbers)).to_bytes(4, "little")
        _plans_or_is_refused(bytes(damaged))


def _plans_or_is_refused(data: bytes) -> bool:
    """Whether the file still plans; anything but a PipelineError fails the test."""
    problem = ""
    try:
        plan = make_plan(parse_graph(data, "model", "model.tflite"), KernelTarget.PORTABLE)
    except PipelineError as error:
        problem = str(error)
    if problem:
        assert "Received" in problem
        return False
    assert plan.arena_bytes >= plan.lower_bound_bytes > 0
    return True


@pytest.mark.slow
@small_models
def test_damaged_files_that_plan_stay_in_their_tensors(
    build: Callable[[], bytes], compiler: HostCompiler
) -> None:
    """What passes the checks may compute anything, but touches no memory outside its tensors."""
    data = build()
    rng = np.random.default_rng(2)
    run: set[str] = set()
    while len(run) < 12:
        damaged = bytearray(data)
        at = int(rng.integers(2, len(data) // 4)) * 4
        damaged[at] = int(rng.integers(256))
        if not _plans_or_is_refused(bytes(damaged)):
            continue
        graph = parse_graph(bytes(damaged), "model", "model.tflite")
        # Another name or weight is no other geometry: each plan's calls are run once.
        shape = repr((graph.ops, graph.inputs, graph.outputs, [t.quant for t in graph.tensors]))
        if shape not in run:
            run.add(shape)
            compiler.sanitize(graph).run(list(samples(graph, count=1)))
