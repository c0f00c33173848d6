"""QUANTIZE: generated code against BUILTIN_REF, on every value of the input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ops.table import kernel_call
from pipeline.plan.graph import parse_graph
from pipeline.records import KernelTarget
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane
from tests.tflite_models import ModelBuilder

# id: (input type and quantization, output type and quantization).
CASES: dict[str, tuple[tuple[str, one_op.Quant], tuple[str, one_op.Quant]]] = {
    "u8_to_s8": (("uint8", (0.1, 128)), ("int8", (0.1, 0))),
    "s8_to_u8": (("int8", (0.1, 0)), ("uint8", (0.1, 128))),
    "u8_to_s8_low": (("uint8", (1 / 255, 0)), ("int8", (1 / 255, -128))),
    "u8_to_s8_rescale": (("uint8", (0.1, 77)), ("int8", (0.13, -9))),
    "s8_to_u8_rescale": (("int8", (0.1, 77)), ("uint8", (0.03, 200))),
    "s8_to_s8": (("int8", (0.1, 77)), ("int8", (0.13, -9))),
    "s8_to_s8_same": (("int8", (0.1, 5)), ("int8", (0.1, 5))),
    "u8_to_u8": (("uint8", (0.1, 77)), ("uint8", (0.13, 3))),
    "up_2": (("int8", (0.5, 3)), ("int8", (0.25, -9))),
    "down_2": (("int8", (0.25, 0)), ("int8", (0.5, 0))),
    "down_4": (("int8", (0.25, 0)), ("int8", (1.0, 0))),
    "up_far": (("int8", (1000.0, 3)), ("int8", (0.001, -9))),
    "down_far": (("int8", (0.001, 3)), ("int8", (1000.0, -9))),
}


def model_of(source: tuple[str, one_op.Quant], target: tuple[str, one_op.Quant]) -> bytes:
    builder = ModelBuilder()
    dtype, (scale, zero_point) = source
    x = builder.tensor("x", (1, 256), dtype=dtype, scale=scale, zero_point=zero_point)
    rng = np.random.default_rng(0)
    y = one_op.quantize(builder, rng, x, dtype=target[0], output=target[1])
    return builder.build([x], [y])


def every_value(dtype: str) -> np.ndarray:
    return np.arange(256, dtype=np.uint8).view(dtype).reshape(1, 256)


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case: str, compiler: HostCompiler) -> None:
    source, target = CASES[case]
    assert_exact(model_of(source, target), compiler, inputs=[(every_value(source[0]),)])


@pytest.mark.parametrize("case", ["u8_to_s8", "s8_to_u8_rescale"])
def test_stays_in_its_tensors(case: str, compiler: HostCompiler) -> None:
    assert_sane(model_of(*CASES[case]), compiler)


@pytest.mark.parametrize(
    ("case", "kernel"), [("u8_to_s8", "flip_sign_8"), ("s8_to_s8", "lookup_8")]
)
def test_kernel(case: str, kernel: str) -> None:
    graph = parse_graph(model_of(*CASES[case]), "m", "m")
    call = kernel_call(graph.ops[0], graph, KernelTarget.PORTABLE)
    assert call is not None
    assert call.function == kernel


def _ends(draw: st.DrawFn) -> tuple[str, one_op.Quant]:
    dtype = draw(st.sampled_from(["int8", "uint8"]))
    info = np.iinfo(dtype)
    scale = draw(st.floats(1e-3, 1.0))
    return dtype, (scale, draw(st.integers(int(info.min), int(info.max))))


@settings(deadline=None, max_examples=25)
@given(source=st.composite(_ends)(), target=st.composite(_ends)())
def test_any_quantization(
    source: tuple[str, one_op.Quant], target: tuple[str, one_op.Quant], compiler: HostCompiler
) -> None:
    assert_exact(model_of(source, target), compiler, inputs=[(every_value(source[0]),)])
