"""The picture of a plan holds every buffer, inside its frame."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import parse_graph
from pipeline.records import DeployPlan, KernelTarget
from pipeline.report.memory_picture import memory_picture
from tests.small_models import residual_network

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def plan() -> DeployPlan:
    graph = parse_graph(residual_network(), "a<b & c", "m.tflite")
    return make_plan(graph, KernelTarget.PORTABLE)


def test_every_buffer_is_drawn_inside_the_frame(plan: DeployPlan) -> None:
    root = ElementTree.fromstring(memory_picture(plan))
    assert root.find(f"{SVG}title").text == f"a<b & c: {plan.arena_bytes:,} bytes of arena"
    _, _, width, height = (float(number) for number in root.get("viewBox").split())
    buffers = [path for path in root.iter(f"{SVG}path") if path.find(f"{SVG}title") is not None]
    for path, place in zip(buffers, plan.placements, strict=True):
        assert f": {place.size_bytes:,} bytes" in path.find(f"{SVG}title").text
        for x, y in re.findall(r"M([\d.-]+) ([\d.-]+)V", path.get("d")):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= height


def test_two_pictures_of_a_plan_are_the_same(plan: DeployPlan) -> None:
    assert memory_picture(plan) == memory_picture(plan)
