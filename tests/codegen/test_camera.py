"""model_camera.h and model_camera.c: from the bytes of a camera to the outputs of the model."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from pipeline.codegen.camera import CAMERA_FILES, camera_view, generate_camera
from pipeline.codegen.render import generate
from pipeline.data.frames import frame_to_input, parse_camera
from pipeline.data.resampling import plan_frame
from pipeline.paths import firmware_path
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import parse_graph
from pipeline.records import DeployPlan, KernelTarget
from pipeline.reference import ReferenceModel
from tests import one_op
from tests.compiled import HostCompiler
from tests.small_models import pooling_network, residual_network
from tests.tflite_models import ModelBuilder

_LIB = firmware_path() / "lib"

# Takes frames row by row and as a whole, with more and with fewer rows than there are.
_MAIN = """\
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "model_camera.h"

static uint8_t arena[MODEL_ARENA_BYTES] __attribute__((aligned(MODEL_ARENA_ALIGNMENT)));
static uint8_t whole_arena[MODEL_ARENA_BYTES];
static uint8_t frame[MODEL_CAMERA_FRAME_BYTES];

int main(void) {
  while (fread(frame, 1, sizeof frame, stdin) == sizeof frame) {
    struct model_camera camera;
    memset(arena, 0xA5, sizeof arena);
    memset(whole_arena, 0xA5, sizeof whole_arena);
    model_camera_begin(&camera, arena);
    model_camera_row(&camera, frame + sizeof frame - MODEL_CAMERA_ROW_BYTES);
    if (model_camera_end(&camera) && MODEL_CAMERA_HEIGHT > 1) return 1;
    model_camera_begin(&camera, arena);
    for (unsigned y = 0; y < MODEL_CAMERA_HEIGHT; ++y) {
      if (model_camera_end(&camera)) return 2;
      model_camera_row(&camera, frame + y * MODEL_CAMERA_ROW_BYTES);
    }
    model_camera_row(&camera, frame);
    if (!model_camera_end(&camera)) return 3;
    model_camera_frame(whole_arena, frame);
    const struct model_tensor *input = &model_inputs[0], *output = &model_outputs[0];
    if (memcmp(arena + input->offset_bytes, whole_arena + input->offset_bytes, input->size_bytes)) {
      return 4;
    }
    fwrite(arena + input->offset_bytes, 1, input->size_bytes, stdout);
    model_run(arena);
    fwrite(arena + output->offset_bytes, 1, output->size_bytes, stdout);
  }
  return 0;
}
"""


def tight_network() -> bytes:
    """A model whose arena is its input and next to nothing else."""
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 12, 12, 1), scale=1 / 128)
    return builder.build([x], [one_op.mean(builder, np.random.default_rng(0), x)])


def roomy_network() -> bytes:
    """A model whose outputs are much larger than its input."""
    return one_op.single(one_op.conv_2d, (1, 12, 12, 3), (1 / 128, 0), channels=16)


_MODELS = {
    "int8": residual_network,
    "uint8": pooling_network,
    "tight": tight_network,
    "roomy": roomy_network,
}


def planned(data: bytes, target: KernelTarget = KernelTarget.PORTABLE) -> DeployPlan:
    return make_plan(parse_graph(data, "m", "m"), target)


@pytest.mark.parametrize("spec", ["16x12:rgb565", "9x31:grey:fit", "64x48:rgb888", "4x4:rgb565le"])
@pytest.mark.parametrize("model", _MODELS)
def test_frames_to_outputs(model: str, spec: str, compiler: HostCompiler, tmp_path: Path) -> None:
    data = _MODELS[model]()
    plan = planned(data)
    camera = parse_camera(spec)
    frame_plan = plan_frame(camera, plan.graph)
    generate(plan, tmp_path, command="test")
    generate_camera(frame_plan, plan, tmp_path, command="test")
    (tmp_path / "main.c").write_text(_MAIN, encoding="ascii")
    sources = [*sorted(tmp_path.glob("*.c")), *sorted((_LIB / "camera").glob("*.c"))]
    program = compiler.program(
        tmp_path / "program", sources, includes=[tmp_path, _LIB], kernels=True
    )
    rng = np.random.default_rng(3)
    frames = [rng.bytes(camera.frame_bytes) for _ in range(3)]
    done = subprocess.run([program], input=b"".join(frames), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    shape = (frame_plan.height, frame_plan.width, frame_plan.channels)
    inputs = [frame_to_input(frame, camera, shape, frame_plan.dtype) for frame in frames]
    (outputs,) = ReferenceModel(data).run((np.stack(inputs),))
    expected = b"".join(x.tobytes() + y.tobytes() for x, y in zip(inputs, outputs, strict=True))
    assert done.stdout == expected


def test_resampled_rows_take_memory_of_their_own_only_where_the_arena_is_full() -> None:
    roomy, tight = planned(roomy_network()), planned(tight_network())
    camera = parse_camera("16x12:rgb565")
    view = camera_view(plan_frame(camera, roomy.graph), roomy)
    place = next(p for p in roomy.placements if roomy.graph.inputs[0] in p.tensors)
    assert view.lines_offset_bytes is not None
    lines = range(view.lines_offset_bytes, view.lines_offset_bytes + view.lines_bytes)
    assert lines.stop <= roomy.arena_bytes
    assert lines.stop <= place.offset_bytes or lines.start >= place.offset_bytes + 12 * 12 * 3
    assert camera_view(plan_frame(camera, tight.graph), tight).lines_offset_bytes is None


def test_rendering_twice_gives_equal_bytes(tmp_path: Path) -> None:
    plan = planned(residual_network())
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        frame = plan_frame(parse_camera("160x120:rgb565"), plan.graph)
        generate_camera(frame, plan, tmp_path / folder, command="test")
    for name in CAMERA_FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
