"""Inputs of a planned model: the values that random ones may have, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import parse_graph
from pipeline.records import DeployPlan, KernelTarget
from pipeline.report.progress import Reporter
from pipeline.stages.inputs import input_facts, read_inputs
from tests import one_op
from tests.notes import Notes
from tests.small_models import residual_network
from tests.tflite_models import ModelBuilder


def plan_of(tflite: bytes) -> DeployPlan:
    return make_plan(parse_graph(tflite, "m", "m.tflite"), KernelTarget.PORTABLE)


def quantizing(scale: float, zero_point: int) -> bytes:
    """A model that takes real values."""
    builder, rng = ModelBuilder(), np.random.default_rng(0)
    x = builder.tensor("x", (1, 8), dtype="float32")
    y = one_op.quantize(builder, rng, x, output=(scale, zero_point))
    return builder.build([x], [one_op.softmax(builder, rng, y)])


def test_an_int8_input_takes_all_of_its_values() -> None:
    inputs = read_inputs("random:3:40", plan_of(residual_network()), Reporter(quiet=True))
    (x,) = inputs.x
    assert (x.shape, x.dtype) == ((40, 6, 6, 3), np.int8)
    assert (x.min(), x.max()) == (-128, 127)


def test_real_values_reach_half_as_far_again_as_what_is_told_apart() -> None:
    # int8 with zero point -28 at 0.5: from -50 to 77.5.
    facts = input_facts(plan_of(quantizing(0.5, -28)).graph)
    assert facts["dtypes"] == ["float32"]
    assert facts["shapes"] == [(8,)]
    (reach,) = facts["ranges"]
    np.testing.assert_allclose(reach, (-50 - 127.5 / 4, 77.5 + 127.5 / 4))


def test_samples_are_a_limit_and_unreadable_files_are_told(tmp_path: Path) -> None:
    for place in range(4):
        Image.new("RGB", (8, 8), (place, 0, 0)).save(tmp_path / f"{place}.png")
    (tmp_path / "5.png").write_bytes(b"no picture")
    notes, plan = Notes(), plan_of(residual_network())
    assert len(read_inputs(str(tmp_path), plan, notes).x[0]) == 4
    assert notes.lines[0].startswith("inputs: skipped 1 unreadable, the first 5.png: ")
    assert len(read_inputs(str(tmp_path), plan, notes, samples=2).x[0]) == 2
