from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prune.union import ChannelIds

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20)


@given(PAIRS)
def test_roots_are_the_smallest_id_of_all_that_is_joined(pairs: list[tuple[int, int]]) -> None:
    ids = ChannelIds()
    fresh = ids.fresh(10)
    classes = [{index} for index in range(10)]
    for one, other in pairs:
        ids.join(fresh[[one]], fresh[[other]])
        whole = classes[one] | classes[other]
        for index in whole:
            classes[index] = whole
    assert ids.roots().tolist() == [min(members) for members in classes]


def test_vectors_are_joined_elementwise_and_ids_go_on() -> None:
    ids = ChannelIds()
    first, second = ids.fresh(3), ids.fresh(3)
    ids.join(second, first)
    assert ids.fresh(2).tolist() == [6, 7]
    np.testing.assert_array_equal(ids.roots(), [0, 1, 2, 0, 1, 2, 6, 7])
    with pytest.raises(AssertionError, match="lengths 3 and 2"):
        ids.join(first, second[:2])
