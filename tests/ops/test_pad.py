"""PAD: generated code against BUILTIN_REF."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.plan.graph import parse_graph
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane

NONE = (0, 0)

# id: (input shape, (before, after) of each axis).
CASES: dict[str, tuple[tuple[int, ...], tuple[one_op.Pair, ...]]] = {
    "frame": ((1, 4, 5, 3), (NONE, (1, 1), (1, 1), NONE)),
    "before_stride_2": ((1, 4, 4, 3), (NONE, (0, 1), (0, 1), NONE)),
    "uneven": ((1, 4, 5, 3), (NONE, (2, 0), (0, 3), NONE)),
    "channels": ((1, 4, 5, 3), (NONE, NONE, NONE, (1, 2))),
    "all_axes": ((2, 3, 2, 3), ((1, 2), (2, 1), (0, 3), (3, 0))),
    "nothing": ((1, 4, 5, 3), (NONE, NONE, NONE, NONE)),
    "one_pixel": ((1, 1, 1, 1), (NONE, (3, 4), (5, 6), NONE)),
    "rank_1": ((7,), ((2, 3),)),
    "rank_2": ((1, 7), (NONE, (2, 3))),
    "rank_3": ((1, 4, 5), (NONE, (2, 3), (1, 0))),
}


@pytest.mark.parametrize("zero_point", [-128, 0, 127])
@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case: str, zero_point: int, compiler: HostCompiler) -> None:
    shape, amounts = CASES[case]
    quant = (0.1, zero_point)
    assert_exact(one_op.single(one_op.pad, shape, quant, amounts=amounts), compiler)


def test_amounts_of_int64(compiler: HostCompiler) -> None:
    shape, amounts = CASES["uneven"]
    model = one_op.single(one_op.pad, shape, (0.1, 3), amounts=amounts, dtype="int64")
    assert_exact(model, compiler)


@pytest.mark.parametrize("case", ["all_axes", "rank_2"])
def test_stays_in_its_tensors(case: str, compiler: HostCompiler) -> None:
    shape, amounts = CASES[case]
    assert_sane(one_op.single(one_op.pad, shape, (0.1, 3), amounts=amounts), compiler)


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_any_amounts(data: st.DataObject, compiler: HostCompiler) -> None:
    small = st.integers(0, 3)
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    amounts = tuple((data.draw(small), data.draw(small)) for _ in shape)
    quant = (0.1, data.draw(st.integers(-128, 127)))
    assert_exact(one_op.single(one_op.pad, shape, quant, amounts=amounts), compiler)


def test_five_axes_are_refused() -> None:
    model = one_op.single(one_op.pad, (1, 2, 2, 2, 2), (0.1, 0), amounts=(NONE,) * 5)
    with pytest.raises(UnsupportedModelError, match="for up to 4 axes"):
        parse_graph(model, "m", "m")


def test_negative_amounts_are_refused() -> None:
    model = one_op.single(one_op.pad, (1, 4), (0.1, 0), amounts=(NONE, (-1, 0)))
    with pytest.raises(UnsupportedModelError, match="not negative"):
        parse_graph(model, "m", "m")
