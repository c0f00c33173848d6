"""The generated sources of engine tflm."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pipeline.codegen.render import generate
from pipeline.plan.tflm.plan import make_tflm_plan
from pipeline.plan.tflm.runtimes import find_runtime
from pipeline.records import TflmPlan
from tests.small_models import residual_network


def plan_of(folder: Path) -> TflmPlan:
    path = folder / "person.tflite"
    path.write_bytes(residual_network())
    return make_tflm_plan(path, find_runtime("tflite-micro-2026"))


def test_same_bytes_twice(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    first = generate(plan, tmp_path / "a", command="espalier generate person.tflite")
    second = generate(plan, tmp_path / "b", command="espalier generate person.tflite")
    assert first.digest == second.digest
    assert first.files == ("model.cc", "model.h", "weights.c")


def test_the_file_stands_in_the_array(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    generate(plan, tmp_path / "out", command="test")
    text = (tmp_path / "out" / "weights.c").read_text()
    _, body = text.split("= {")
    assert bytes(int(number) for number in re.findall(r"\d+", body)) == residual_network()
    assert "__attribute__((aligned(16)))" in text


def test_sizes_and_identity(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    generate(plan, tmp_path / "out", command="test")
    text = (tmp_path / "out" / "model.h").read_text()
    assert f'MODEL_SHA256 "{hashlib.sha256(residual_network()).hexdigest()}"' in text
    assert f"MODEL_ARENA_BYTES {plan.arena_bytes} " in text
    assert f"MODEL_NUM_LAYERS {len(plan.graph.ops)}\n" in text


def test_minimal_resolver(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    generate(plan, tmp_path / "out", command="test")
    text = (tmp_path / "out" / "model.cc").read_text()
    assert f"MicroMutableOpResolver<{len(plan.registrations)}>" in text
    assert re.findall(r"operators->(\S+) !=", text) == list(plan.registrations)
