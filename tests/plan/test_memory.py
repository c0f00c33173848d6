"""Memory plan: buffers alive together never overlap, and results prove it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ops.table import kernel_call
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import parse_graph, read_graph
from pipeline.plan.memory import (
    Buffer,
    arena_bytes,
    buffers_of,
    lower_bound_bytes,
    place,
)
from pipeline.records import ARENA_ALIGNMENT_BYTES, DeployPlan, Graph, KernelTarget
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane
from tests.shared import REFERENCE_MODELS, shared_path
from tests.small_models import branching_network
from tests.tflite_models import ModelBuilder


@st.composite
def buffer_lists(draw: st.DrawFn) -> list[Buffer]:
    buffers = []
    for index in range(draw(st.integers(1, 25))):
        first = draw(st.integers(-1, 12))
        buffers.append(
            Buffer(
                tensors=(index,),
                size_bytes=16 * draw(st.integers(1, 60)),
                first_op=first,
                last_op=draw(st.integers(max(first, 0), 13)),
            )
        )
    return buffers


@settings(deadline=None, max_examples=80)
@given(buffer_lists())
def test_live_buffers_never_overlap(buffers: list[Buffer]) -> None:
    placements = place(buffers)
    assert sorted(p.tensors for p in placements) == sorted(b.tensors for b in buffers)
    sizes = {buffer.tensors: buffer.size_bytes for buffer in buffers}
    for place_a, a in enumerate(placements):
        assert a.offset_bytes % ARENA_ALIGNMENT_BYTES == 0
        assert a.size_bytes == sizes[a.tensors]
        for b in placements[:place_a]:
            apart_in_time = a.last_op < b.first_op or b.last_op < a.first_op
            apart_in_space = (
                a.offset_bytes + a.size_bytes <= b.offset_bytes
                or b.offset_bytes + b.size_bytes <= a.offset_bytes
            )
            assert apart_in_time or apart_in_space
    assert arena_bytes(placements) >= lower_bound_bytes(buffers)
    assert place(buffers) == placements


@given(buffer_lists())
def test_lower_bound_is_the_largest_live_set(buffers: list[Buffer]) -> None:
    live = [
        sum(b.size_bytes for b in buffers if b.first_op <= op <= b.last_op) for op in range(-1, 14)
    ]
    assert lower_bound_bytes(buffers) == max(live)


@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_reference_models_meet_the_lower_bound(name: str) -> None:
    plan = make_plan(read_graph(shared_path(f"models/{name}.tflite")), KernelTarget.PORTABLE)
    assert plan.arena_bytes == plan.lower_bound_bytes


@pytest.mark.parametrize("seed", range(25))
def test_branches_are_never_clobbered(seed: int, compiler: HostCompiler) -> None:
    graph = assert_exact(branching_network(seed), compiler)
    _assert_disjoint(make_plan(graph, KernelTarget.PORTABLE))


@pytest.mark.parametrize("seed", range(100, 104))
def test_branches_stay_in_their_tensors(seed: int, compiler: HostCompiler) -> None:
    assert_sane(branching_network(seed, operators=25), compiler)


def _assert_disjoint(plan: DeployPlan) -> None:
    """Live tensors share memory only if the plan merged them."""
    for place_a, a in enumerate(plan.placements):
        for b in plan.placements[:place_a]:
            if a.first_op <= b.last_op and b.first_op <= a.last_op:
                ends = (a.offset_bytes + a.size_bytes, b.offset_bytes + b.size_bytes)
                assert ends[0] <= b.offset_bytes or ends[1] <= a.offset_bytes


def shared(graph: Graph, *names: str) -> bool:
    """Whether the tensors of these names lie in one buffer."""
    indices = {t.index for t in graph.tensors if t.name in names}
    assert len(indices) == len(names)
    calls = [kernel_call(op, graph, KernelTarget.PORTABLE) for op in graph.ops]
    return any(indices <= set(buffer.tensors) for buffer in buffers_of(graph, calls))


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
    graph = assert_exact(builder.build([unread, x], [y]), compiler)
    _assert_disjoint(make_plan(graph, KernelTarget.PORTABLE))
