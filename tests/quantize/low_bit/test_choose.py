"""Sets of layers, against trying all of them."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pipeline.quantize.low_bit.choose import best_choices

LAYERS = st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1)), min_size=1, max_size=7)


@given(LAYERS)
def test_no_other_set_saves_as_much_for_less(layers: list[tuple[int, float]]) -> None:
    saved = [amount for amount, _ in layers]
    sensitivity = [cost for _, cost in layers]

    def totals(choice: frozenset[int] | tuple[int, ...]) -> tuple[int, float]:
        return sum(saved[i] for i in choice), sum(sensitivity[i] for i in choice)

    found = [totals(choice) for choice in best_choices(saved, sensitivity)]
    assert found[0] == (0, 0.0)
    assert found[-1][0] == sum(saved)
    assert [amount for amount, _ in found] == sorted({amount for amount, _ in found})
    everything = range(len(layers))
    for size in range(len(layers) + 1):
        for other in itertools.combinations(everything, size):
            amount, cost = totals(other)
            # The first that saves as much costs no more.
            assert next(c for a, c in found if a >= amount) <= cost + 1e-9


def test_many_large_layers_are_told_apart_coarsely() -> None:
    saved = [100_000 + 17 * i for i in range(60)]
    choices = best_choices(saved, [1.0 + i for i in range(60)])
    assert choices[0] == frozenset()
    assert choices[-1] == frozenset(range(60))
    # The least sensitive layers come first.
    assert frozenset(range(3)) in choices
