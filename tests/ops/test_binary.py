"""MUL, SUB, MAXIMUM, MINIMUM and PRELU: generated code against BUILTIN_REF."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.ops import add, extremes, mul, prelu
from pipeline.ops.table import kernel_call
from pipeline.plan.graph import parse_graph
from pipeline.records import KernelTarget
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import ReferenceTensors, assert_exact, assert_sane
from tests.tflite_models import ModelBuilder

EVALUATE = {
    "MAXIMUM": extremes.evaluate,
    "MINIMUM": extremes.evaluate,
    "MUL": mul.evaluate,
    "PRELU": prelu.evaluate,
    "SUB": add.evaluate,
}
SAME_QUANT = ("MAXIMUM", "MINIMUM")
QUANTS: tuple[one_op.Quant, one_op.Quant, one_op.Quant] = ((0.05, -10), (0.07, 4), (0.1, -3))

# id: shapes of the operands. PRELU's first has the output's shape.
SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "plain": ((1, 5, 5, 3), (1, 5, 5, 3)),
    "rank_5": ((1, 2, 3, 2, 2), (1, 2, 3, 2, 2)),
    "over_channels": ((1, 4, 5, 6), (6,)),
    "gate": ((1, 4, 5, 6), (1, 1, 1, 6)),
    "over_pixels": ((1, 4, 5, 6), (1, 4, 5, 1)),
    "over_columns": ((1, 4, 5, 6), (1, 1, 5, 6)),
    "of_one_value": ((1, 4, 5, 6), (1,)),
    "rank_3_and_2": ((2, 3, 4), (3, 4)),
}


def model_of(
    kind: str,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    quants: tuple[one_op.Quant, ...] = QUANTS,
    **options: Any,
) -> bytes:
    if kind in SAME_QUANT:
        quants = (quants[0],) * 3
    builder = ModelBuilder()
    x, other = (
        builder.tensor(f"input_{place}", shape, scale=quant[0], zero_point=quant[1])
        for place, (shape, quant) in enumerate(zip(shapes, quants[:2], strict=True))
    )
    rng = np.random.default_rng(0)
    y = one_op.binary(builder, rng, x, kind=kind, other=other, output=quants[2], **options)
    return builder.build([x, other], [y])


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("kind", EVALUATE)
def test_equals_reference(kind: str, shapes: str, compiler: HostCompiler) -> None:
    assert_exact(model_of(kind, SHAPES[shapes]), compiler)


@pytest.mark.parametrize("kind", [kind for kind in EVALUATE if kind != "PRELU"])
def test_operands_in_the_other_order_and_both_broadcast(kind: str, compiler: HostCompiler) -> None:
    assert_exact(model_of(kind, ((1, 4, 5, 6), (1, 1, 1, 6)), swap=True), compiler)
    assert_exact(model_of(kind, ((1, 4, 1, 6), (1, 1, 5, 1))), compiler)


@pytest.mark.parametrize("kind", EVALUATE)
def test_stays_in_its_tensors(kind: str, compiler: HostCompiler) -> None:
    assert_sane(model_of(kind, SHAPES["gate"]), compiler)


@pytest.mark.parametrize("shape", [(1, 4, 5, 6), (6,), (1, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("kind", EVALUATE)
def test_constant_operand(kind: str, shape: tuple[int, ...], compiler: HostCompiler) -> None:
    quant = (0.05, -10)
    options: dict[str, Any] = {"other_quant": quant, "output": quant}
    model = one_op.single(
        one_op.binary, (1, 4, 5, 6), quant, kind=kind, constant_shape=shape, **options
    )
    assert_exact(model, compiler)


@pytest.mark.parametrize(
    ("shapes", "swap", "function"),
    [
        (((1, 4, 5, 6), (1, 4, 5, 6)), False, "mul_dsp_s8"),
        (((1, 4, 5, 6), (1, 1, 1, 6)), False, "mul_dsp_s8"),
        (((1, 4, 5, 6), (1, 1, 1, 6)), True, "mul_dsp_s8"),
        (((1, 4, 5, 6), (1, 1, 5, 6)), False, "mul_s8"),
        (((1, 4, 5, 6), (1, 1, 1, 1)), False, "mul_s8"),
    ],
    ids=str,
)
def test_products_of_one_shape_or_with_a_gate_have_a_kernel_of_their_own(
    shapes: Any, swap: bool, function: str, compiler: HostCompiler
) -> None:
    quants = ((0.05, -10), (1 / 256, -128), (0.03, 5))
    graph = assert_exact(model_of("MUL", shapes, quants, swap=swap), compiler)
    call = kernel_call(graph.ops[0], graph, KernelTarget.DSP)
    assert call is not None
    assert call.function == function


@pytest.mark.parametrize("activation", ["RELU", "RELU6", "RELU_N1_TO_1"])
@pytest.mark.parametrize("kind", ["MUL", "SUB"])
def test_activation(kind: str, activation: str, compiler: HostCompiler) -> None:
    assert_exact(model_of(kind, SHAPES["plain"], activation=activation), compiler)


# Fractions of small numbers, too: their quotients make ties that show how factors are rounded.
SCALES = st.one_of(
    st.floats(-3, 0).map(lambda power: 10**power),
    st.tuples(st.integers(1, 30), st.integers(10, 300)).map(lambda pair: pair[0] / pair[1]),
)


@settings(deadline=None, max_examples=40)
@given(
    kind=st.sampled_from(sorted(EVALUATE)),
    quants=st.tuples(*(st.tuples(SCALES, st.integers(-128, 127)),) * 3),
)
def test_every_pair_of_values(kind: str, quants: tuple[one_op.Quant, ...]) -> None:
    """What interval arithmetic computes with is what the reference computes."""
    tflite = model_of(kind, ((1, 65536), (1, 65536)), quants)
    graph = parse_graph(tflite, "m", "m")
    values = np.arange(-128, 128)
    a, b = np.repeat(values, 256), np.tile(values, 256)
    reference = ReferenceTensors(tflite)
    reference.run(graph, [a.astype(np.int8), b.astype(np.int8)])
    expected = reference.read(graph.outputs[0]).ravel()
    np.testing.assert_array_equal(EVALUATE[kind](graph.ops[0], graph, a, b), expected)


@settings(deadline=None, max_examples=20)
@given(
    kind=st.sampled_from(sorted(EVALUATE)),
    quants=st.tuples(*(st.tuples(SCALES, st.integers(-128, 127)),) * 3),
    shapes=st.sampled_from(sorted(SHAPES)),
)
def test_any_scale(
    kind: str, quants: tuple[one_op.Quant, ...], shapes: str, compiler: HostCompiler
) -> None:
    assert_exact(model_of(kind, SHAPES[shapes], quants), compiler)


@pytest.mark.parametrize("kind", ["MUL", "SUB", "PRELU"])
def test_absurd_scales_are_refused(kind: str, compiler: HostCompiler) -> None:
    quants = ((1e3, 0), (1e3, 0), (1e-5, 0))
    graph = parse_graph(model_of(kind, SHAPES["plain"], quants), "m", "m")
    with pytest.raises(UnsupportedModelError, match=rf"{kind} .*: scaled results must stay below"):
        compiler.compile(graph)


def test_refusals() -> None:
    with pytest.raises(UnsupportedModelError, match="MUL .*: broadcasting takes up to 4 dim"):
        parse_graph(model_of("MUL", ((1, 2, 2, 2, 2), (2,))), "m", "m")
    with pytest.raises(UnsupportedModelError, match="PRELU .*: input and output must have the s"):
        parse_graph(model_of("PRELU", ((1, 1), (1, 6))), "m", "m")
    other = one_op.single(
        one_op.binary, (1, 4), (0.1, 0), kind="MAXIMUM", other_quant=(0.2, 0), constant_shape=(1,)
    )
    with pytest.raises(UnsupportedModelError, match="MAXIMUM .*: input and output must have the"):
        parse_graph(other, "m", "m")
    with pytest.raises(UnsupportedModelError, match="MUL .*: fused activation must be"):
        parse_graph(model_of("MUL", SHAPES["plain"], activation="TANH"), "m", "m")
