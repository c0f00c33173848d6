"""Offline plans: right for every TFLM, never worse than its own placement, at least the bound."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from pipeline.errors import UnsupportedModelError
from pipeline.plan.file_model import FileModel
from pipeline.plan.graph import parse_file_model
from pipeline.plan.tflm.arena import predict_arena, tensor_buffers
from pipeline.plan.tflm.offline import add_plan
from pipeline.plan.tflm.offline_search import plan_offline
from pipeline.plan.tflm.planner import Buffer
from pipeline.plan.tflm.runtimes import find_runtime
from pipeline.records import ARENA_ALIGNMENT_BYTES, OpKind
from tests import one_op
from tests.random_draw import SeededDraw
from tests.random_models import has_int4, random_graph
from tests.shared import REFERENCE_MODELS, shared_path
from tests.small_models import branching_network

RUNTIME = find_runtime("tflite-micro-2026-host")


def file_model(data: bytes) -> FileModel:
    return parse_file_model(data, "model", "model.tflite", "tflm")


def check(data: bytes) -> None:
    """What holds for every plan."""
    model = file_model(data)
    plan = plan_offline(model, RUNTIME)
    before, after = plan.arenas[RUNTIME.name]
    assert plan.lower_bound_bytes <= after.head_bytes <= before.head_bytes
    buffers = tensor_buffers(model)
    for index, offset in enumerate(plan.offsets):
        assert (offset >= 0) == (index in buffers)
        assert offset < 0 or offset % ARENA_ALIGNMENT_BYTES == 0
    placed = {
        index: dataclasses.replace(buffer, offset_bytes=plan.offsets[index])
        for index, buffer in buffers.items()
        if buffer.first >= 0
    }
    views = {
        frozenset((raw.inputs[0].index, raw.outputs[0].index))
        for raw in model.ops
        if raw.kind is OpKind.RESHAPE and raw.inputs[0] is not None
    }
    for (i, a), (j, b) in itertools.combinations(placed.items(), 2):
        if meet(a, b):
            assert frozenset((i, j)) in views
            assert a.offset_bytes == b.offset_bytes
    written = file_model(add_plan(data, plan.offsets))
    assert predict_arena(written, RUNTIME) == after


def meet(a: Buffer, b: Buffer) -> bool:
    in_time = a.first <= b.last and b.first <= a.last
    low, high = sorted((a, b), key=lambda buffer: buffer.offset_bytes or 0)
    return in_time and (low.offset_bytes or 0) + low.size_bytes > (high.offset_bytes or 0)


@pytest.mark.parametrize("seed", range(25))
def test_random_models(seed: int) -> None:
    data = random_graph(SeededDraw(np.random.default_rng(seed)))
    if has_int4(data):
        pytest.skip("weights of four bits")
    if any(raw.kind in RUNTIME.missing for raw in file_model(data).ops):
        pytest.skip("TFLM lacks an operator")
    check(data)


@pytest.mark.parametrize("seed", range(6))
def test_branches(seed: int) -> None:
    data = branching_network(seed)
    if has_int4(data):
        pytest.skip("weights of four bits")
    if any(raw.kind in RUNTIME.missing for raw in file_model(data).ops):
        pytest.skip("TFLM lacks an operator")
    check(data)


# Heads (TFLM's own, with the plan) of tflite-micro-2026; docs/tflm.md quotes them.
HEADS = {
    "ad01_int8": (768, 768),
    "hallaq_pruned_mnv2": (102_400, 102_400),
    "hello_world_int8": (32, 32),
    "kws_ref_model": (16_000, 16_000),
    "micro_speech_quantized": (5_968, 5_968),
    "resnet8_int8": (49_728, 49_728),
    "vww_96_int8": (73_728, 55_296),
    "wv_quality_k_8_c_5": (27_616, 27_616),
}


@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_reference_models(name: str) -> None:
    data = shared_path(f"models/{name}.tflite").read_bytes()
    runtime = find_runtime("tflite-micro-2026")
    plan = plan_offline(file_model(data), runtime)
    before, after = plan.arenas[runtime.name]
    assert (before.head_bytes, after.head_bytes) == HEADS[name]
    assert after.head_bytes == plan.lower_bound_bytes
    # The plan is right for the others, too, whatever their kernels ask for.
    for first, second in plan.arenas.values():
        assert second.head_bytes <= first.head_bytes


def test_a_tflm_that_cannot_run_it_names_one_that_can() -> None:
    data = one_op.single(one_op.fully_connected, (1, 8), (0.05, 3), outputs=4, per_channel=True)
    with pytest.raises(
        UnsupportedModelError, match=r"4 scales.*--tflm-runtime tflite-micro-2026\."
    ):
        plan_offline(file_model(data), find_runtime("chirale-2.0.0"))
