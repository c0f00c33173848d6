"""ADD: generated code against BUILTIN_REF."""

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
from tests.exact import assert_exact, assert_sane
from tests.tflite_models import ModelBuilder

# id: (shapes of the operands, their quantizations, options of one_op.add).
CASES: dict[str, tuple[tuple[tuple[int, ...], ...], tuple[one_op.Quant, ...], dict[str, Any]]] = {
    "plain": (((1, 5, 5, 3), (1, 5, 5, 3)), ((0.05, -10), (0.07, 4)), {}),
    "same_scales": (((1, 31), (1, 31)), ((0.1, 0), (0.1, 0)), {"output": (0.1, 0)}),
    "vector": (((1, 1), (1, 1)), ((0.05, -10), (0.07, 4)), {}),
    "rank_5": (((1, 2, 3, 2, 2), (1, 2, 3, 2, 2)), ((0.05, -10), (0.07, 4)), {}),
    "over_channels": (((1, 4, 5, 6), (6,)), ((0.05, -10), (0.07, 4)), {}),
    "over_channels_swapped": (((1, 4, 5, 6), (6,)), ((0.05, -10), (0.07, 4)), {"swap": True}),
    "over_pixels": (((1, 4, 5, 6), (1, 4, 5, 1)), ((0.05, -10), (0.07, 4)), {}),
    "over_rows": (((1, 4, 5, 6), (1, 4, 1, 6)), ((0.05, -10), (0.07, 4)), {}),
    "over_columns": (((1, 4, 5, 6), (1, 1, 5, 6)), ((0.05, -10), (0.07, 4)), {}),
    "of_one_value": (((1, 4, 5, 6), (1,)), ((0.05, -10), (0.07, 4)), {}),
    "both_ways": (((1, 4, 1, 6), (1, 1, 5, 1)), ((0.05, -10), (0.07, 4)), {}),
    "rank_2_and_3": (((3, 4), (2, 3, 4)), ((0.05, -10), (0.07, 4)), {}),
    "relu": (((1, 40), (1, 40)), ((0.05, -10), (0.07, 4)), {"activation": "RELU"}),
    "relu6": (((1, 40), (1, 40)), ((0.05, -10), (0.07, 4)), {"activation": "RELU6"}),
    "relu_n1_to_1": (((1, 40), (1, 40)), ((0.05, -10), (0.07, 4)), {"activation": "RELU_N1_TO_1"}),
    "zero_points_low": (
        ((1, 40), (1, 40)),
        ((0.05, -128), (0.07, -128)),
        {"output": (0.1, -128)},
    ),
    "zero_points_high": (((1, 40), (1, 40)), ((0.05, 127), (0.07, 127)), {"output": (0.1, 127)}),
    "zero_points_apart": (((1, 40), (1, 40)), ((0.05, 127), (0.07, -128)), {"output": (0.1, 0)}),
    "one_scale_small": (((1, 200), (1, 200)), ((1e-6, 3), (0.07, 4)), {}),
    "one_scale_vanishing": (((1, 200), (1, 200)), ((1e-12, 3), (0.07, 4)), {}),
    "output_scale_small": (((1, 200), (1, 200)), ((0.1, 3), (0.07, 4)), {"output": (1e-4, 0)}),
    "output_scale_large": (((1, 200), (1, 200)), ((0.1, 3), (0.07, 4)), {"output": (50.0, 0)}),
    "output_scale_huge": (((1, 200), (1, 200)), ((0.1, 3), (0.07, 4)), {"output": (5e7, 0)}),
    "powers_of_two": (((1, 300), (1, 300)), ((0.25, 0), (0.5, 0)), {"output": (1.0, 0)}),
}


def model_of(case: str) -> bytes:
    shapes, quants, options = CASES[case]
    builder = ModelBuilder()
    x, other = (
        builder.tensor(f"input_{place}", shape, scale=quant[0], zero_point=quant[1])
        for place, (shape, quant) in enumerate(zip(shapes, quants, strict=True))
    )
    y = one_op.add(builder, np.random.default_rng(0), x, other=other, **options)
    return builder.build([x, other], [y])


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case: str, compiler: HostCompiler) -> None:
    assert_exact(model_of(case), compiler)


@pytest.mark.parametrize("case", ["both_ways", "over_channels_swapped", "rank_5"])
def test_stays_in_its_tensors(case: str, compiler: HostCompiler) -> None:
    assert_sane(model_of(case), compiler)


@pytest.mark.parametrize("swap", [False, True], ids=["constant_second", "constant_first"])
@pytest.mark.parametrize("shape", [(1, 4, 5, 6), (6,), (1, 4, 1, 1), ()], ids=str)
def test_constant_operand(shape: tuple[int, ...], swap: bool, compiler: HostCompiler) -> None:
    model = one_op.single(one_op.add, (1, 4, 5, 6), (0.05, -10), constant_shape=shape, swap=swap)
    assert_exact(model, compiler)
    assert_sane(model, compiler)


def test_of_a_tensor_and_itself(compiler: HostCompiler) -> None:
    assert_exact(one_op.single(one_op.add, (1, 40), (0.05, -10)), compiler)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_broadcast_and_scale(data: st.DataObject, compiler: HostCompiler) -> None:
    full = tuple(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    kept = data.draw(st.lists(st.booleans(), min_size=len(full), max_size=len(full)))
    shape = tuple(size if keep else 1 for size, keep in zip(full, kept, strict=True))
    shape = shape[data.draw(st.integers(0, len(shape) - 1)) :]
    quants = st.tuples(st.floats(1e-3, 1.0), st.integers(-128, 127))
    model = one_op.single(
        one_op.add,
        full,
        data.draw(quants),
        constant_shape=shape,
        other_quant=data.draw(quants),
        swap=data.draw(st.booleans()),
        activation=data.draw(st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])),
        output=data.draw(quants),
    )
    assert_exact(model, compiler)


def test_absurd_scales_are_refused(compiler: HostCompiler) -> None:
    model = one_op.single(one_op.add, (1, 4), (1e3, 0), output=(1e-5, 0))
    with pytest.raises(UnsupportedModelError, match=r"ADD 'add_0': scaled results must stay below"):
        compiler.compile(parse_graph(model, "m", "m"))


def test_scales_that_end_the_reference_are_refused(compiler: HostCompiler) -> None:
    model = one_op.single(one_op.add, (1, 4), (1.0, 0), output=(2**-19, 0))
    with pytest.raises(UnsupportedModelError, match=r"ADD 'add_0': scaled results must stay below"):
        compiler.compile(parse_graph(model, "m", "m"))


def test_broadcast_of_five_axes_is_refused() -> None:
    model = one_op.single(one_op.add, (1, 2, 2, 2, 2), (0.1, 0), constant_shape=(2,))
    with pytest.raises(UnsupportedModelError, match="up to 4 dimensions"):
        parse_graph(model, "m", "m")


def test_shapes_that_do_not_broadcast_are_refused() -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), scale=0.1)
    other = builder.constant("other", [1, 2, 3], scale=0.1)
    y = builder.tensor("y", (1, 4), scale=0.1)
    builder.operator("ADD", [x, other], [y], "AddOptions")
    with pytest.raises(UnsupportedModelError, match=r"ADD 'y': the shapes .* must broadcast"):
        parse_graph(builder.build([x], [y]), "m", "m")
