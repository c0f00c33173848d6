"""Memory plans: streams, growth, in place, and what must never share memory."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import parse_graph, read_graph
from pipeline.records import Graph, KernelTarget
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane
from tests.shared import shared_path
from tests.small_models import branching_network, image_network
from tests.tflite_models import ModelBuilder

# Arena in bytes and steps of the schedule with the portable kernels, which need no scratch.
REFERENCE_PLANS = {
    "ad01_int8": (768, 10),
    "hallaq_pruned_mnv2": (24_120, 222),
    "hello_world_int8": (32, 3),
    "kws_ref_model": (6_128, 252),
    "micro_speech_quantized": (4_280, 11),
    "resnet8_int8": (12_736, 234),
    "vww_96_int8": (28_416, 70),
    "wv_quality_k_8_c_5": (8_352, 74),
}


@pytest.mark.parametrize("name", REFERENCE_PLANS)
def test_reference_models(name: str) -> None:
    plan = make_plan(read_graph(shared_path(f"models/{name}.tflite")), KernelTarget.PORTABLE)
    assert (plan.arena_bytes, len(plan.steps)) == REFERENCE_PLANS[name]
    assert plan.arena_bytes <= plan.lower_bound_bytes + 4


@pytest.mark.parametrize("seed", range(40))
def test_streams_are_exact(seed: int, compiler: HostCompiler) -> None:
    assert_exact(image_network(seed), compiler)


@pytest.mark.parametrize("seed", range(200, 206))
def test_streams_stay_in_their_rows(seed: int, compiler: HostCompiler) -> None:
    assert_sane(image_network(seed, operators=20), compiler)


@pytest.mark.parametrize("seed", range(25))
def test_branches_are_never_clobbered(seed: int, compiler: HostCompiler) -> None:
    assert_exact(branching_network(seed), compiler)


@pytest.mark.parametrize("seed", range(100, 104))
def test_branches_stay_in_their_tensors(seed: int, compiler: HostCompiler) -> None:
    assert_sane(branching_network(seed, operators=25), compiler)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1100))
def test_random_plans_pass_the_checker(seed: int) -> None:
    graph = parse_graph(image_network(seed, operators=30), "random", "random")
    plan = make_plan(graph, KernelTarget.PORTABLE)
    assert plan.arena_bytes >= plan.lower_bound_bytes
    assert make_plan(graph, KernelTarget.PORTABLE) == plan


def shared(graph: Graph, *names: str) -> bool:
    """Whether the tensors of these names lie in one buffer."""
    indices = {t.index for t in graph.tensors if t.name in names}
    assert len(indices) == len(names)
    plan = make_plan(graph, KernelTarget.PORTABLE)
    return any(indices <= set(place.tensors) for place in plan.placements)


def two_adds(*, read_later: bool) -> bytes:
    """add_0 = a + b; add_1 = add_0 + (a or add_0)."""
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    a, b = (builder.tensor(name, (1, 32), scale=0.1) for name in "ab")
    first = one_op.add(builder, rng, a, other=b)
    second = one_op.add(builder, rng, first, other=a if read_later else first)
    return builder.build([a, b], [second])


@pytest.mark.parametrize("read_later", [False, True])
def test_input_that_is_read_later_is_never_shared(read_later: bool, compiler: HostCompiler) -> None:
    graph = assert_exact(two_adds(read_later=read_later), compiler)
    assert shared(graph, "a", "add_0") is not read_later
    assert shared(graph, "b", "add_0") is read_later
    assert shared(graph, "add_0", "add_1")


def test_graph_output_survives(compiler: HostCompiler) -> None:
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = builder.tensor("x", (1, 32), scale=0.1)
    first = one_op.add(builder, rng, x)
    second = one_op.quantize(builder, rng, first, output=(0.3, 2))
    graph = assert_exact(builder.build([x], [first, second]), compiler)
    assert not shared(graph, "add_0", "quantize_1")


def test_output_survives_its_reshaped_twin(compiler: HostCompiler) -> None:
    """A view of a graph's output is its memory: no operator may work in place there."""
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = builder.tensor("x", (1, 32), scale=0.1)
    first = one_op.add(builder, rng, x)
    view = one_op.reshape(builder, rng, first, target=(1, 4, 8))
    last = one_op.quantize(builder, rng, view, output=(0.3, 2))
    assert_exact(builder.build([x], [first, last]), compiler)


def test_reshape_shares_its_input() -> None:
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = builder.tensor("x", (1, 32), scale=0.1)
    view = one_op.reshape(builder, rng, x, target=(1, 4, 8))
    y = one_op.mean(builder, rng, view, axes=(1,))
    graph = parse_graph(builder.build([x], [y]), "m", "m")
    assert shared(graph, "x", "reshape_0")


def test_unread_output_of_an_operator_has_its_place(compiler: HostCompiler) -> None:
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = builder.tensor("x", (1, 32), scale=0.1)
    one_op.fully_connected(builder, rng, x, outputs=40)
    y = one_op.fully_connected(builder, rng, x, outputs=3)
    assert_exact(builder.build([x], [y]), compiler)


def test_unread_input_has_its_place(compiler: HostCompiler) -> None:
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    unread = builder.tensor("unread", (1, 7), scale=0.1)
    x = builder.tensor("x", (1, 32), scale=0.1)
    y = one_op.fully_connected(builder, rng, x, outputs=3)
    assert_exact(builder.build([unread, x], [y]), compiler)
