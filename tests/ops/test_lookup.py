"""Elementwise functions: generated code against BUILTIN_REF, on every value of the input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.ops.lookup import LookupAttrs
from pipeline.plan.graph import parse_graph
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import ReferenceTensors, assert_exact, assert_sane
from tests.tflite_models import ModelBuilder

KINDS = (
    "HARD_SWISH",
    "LEAKY_RELU",
    "LOGISTIC",
    "RELU",
    "RELU6",
    "RELU_0_TO_1",
    "RELU_N1_TO_1",
    "TANH",
)
# id: (kind, quantization of the input, options).
CASES: dict[str, tuple[str, one_op.Quant, dict[str, Any]]] = {
    **{kind.lower(): (kind, (0.05, -10), {}) for kind in KINDS if kind != "LEAKY_RELU"},
    "leaky_relu": ("LEAKY_RELU", (0.05, -10), {"alpha": 0.3}),
    "leaky_relu_of_0": ("LEAKY_RELU", (0.05, 7), {"alpha": 0.0}),
    "leaky_relu_steep": ("LEAKY_RELU", (0.05, 7), {"alpha": 3.5}),
    "logistic_narrow": ("LOGISTIC", (0.001, 0), {}),
    "logistic_wide": ("LOGISTIC", (10.0, 127), {}),
    "tanh_wide": ("TANH", (10.0, -128), {}),
    "relu_rescaled": ("RELU", (0.05, -10), {"output": (0.11, -128)}),
    "relu6_rescaled": ("RELU6", (0.2, 3), {"output": (6 / 255, -128)}),
    "relu_up": ("RELU", (8.0, 3), {"output": (0.01, -100)}),
    "hard_swish_rescaled": ("HARD_SWISH", (0.07, -11), {"output": (0.04, -120)}),
    "hard_swish_small": ("HARD_SWISH", (0.0001, 5), {"output": (0.0001, 5)}),
    "hard_swish_large": ("HARD_SWISH", (3.0, 5), {"output": (1.0, 0)}),
}


def model_of(kind: str, quant: one_op.Quant, options: dict[str, Any]) -> bytes:
    return one_op.single(one_op.function, (1, 4, 16, 4), quant, kind=kind, **options)


def every_value() -> np.ndarray:
    return np.arange(256, dtype=np.uint8).view(np.int8).reshape(1, 4, 16, 4)


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case: str, compiler: HostCompiler) -> None:
    assert_exact(model_of(*CASES[case]), compiler, inputs=[(every_value(),)])


def test_stays_in_its_tensors(compiler: HostCompiler) -> None:
    assert_sane(model_of(*CASES["tanh"]), compiler)


def table_and_reference(tflite: bytes) -> tuple[list[int], list[int]]:
    graph = parse_graph(tflite, "m", "m")
    reference = ReferenceTensors(tflite)
    reference.run(graph, [np.arange(-128, 128).astype(np.int8)])
    attrs = graph.ops[0].attrs
    assert isinstance(attrs, LookupAttrs)
    return list(attrs.table), reference.read(graph.outputs[0]).ravel().tolist()


# Fractions of small numbers, too: their quotients make ties that show how factors are rounded.
SCALES = st.one_of(
    st.floats(-3, 0.5).map(lambda power: 10**power),
    st.tuples(st.integers(1, 30), st.integers(10, 300)).map(lambda pair: pair[0] / pair[1]),
)
QUANTS = st.tuples(SCALES, st.integers(-128, 127))


@settings(deadline=None, max_examples=100)
@given(kind=st.sampled_from(KINDS), quant=QUANTS, output=QUANTS, alpha=st.floats(0, 1.5, width=32))
def test_any_quantization(
    kind: str, quant: one_op.Quant, output: one_op.Quant, alpha: float
) -> None:
    options: dict[str, Any] = {"alpha": alpha} if kind == "LEAKY_RELU" else {}
    if kind not in one_op.FUNCTION_QUANTS:
        options["output"] = output
    ratio = quant[0] / output[0]
    if kind == "HARD_SWISH" and not 1 / 500 < ratio < 127:
        return
    table, expected = table_and_reference(model_of(kind, quant, options))
    assert table == expected


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("LOGISTIC", {"output": (1 / 255, -128)}, "scale 1/256 and zero point -128"),
        ("TANH", {"output": (1 / 128, 1)}, "scale 1/128 and zero point 0"),
        ("LEAKY_RELU", {"alpha": -0.1}, "alpha must be finite and not negative. Received: -0.1"),
        ("LEAKY_RELU", {"alpha": float("nan")}, "alpha must be finite and not negative"),
        ("HARD_SWISH", {"output": (100.0, 0)}, "from 1/512 to 128 of the output's"),
        ("RELU", {"output": (1e-12, 0)}, "scaled results must stay below"),
    ],
)
def test_refusals(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        parse_graph(model_of(kind, (0.05, 0), options), "m", "m")


def test_other_shape_is_refused() -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), scale=0.1)
    y = builder.tensor("y", (1, 5), scale=0.1)
    builder.operator("RELU", [x], [y])
    with pytest.raises(UnsupportedModelError, match="must have the same shape"):
        parse_graph(builder.build([x], [y]), "m", "m")
