"""The checker of plans: it must find every way in which a plan can be wrong."""

from __future__ import annotations

import dataclasses
import random

import pytest

from pipeline.ops.table import kernel_call
from pipeline.plan.check import PlanError, check_plan
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import parse_graph
from pipeline.records import DeployPlan, KernelTarget, Placement, Step
from tests.small_models import image_network

SEEDS = range(12)


def plan_of(seed: int) -> DeployPlan:
    graph = parse_graph(image_network(seed), "random", "random")
    return make_plan(graph, KernelTarget.PORTABLE)


def check(plan: DeployPlan) -> None:
    calls = [kernel_call(op, plan.graph, plan.target) for op in plan.graph.ops]
    check_plan(plan, calls)


def replace_placement(plan: DeployPlan, old: Placement, **changes: object) -> DeployPlan:
    new = dataclasses.replace(old, **changes)  # type: ignore[arg-type]
    places = tuple(new if place is old else place for place in plan.placements)
    return dataclasses.replace(plan, placements=places)


def with_steps(plan: DeployPlan, steps: list[Step]) -> DeployPlan:
    return dataclasses.replace(plan, steps=tuple(steps))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_missing_step(seed: int) -> None:
    plan = plan_of(seed)
    steps = list(plan.steps)
    del steps[random.Random(seed).randrange(len(steps))]
    with pytest.raises(PlanError, match="lacks rows|is not there"):
        check(with_steps(plan, steps))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_twice(seed: int) -> None:
    plan = plan_of(seed)
    steps = list(plan.steps)
    number = random.Random(seed).randrange(len(steps))
    with pytest.raises(PlanError, match="again|is not there|overwrites"):
        check(with_steps(plan, [*steps[: number + 1], *steps[number:]]))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_wrong_order(seed: int) -> None:
    plan = plan_of(seed)
    with pytest.raises(PlanError, match="is not there"):
        check(with_steps(plan, list(plan.steps)[::-1]))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_ring_that_is_too_small(seed: int) -> None:
    plan = plan_of(seed)
    rings = [place for place in plan.placements if (place.ring or 0) > 1]
    for place in rings:
        assert place.ring is not None
        with pytest.raises(PlanError, match="is not there|overwrites|lacks"):
            check(replace_placement(plan, place, ring=place.ring - 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_an_arena_that_is_too_small(seed: int) -> None:
    plan = plan_of(seed)
    with pytest.raises(PlanError, match="does not fit"):
        check(dataclasses.replace(plan, arena_bytes=plan.arena_bytes - 4))


def test_buffers_moved_onto_each_other() -> None:
    """Any buffer moved to any place is either harmless or found; most moves do harm."""
    found = 0
    for seed in SEEDS:
        plan = plan_of(seed)
        generator = random.Random(seed)
        for _ in range(10):
            place = generator.choice(plan.placements)
            room = plan.arena_bytes - place.size_bytes
            offset = 4 * generator.randrange(room // 4 + 1)
            moved = replace_placement(plan, place, offset_bytes=offset)
            try:
                check(moved)
            except PlanError:
                found += 1
    assert found > 40


def test_an_offset_that_is_not_aligned() -> None:
    plan = plan_of(1)
    place = plan.placements[0]
    larger = dataclasses.replace(plan, arena_bytes=plan.arena_bytes + 8)
    with pytest.raises(PlanError, match="does not fit"):
        check(replace_placement(larger, place, offset_bytes=place.offset_bytes + 1))


def test_scratch_over_what_a_step_reads() -> None:
    plan = plan_of(1)
    first = plan.steps[0]
    index = plan.graph.ops[first.op].inputs[0]
    place = next(p for p in plan.placements if index in p.tensors)
    start = place.offset_bytes + place.occupied(0).start
    scratch = dataclasses.replace(
        place, tensors=(), offset_bytes=start - start % 4, size_bytes=4, scratch_of=first.op
    )
    with pytest.raises(PlanError, match="scratch"):
        check(dataclasses.replace(plan, placements=(*plan.placements, scratch)))
