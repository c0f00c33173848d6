"""Offsets: no byte is occupied twice, whatever grows and shrinks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.plan.lifetimes import Block, live_bytes
from pipeline.plan.placement import place
from pipeline.records import TENSOR_ALIGNMENT_BYTES


def block(first: list[int], end: list[int]) -> Block:
    """A block of any occupation."""
    return Block(
        buffers=(),
        scratch_of=None,
        ring=None,
        size_bytes=max(end),
        first=np.array(first),
        end=np.array(end),
    )


@st.composite
def block_lists(draw: st.DrawFn) -> list[Block]:
    """Blocks that grow, shrink, stand still, come and go."""
    times = draw(st.integers(1, 12))
    blocks = []
    for _ in range(draw(st.integers(1, 9))):
        size = draw(st.integers(1, 300))
        bounds = st.tuples(st.integers(0, size), st.integers(0, size))
        drawn = [sorted(draw(bounds)) for _ in range(times)]
        drawn[draw(st.integers(0, times - 1))] = [0, size]
        pairs = [pair if pair[0] < pair[1] else [0, 0] for pair in drawn]
        blocks.append(block([low for low, _ in pairs], [high for _, high in pairs]))
    return blocks


@settings(deadline=None, max_examples=150)
@given(block_lists())
def test_no_byte_is_occupied_twice(blocks: list[Block]) -> None:
    layout = place(blocks, 50)
    assert layout == place(blocks, 50)
    assert all(offset >= 0 for offset in layout.offsets)
    assert all(offset % TENSOR_ALIGNMENT_BYTES == 0 for offset in layout.offsets)
    ends = [o + b.size_bytes for o, b in zip(layout.offsets, blocks, strict=True)]
    assert max(ends) <= layout.size_bytes < max(ends) + TENSOR_ALIGNMENT_BYTES
    for time in range(len(blocks[0].first)):
        bounds = sorted(
            (offset + int(b.first[time]), offset + int(b.end[time]))
            for offset, b in zip(layout.offsets, blocks, strict=True)
            if b.end[time] > b.first[time]
        )
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(bounds))


@settings(deadline=None, max_examples=60)
@given(block_lists())
def test_the_largest_live_set_is_a_bound(blocks: list[Block]) -> None:
    assert place(blocks, 50).size_bytes >= int(live_bytes(blocks).max())


def test_an_output_grows_into_its_input() -> None:
    times = range(11)
    shrinking = block([100 * t for t in times], [1000 if t < 10 else 1000 for t in times])
    growing = block([0 for t in times], [100 * t for t in times])
    layout = place([shrinking, growing], 50)
    # Row t of the output is written while row t of the input is still read.
    assert layout.size_bytes == 1000
    assert layout.offsets == (0, 0)


@pytest.mark.parametrize("sizes", [[8, 16, 24, 4], [100, 100, 100]])
def test_blocks_that_are_never_alive_together_share_their_memory(sizes: list[int]) -> None:
    blocks = [
        block([0] * len(sizes), [size if time == number else 0 for time in range(len(sizes))])
        for number, size in enumerate(sizes)
    ]
    assert place(blocks, 50).size_bytes == max(sizes)
