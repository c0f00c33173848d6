"""The arena that TFLM will need, against measurements on the emulated Cortex-M4F."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from pipeline.errors import UnsupportedModelError
from pipeline.plan.file_model import FileModel
from pipeline.plan.graph import parse_file_model
from pipeline.plan.tflm.arena import predict_arena
from pipeline.plan.tflm.kernels import kernel_memory
from pipeline.plan.tflm.runtimes import RUNTIMES, Runtime, find_runtime
from pipeline.records import ARENA_ALIGNMENT_BYTES
from tests import one_op
from tests.shared import REFERENCE_MODELS, REPOSITORY, shared_path
from tests.small_models import SMALL_MODELS
from tests.tflite_models import ModelBuilder

MEASURED = {
    entry["model"]: entry
    for entry in json.loads((REPOSITORY / "tools/tflm_cortex_m4f.json").read_text())["models"]
}


def file_model(data: bytes) -> FileModel:
    return parse_file_model(data, "model", "model.tflite", "tflm")


@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_used_bytes_are_those_that_tflm_reported(name: str) -> None:
    data = shared_path(f"models/{name}.tflite").read_bytes()
    arena = predict_arena(file_model(data), find_runtime("tflite-micro-2026"))
    assert arena.head_bytes + arena.tail_bytes == MEASURED[name]["arena_bytes"]


# The smallest arenas, in steps of 16 bytes, in which the releases themselves started on the
# emulated Cortex-M4F; that for the ESP32 with enumerations of four bytes.
SMALLEST = {
    ("chirale-2.0.0", "hallaq_pruned_mnv2"): 127_328,
    ("chirale-2.0.0", "hello_world_int8"): 1_120,
    ("chirale-2.0.0", "kws_ref_model"): 23_952,
    ("chirale-2.0.0", "resnet8_int8"): 54_944,
    ("chirale-2.0.0", "wv_quality_k_8_c_5"): 31_408,
    ("esp-tflite-micro-1.2.0", "kws_ref_model"): 22_784,
}


@pytest.mark.parametrize(("runtime", "name"), SMALLEST)
def test_arena_is_the_smallest_in_which_a_release_started(runtime: str, name: str) -> None:
    data = shared_path(f"models/{name}.tflite").read_bytes()
    arena = predict_arena(file_model(data), find_runtime(runtime))
    assert arena.arena_bytes == SMALLEST[runtime, name]


@pytest.mark.parametrize("build", SMALL_MODELS.values(), ids=SMALL_MODELS)
@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES)
def test_arena_holds_every_moment(build: Callable[[], bytes], runtime: Runtime) -> None:
    arena = predict_arena(file_model(build()), runtime)
    assert arena.arena_bytes % ARENA_ALIGNMENT_BYTES == 0
    assert arena.arena_bytes >= arena.peak_bytes >= arena.head_bytes + arena.tail_bytes


def test_tables_of_the_planner_may_take_more_than_activations() -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), scale=0.1)
    for _ in range(6):
        x = one_op.fully_connected(builder, np.random.default_rng(0), x, outputs=4)
    data = builder.build([0], [x])
    arena = predict_arena(file_model(data), find_runtime("tflite-micro-2026"))
    assert arena.arena_bytes > arena.head_bytes + arena.tail_bytes + ARENA_ALIGNMENT_BYTES


def test_offline_plan_in_the_file_is_followed() -> None:
    plain = file_model(one_op.single(one_op.add, (1, 4, 4, 2), (0.1, 0)))
    offsets = np.array([1, 0, len(plain.tensors), 4096, *[-1] * (len(plain.tensors) - 1)], "<i4")
    planned = dataclasses.replace(plain, metadata={"OfflineMemoryAllocation": offsets.tobytes()})
    runtime = find_runtime("tflite-micro-2026")
    assert predict_arena(planned, runtime).head_bytes == 4096 + 32


def test_offline_plan_for_other_tensors_is_refused() -> None:
    plain = file_model(one_op.single(one_op.add, (1, 4, 4, 2), (0.1, 0)))
    plan = np.array([1, 0, 1, 0], "<i4").tobytes()
    planned = dataclasses.replace(plain, metadata={"OfflineMemoryAllocation": plan})
    with pytest.raises(UnsupportedModelError, match="an offset for each of"):
        predict_arena(planned, find_runtime("tflite-micro-2026"))


@pytest.mark.parametrize(
    ("options", "scratch"),
    [
        # Two columns of 3 x 3 x 6 int16, rounded up to whole words.
        pytest.param({}, (2 * 56 * 2,), id="3 x 3"),
        pytest.param({"kernel": (1, 1)}, (), id="pointwise"),
        pytest.param({"kernel": (1, 1), "stride": (2, 2)}, (), id="pointwise with a stride"),
        pytest.param({"kernel": (1, 1), "groups": 2, "channels": 4}, (2 * 8 * 2,), id="groups"),
    ],
)
def test_scratch_of_convolutions_with_cmsis_nn(
    options: dict[str, object], scratch: tuple[int, ...]
) -> None:
    data = one_op.single(one_op.conv_2d, (1, 8, 8, 6), (0.1, 0), **{"channels": 4, **options})
    (raw,) = file_model(data).ops
    assert kernel_memory(raw, find_runtime("tflite-micro-2026")).scratch == scratch


def test_older_cmsis_nn_reserves_for_strides_and_for_3x3_depthwise() -> None:
    old = find_runtime("chirale-2.0.0")
    (strided,) = file_model(
        one_op.single(
            one_op.conv_2d, (1, 8, 8, 6), (0.1, 0), channels=4, kernel=(1, 1), stride=(2, 2)
        )
    ).ops
    assert kernel_memory(strided, old).scratch == (2 * 6 * 2,)
    (depthwise,) = file_model(one_op.single(one_op.depthwise_conv_2d, (1, 8, 8, 6), (0.1, 0))).ops
    assert kernel_memory(depthwise, old).scratch == (6 * 9 * 2,)
    assert kernel_memory(depthwise, find_runtime("tflite-micro-2026")).scratch == ()
