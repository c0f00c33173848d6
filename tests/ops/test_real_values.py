"""QUANTIZE of floats and DEQUANTIZE, the edges of a model: generated code against BUILTIN_REF."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.plan.graph import parse_graph
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane
from tests.tflite_models import ModelBuilder

CASES: dict[str, tuple[str, one_op.Quant]] = {
    "int8": ("int8", (0.1, -7)),
    "int8_fine": ("int8", (1e-4, 0)),
    "int8_powers": ("int8", (0.25, 3)),
    "uint8": ("uint8", (0.1, 130)),
    "uint8_low": ("uint8", (1 / 255, 0)),
}


def quantizing(dtype: str, quant: one_op.Quant, shape: tuple[int, ...]) -> bytes:
    builder = ModelBuilder()
    x = builder.tensor("x", shape, dtype="float32")
    y = one_op.quantize(builder, np.random.default_rng(0), x, dtype=dtype, output=quant)
    return builder.build([x], [y])


def dequantizing(dtype: str, quant: one_op.Quant) -> bytes:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 256), dtype=dtype, scale=quant[0], zero_point=quant[1])
    return builder.build([x], [one_op.dequantize(builder, np.random.default_rng(0), x)])


def around_ties(scale: float) -> np.ndarray:
    """Values on, just below and just above each tie, and values far beyond them."""
    ties = (np.arange(-300, 300) + 0.5).astype(np.float32) * np.float32(scale)
    beside = [np.nextafter(ties, np.float32(end)) for end in (-np.inf, np.inf)]
    far = np.array([0.0, -0.0, 1e-40, -1e-40, 1e5, -1e5], np.float32) * np.float32(scale)
    small = np.array([0.49999997, -0.49999997, 8388609, -8388609], np.float32) * np.float32(scale)
    return np.concatenate([ties, *beside, far, small])


@pytest.mark.parametrize("case", CASES)
def test_quantize(case: str, compiler: HostCompiler) -> None:
    dtype, quant = CASES[case]
    values = around_ties(quant[0])
    model = quantizing(dtype, quant, (1, len(values)))
    assert_exact(model, compiler, inputs=[(values.reshape(1, -1),)])


@pytest.mark.parametrize("case", CASES)
def test_dequantize(case: str, compiler: HostCompiler) -> None:
    dtype, quant = CASES[case]
    values = np.arange(256, dtype=np.uint8).view(dtype).reshape(1, 256)
    assert_exact(dequantizing(dtype, quant), compiler, inputs=[(values,)])


@settings(deadline=None, max_examples=20)
@given(
    dtype=st.sampled_from(["int8", "uint8"]),
    power=st.floats(-6, 3),
    place=st.integers(0, 255),
)
def test_any_quantization(dtype: str, power: float, place: int, compiler: HostCompiler) -> None:
    quant = 10**power, place + int(np.iinfo(dtype).min)
    values = around_ties(quant[0])
    model = quantizing(dtype, quant, (1, len(values)))
    assert_exact(model, compiler, inputs=[(values.reshape(1, -1),)])
    every = np.arange(256, dtype=np.uint8).view(dtype).reshape(1, 256)
    assert_exact(dequantizing(dtype, quant), compiler, inputs=[(every,)])


def test_what_no_type_holds_saturates(compiler: HostCompiler) -> None:
    """The reference leaves this open: a float beyond int32 is no integer in C."""
    graph = parse_graph(quantizing("int8", (0.1, 5), (1, 5)), "m", "m")
    x = np.array([[1e30, -1e30, np.inf, -np.inf, np.nan]], np.float32)
    (y,) = compiler.compile(graph).run([x])
    assert y.tolist() == [[127, -128, 127, -128, -128]]


def test_a_model_between_floats(compiler: HostCompiler) -> None:
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = builder.tensor("x", (1, 5, 4, 3), dtype="float32")
    centred = one_op.quantize(builder, rng, x, output=(0.2, 10))
    y = one_op.conv_2d(builder, rng, centred, channels=2)
    model = builder.build([x], [one_op.dequantize(builder, rng, y), y])
    assert_exact(model, compiler)
    assert_sane(model, compiler)


def test_refusals() -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), dtype="int16", scale=0.1)
    y = one_op.dequantize(builder, np.random.default_rng(0), x)
    with pytest.raises(UnsupportedModelError, match="'x' must be int8 or uint8. Received: int16"):
        parse_graph(builder.build([x], [y]), "m", "m")
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), scale=0.1)
    y = builder.tensor("y", (2, 2), dtype="float32")
    builder.operator("DEQUANTIZE", [x], [y], "DequantizeOptions")
    with pytest.raises(UnsupportedModelError, match="input and output must have the same shape"):
        parse_graph(builder.build([x], [y]), "m", "m")
