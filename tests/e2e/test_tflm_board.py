"""TFLM from a folder on the emulated board: outputs, arena, and that it is never silent."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import struct
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.build.platformio import build_firmware
from pipeline.build.tflm_library import VARIABLE
from pipeline.codegen.render import generate
from pipeline.device.board import load_board
from pipeline.device.protocol import Client
from pipeline.device.select import make_device
from pipeline.plan.tflm.plan import make_tflm_plan
from pipeline.plan.tflm.runtimes import find_runtime
from pipeline.records import ARENA_ALIGNMENT_BYTES, SourceTree
from tests.shared import REFERENCE_MODELS, shared_path
from tests.small_models import residual_network

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.needs("arm-none-eabi-gcc", "unicorn"),
    pytest.mark.skipif(
        VARIABLE not in os.environ, reason=f"no TensorFlow Lite Micro (set {VARIABLE})"
    ),
]

BOARD = load_board("mps2_an386")
# Nothing but FULLY_CONNECTED, which TFLM rounds in its own way (tests/e2e/test_tflm_host.py).
ROUNDED_OTHERWISE = ("ad01_int8",)


def deploy(model: Path, folder: Path, *options: str) -> tuple[int, dict[str, object]]:
    path = folder / "report.json"
    arguments = ["-q", "deploy", str(model), "--engine", "tflm", "--toolchain", "gcc"]
    arguments += ["--work", str(folder / "work"), "--json", str(path), *options]
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code, json.loads(path.read_text())


@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_reference_models(name: str, tmp_path: Path) -> None:
    code, report = deploy(shared_path(f"models/{name}.tflite"), tmp_path, "--emulator", "unicorn")
    if name in ROUNDED_OTHERWISE:
        assert code == 1
    else:
        assert (code, report["mismatches"]) == (0, 0)
    assert report["engine"] == "tflm"
    layers = report["layers"]
    assert isinstance(layers, list)
    assert sum(layer["instructions"] > 0 for layer in layers) > 0.8 * len(layers)


@pytest.mark.needs("qemu-system-arm")
def test_both_emulators_agree(tmp_path: Path) -> None:
    path = tmp_path / "person.tflite"
    path.write_bytes(residual_network())
    for emulator in ("unicorn", "qemu"):
        code, report = deploy(path, tmp_path, "--emulator", emulator)
        assert (code, report["mismatches"]) == (0, 0)


def sources(folder: Path, data: bytes) -> SourceTree:
    path = folder / "person.tflite"
    path.write_bytes(data)
    plan = make_tflm_plan(path, find_runtime("tflite-micro-2026"))
    return generate(plan, folder / "model", command="test")


def status(folder: Path, source: SourceTree) -> str:
    """What a firmware of these sources says about itself."""
    firmware = build_firmware(BOARD, "tflm", source, folder / "out", toolchain="gcc")
    with make_device("unicorn", BOARD, firmware) as device:
        client = Client(device, None)
        client.connect()
        return client.info().status


def edited(source: SourceTree, name: str, pattern: str, replacement: str) -> SourceTree:
    path = source.root / name
    text, count = re.subn(pattern, replacement, path.read_text())
    assert count == 1
    path.write_text(text)
    return dataclasses.replace(source, digest=source.digest + replacement)


def test_a_block_less_is_too_little(tmp_path: Path) -> None:
    source = sources(tmp_path, residual_network())
    size = int(re.findall(r"MODEL_ARENA_BYTES (\d+)", (source.root / "model.h").read_text())[0])
    less = f"MODEL_ARENA_BYTES {size - ARENA_ALIGNMENT_BYTES} "
    text = status(tmp_path, edited(source, "model.h", rf"MODEL_ARENA_BYTES {size} ", less))
    assert text.startswith("TFLM cannot allocate its tensors: ")


def test_operator_missing_from_the_resolver(tmp_path: Path) -> None:
    source = sources(tmp_path, residual_network())
    text = status(tmp_path, edited(source, "model.cc", r"  if \(operators->AddMean.*\n", ""))
    assert "MEAN" in text


def test_other_schema_version(tmp_path: Path) -> None:
    data = bytearray(residual_network())
    table = struct.unpack_from("<I", data, 0)[0]
    vtable = table - struct.unpack_from("<i", data, table)[0]
    struct.pack_into("<I", data, table + struct.unpack_from("<H", data, vtable + 4)[0], 4)
    assert status(tmp_path, sources(tmp_path, bytes(data))) == (
        "the model's schema version is not the one that TFLM reads"
    )
