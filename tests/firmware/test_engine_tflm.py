"""The glue of engine tflm, over a double of TFLM: starting, layers, and every way to fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.codegen.render import generate
from pipeline.paths import firmware_path
from pipeline.plan.tflm.plan import make_tflm_plan
from pipeline.plan.tflm.runtimes import find_runtime
from tests.firmware.host_compiler import compile_firmware
from tests.firmware.line import READY, Line, frame
from tests.small_models import residual_network

FAKE = Path(__file__).parent / "programs" / "fake_tflm"
INPUT_BYTES = 6 * 6 * 3
LAYERS = 8


def firmware(out: Path, *flags: str) -> Path:
    """The host's firmware with a generated model, engine tflm and the double."""
    out.mkdir(exist_ok=True)
    path = out / "person.tflite"
    path.write_bytes(residual_network())
    plan = make_tflm_plan(path, find_runtime("tflite-micro-2026"))
    model = out / "model"
    generate(plan, model, command="test")
    engine = firmware_path() / "lib" / "engine_tflm"
    folders = [f"-I{folder}" for folder in (engine, model, FAKE)]
    return compile_firmware(
        out,
        model / "weights.c",
        "-DTF_LITE_STATIC_MEMORY",
        *folders,
        *flags,
        more=[model / "model.cc", *sorted(engine.glob("*.cc"))],
        sanitize=True,
    )


def assert_says(program: Path, reason: str) -> None:
    """The engine does not start: a line says why, and so does everything that needs it."""
    with Line(program) as line:
        greeting = line.until(READY).decode().split("\r\n")
        assert greeting[2:] == [f"e-[{reason}]", "m-init-done", "m-ready", ""]
        info = json.loads(line.command("info")[0].removeprefix("m-info-"))
        assert info["status"] == reason
        assert line.command("infer 1 0") == [f"e-[{reason}]"]
        assert line.command("name") == ["m-name-dut-[espalier]"]


def test_runs_and_times_its_layers(tmp_path: Path) -> None:
    with Line(firmware(tmp_path)) as line:
        line.until(READY)
        info = json.loads(line.command("info")[0].removeprefix("m-info-"))
        assert (info["engine"], info["status"], info["layers"]) == ("tflm", "ok", LAYERS)
        assert info["inputs"] == [INPUT_BYTES]
        for first in (0, 40):  # what one inference leaves does not reach the next
            line.send(frame(0x01, 1, bytes([first]) + bytes(INPUT_BYTES - 1)))
            assert line.frame()[2][12] == first + LAYERS
        line.send(frame(0x02, 2, bytes(INPUT_BYTES)))
        kind, _, payload = line.frame()
        assert kind == 0x82
        ticks = [int.from_bytes(payload[at : at + 8], "little") for at in range(4, len(payload), 8)]
        assert len(ticks) == LAYERS
        assert max(ticks) < 1 << 32


def test_arena_that_is_too_small(tmp_path: Path) -> None:
    assert_says(
        firmware(tmp_path, "-DFAKE_ARENA_BYTES=1000000"),
        "TFLM cannot allocate its tensors: Failed to resize buffer. Requested: 1000000, available "
        f"{arena_bytes(tmp_path)}, missing: {1000000 - arena_bytes(tmp_path)}; AllocateTensors "
        "failed at node -1 (ab)",
    )


def arena_bytes(folder: Path) -> int:
    text = (folder / "model" / "model.h").read_text()
    return int(text.split("MODEL_ARENA_BYTES ")[1].split()[0])


def test_other_schema_version(tmp_path: Path) -> None:
    assert_says(
        firmware(tmp_path, "-DFAKE_SCHEMA=4"),
        "the model's schema version is not the one that TFLM reads",
    )


def test_operator_that_tflm_does_not_take(tmp_path: Path) -> None:
    assert_says(
        firmware(tmp_path, "-DFAKE_NO_MEAN"),
        "TFLM cannot register an operator: Couldn't register builtin op #40",
    )


def test_inference_that_fails(tmp_path: Path) -> None:
    with Line(firmware(tmp_path)) as line:
        line.until(READY)
        for kind in (0x01, 0x02):
            line.send(frame(kind, 1, b"\x7d" + bytes(INPUT_BYTES - 1)))
            received, _, payload = line.frame()
            assert received == 0xFF
            reason = "TFLM cannot run the model: Node LAYER (number 1) failed at 2%"
            assert payload[1:].decode() == reason
        line.send(frame(0x01, 2, bytes(INPUT_BYTES)))
        assert line.frame()[2][12] == LAYERS


@pytest.mark.needs("cc")
def test_library_without_static_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="set it in build_flags"):
        firmware(tmp_path, "-UTF_LITE_STATIC_MEMORY")
