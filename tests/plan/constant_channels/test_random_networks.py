"""Removal from random networks: outputs stay the same, bit for bit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compiled import HostCompiler
from tests.exact import assert_exact
from tests.plan.constant_channels.networks import (
    removed,
    slim,
)
from tests.plan.constant_channels.random_network import random_network
from tests.small_models import branching_network


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_random_networks(seed: int, operators: int) -> None:
    slim(random_network(seed, operators), inputs=2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_graphs_of_several_inputs_and_outputs(seed: int) -> None:
    slim(branching_network(seed), inputs=1)


def test_random_networks_lose_channels_and_run(compiler: HostCompiler) -> None:
    """The random networks above would prove nothing if nothing in them went."""
    made = [slim(random_network(seed), inputs=1) for seed in range(20)]
    assert sum(any(removed(model)) for model in made) >= 5
    for model in made[:4]:
        assert_exact(model.tflite, compiler)
