"""The greedy planner: TFLM's own cases, and that nothing fits below the largest live set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.plan.tflm.planner import Buffer, head_bytes


def buffer(size: int, first: int, last: int, offset: int | None = None) -> Buffer:
    return Buffer(size_bytes=size, first=first, last=last, offset_bytes=offset)


@pytest.mark.parametrize(
    ("buffers", "expected"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([buffer(64, 0, 1)], 64, id="one"),
        pytest.param([buffer(64, 0, 1), buffer(32, 1, 2)], 96, id="both at once"),
        pytest.param([buffer(64, 0, 1), buffer(32, 2, 3)], 64, id="one after the other"),
        pytest.param(
            [buffer(32, 0, 1), buffer(64, 1, 2), buffer(32, 2, 3)], 96, id="the largest in between"
        ),
        # The later of two equal ones is placed first.
        pytest.param(
            [buffer(64, 0, 1), buffer(48, 1, 2), buffer(64, 2, 3)], 112, id="a gap is filled"
        ),
        pytest.param([buffer(16, 0, 9, 128), buffer(64, 0, 9)], 144, id="a fixed place"),
        pytest.param([buffer(16, 0, 9, 32), buffer(64, 0, 9)], 112, id="too small a gap"),
    ],
)
def test_cases(buffers: list[Buffer], expected: int) -> None:
    assert head_bytes(buffers) == expected


@given(
    st.lists(
        st.tuples(st.integers(1, 64), st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=12
    )
)
def test_never_below_the_largest_live_set(drawn: list[tuple[int, int, int]]) -> None:
    buffers = [buffer(16 * size, min(first, last), max(first, last)) for size, first, last in drawn]
    live = max(sum(b.size_bytes for b in buffers if b.first <= time <= b.last) for time in range(9))
    assert live <= head_bytes(buffers) <= sum(b.size_bytes for b in buffers)
