"""What was flashed is found again by the build id that a device reports."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, DeviceError
from pipeline.records import Firmware
from pipeline.stages import flashed as module
from pipeline.stages.flashed import Flashed, recall, remember

BUILD_ID = "0123456789abcdef"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(module, "cache_path", lambda: folder)
    return folder


def record(folder: Path, build_id: str = BUILD_ID, content: bytes = b"a model") -> Flashed:
    folder.mkdir(exist_ok=True)
    tflite = folder / "model.tflite"
    tflite.write_bytes(content)
    (folder / "firmware.elf").write_bytes(b"an image")
    (folder / "build.log").write_text("a log")
    facts = {"build_id": build_id, "toolchain": "gcc 7.2.1", "size": None}
    (folder / "size.json").write_text(json.dumps(facts))
    firmware = Firmware(
        build_id=build_id,
        board="nano33",
        engine="aot",
        toolchain="gcc 7.2.1",
        elf_path=folder / "firmware.elf",
        size=None,
    )
    return Flashed(
        tflite=tflite,
        model_name="person",
        board="nano33",
        engine="aot",
        firmware=firmware,
        port="/dev/ttyACM0",
        when="2026-01-02T03:04:05+01:00",
    )


def test_record_outlives_the_folder_it_came_from(tmp_path: Path, cache: Path) -> None:
    given = record(tmp_path / "work")
    kept = remember(given)
    for path in (tmp_path / "work").iterdir():
        path.unlink()
    assert recall(BUILD_ID) == kept
    assert kept.tflite.read_bytes() == b"a model"
    assert kept.firmware.elf_path.read_bytes() == b"an image"
    assert kept.tflite.name == "model.tflite"
    firmware = dataclasses.replace(kept.firmware, elf_path=given.firmware.elf_path)
    assert dataclasses.replace(kept, tflite=given.tflite, firmware=firmware) == given
    assert [path.name for path in (cache / "flashed").iterdir()] == [BUILD_ID]


def test_flashing_again_replaces_the_record(tmp_path: Path) -> None:
    remember(record(tmp_path / "work"))
    remember(dataclasses.replace(record(tmp_path / "work"), port="/dev/ttyACM3"))
    assert recall(BUILD_ID).port == "/dev/ttyACM3"


@pytest.mark.parametrize("build_id", ["fedcba9876543210", "", "..", "../flashed", "echo"])
def test_unknown_firmware_is_named(tmp_path: Path, build_id: str) -> None:
    remember(record(tmp_path / "work"))
    with pytest.raises(DeviceError, match=f"did not flash: build id '{build_id}'.*Flash the model"):
        recall(build_id)


def test_oldest_records_make_room(tmp_path: Path, cache: Path) -> None:
    names = [f"{number:016x}" for number in range(module._KEPT_FIRMWARES)]
    for age, name in enumerate(names):
        remember(record(tmp_path / "work", name))
        os.utime(cache / "flashed" / name, (1000 + age, 1000 + age))
    remember(record(tmp_path / "work"))
    with pytest.raises(DeviceError):
        recall(names[0])
    assert recall(names[1]).firmware.build_id == names[1]
    assert recall(BUILD_ID).firmware.build_id == BUILD_ID


def test_a_record_of_another_form_is_named(tmp_path: Path, cache: Path) -> None:
    remember(record(tmp_path / "work"))
    (cache / "flashed" / BUILD_ID / "flashed.json").write_text('{"tflite": "model.tflite"}')
    with pytest.raises(ConfigError, match=r"expected a record of .*'model_name'.*flash again"):
        recall(BUILD_ID)
