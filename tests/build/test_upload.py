"""Uploading: what PlatformIO is called with, and what is made of what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.build import registry
from pipeline.build import upload as upload_module
from pipeline.build.platformio import _write_core_folder as write_core_folder
from pipeline.build.upload import Image, upload
from pipeline.errors import BuildError, DeviceError, MissingToolError, PipelineError
from pipeline.paths import firmware_path
from pipeline.records import Firmware, SourceTree
from tests.desk import esp32, nano33
from tests.fake_platformio import FakePlatformIO

BUILD_ID = "0123456789abcdef"


@pytest.fixture
def image(no_model: SourceTree, tmp_path: Path) -> Image:
    firmware = Firmware(
        build_id=BUILD_ID,
        board="mps2_an386",
        engine="echo",
        toolchain="gcc 12",
        elf_path=tmp_path / "firmware.elf",
        size=None,
    )
    return Image(firmware=firmware, source=no_model, model_name="none")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(registry, "cache_path", lambda: folder)
    return folder


def test_call(image: Image, cache: Path, platformio: FakePlatformIO, tmp_path: Path) -> None:
    platformio.plan("no device", "noise")
    log = tmp_path / "upload.log"
    assert upload(image, nano33(), "/dev/ttyACM7", log) == "No device found on ttyACM7"
    assert "Using manually specified: /dev/ttyACM7" in log.read_text()
    upload(image, esp32(), "/dev/ttyUSB0", log, speed=115200)
    first, second = platformio.calls
    assert first.arguments[0] == "run"
    assert first.arguments[-6:] == (
        *("-e", "mps2_an386-echo"),
        *("-t", "upload", "--upload-port", "/dev/ttyACM7"),
    )
    assert "nobuild" not in first.arguments
    variables = first.variables
    # The same as the build's, or everything would be compiled once more, with another build id.
    assert variables["ESPALIER_BUILD_ID"] == BUILD_ID
    work = cache / "platformio" / "mps2_an386-echo"
    assert variables["PLATFORMIO_BUILD_DIR"] == str(work / "build")
    assert "ESPALIER_UPLOAD_SPEED" not in variables
    assert second.variables["ESPALIER_UPLOAD_SPEED"] == "115200"


@pytest.mark.parametrize(
    ("outcome", "complaint"),
    [
        ("no device", "No device found on ttyX"),
        ("no new port", "Couldn't find a board on the selected port"),
        ("gone", r"\[Errno 2\] could not open port /dev/ttyX"),
        ("no permission", r"\[Errno 13\] could not open port /dev/ttyX"),
        ("sam-ba", "SAM-BA operation failed"),
        ("boot mode", r"^Failed to connect to ESP32: Wrong boot mode detected \(0x13\)!"),
        ("noise", "^No serial data received"),
    ],
)
def test_what_may_be_tried_again(
    outcome: str,
    complaint: str,
    image: Image,
    cache: Path,
    platformio: FakePlatformIO,
    tmp_path: Path,
) -> None:
    platformio.plan(outcome)
    said = upload(image, nano33(), "/dev/ttyX", tmp_path / "upload.log")
    assert re.search(complaint, said)


@pytest.mark.parametrize(
    ("outcome", "error", "status", "message"),
    [
        (
            "offline",
            MissingToolError,
            3,
            "needs its uploader .* no answer for platformio/tool-openocd",
        ),
        ("no bossac", MissingToolError, 3, "Received: no bossac"),
        ("compiler", BuildError, 1, "to be up to date or to build. Received: src/main.cc:10:3"),
        ("other", DeviceError, 4, "(?s)to write the image. Received:.*nobody has seen before"),
    ],
)
def test_what_another_try_does_not_mend(
    outcome: str,
    error: type[PipelineError],
    status: int,
    message: str,
    image: Image,
    cache: Path,
    platformio: FakePlatformIO,
    tmp_path: Path,
) -> None:
    platformio.plan(outcome)
    log = tmp_path / "upload.log"
    with pytest.raises(error, match=message) as caught:
        upload(image, nano33(), "/dev/ttyX", log)
    assert type(caught.value) is error
    assert caught.value.exit_status == status
    assert str(log) in str(caught.value)


def test_uploader_that_hangs_is_ended(
    image: Image,
    cache: Path,
    platformio: FakePlatformIO,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload_module, "_SILENCE_S", 5.0)
    platformio.plan("hang")
    start = time.monotonic()
    said = upload(image, nano33(), "/dev/ttyX", tmp_path / "upload.log")
    assert said == "the uploader said nothing for 5 s"
    # Far below the hour that the program and the child that it waits for would take.
    assert time.monotonic() - start < 60
    await_end(int((platformio.folder / "child").read_text()))


def test_interrupt_ends_the_uploader(
    image: Image, cache: Path, platformio: FakePlatformIO, tmp_path: Path
) -> None:
    def interrupt(done: int, total: int) -> None:
        assert (done, total) == (50, 100)
        raise KeyboardInterrupt

    platformio.plan("hang")
    with pytest.raises(KeyboardInterrupt):
        upload(image, nano33(), "/dev/ttyX", tmp_path / "upload.log", on_progress=interrupt)
    await_end(int((platformio.folder / "child").read_text()))


def await_end(process: int) -> None:
    """Waits until a process that was killed has gone."""
    end = time.monotonic() + 20.0
    while is_running(process):
        assert time.monotonic() < end, "it runs on"
        time.sleep(0.02)


def is_running(process: int) -> bool:
    """Whether a process is there and not only waits to be buried."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_speed_reaches_the_uploader(tmp_path: Path) -> None:
    """The real PlatformIO, with a platform whose uploader says what it was given."""
    platform = tmp_path / "platform"
    (platform / "boards").mkdir(parents=True)
    (platform / "builder").mkdir()
    facts = {"name": "says", "title": "says", "version": "0.1.0", "packages": {}}
    (platform / "platform.json").write_text(json.dumps(facts))
    upload_facts = {"speed": 460800, "maximum_size": 1, "maximum_ram_size": 1}
    board = {"name": "b", "url": "https://b", "vendor": "b", "upload": upload_facts}
    board |= {"build": {"mcu": "m", "f_cpu": "1L"}}
    (platform / "boards" / "b.json").write_text(json.dumps(board))
    (platform / "builder" / "main.py").write_text(
        "from SCons.Script import DefaultEnvironment\n"
        "DefaultEnvironment().AddPlatformTarget(\n"
        "    'upload', None, 'echo uploader: $UPLOAD_SPEED on $UPLOAD_PORT', 'upload')\n"
    )
    project = tmp_path / "project.ini"
    project.write_text(
        f"[env:says]\nplatform = symlink://{platform}\nboard = b\nlib_ldf_mode = off\n"
        f"build_src_filter = -<*>\ncustom_board = host\ncustom_engine = echo\n"
        f"extra_scripts = pre:{firmware_path()}/scripts/add_sources.py\n"
    )
    core = tmp_path / "core"
    write_core_folder(core)
    said = {}
    for speed in ("", "115200"):
        answer = subprocess.run(
            [
                *(sys.executable, "-m", "platformio", "run", "-d", str(firmware_path())),
                *("-c", str(project), "-e", "says"),
                *("-t", "upload", "--upload-port", "/dev/ttyX"),
            ],
            env=os.environ
            | {
                "PLATFORMIO_CORE_DIR": str(core),
                "PLATFORMIO_WORKSPACE_DIR": str(tmp_path / "workspace"),
                "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
                "PLATFORMIO_SETTING_CHECK_PLATFORMIO_INTERVAL": "36500",
                "ESPALIER_UPLOAD_SPEED": speed,
            },
            capture_output=True,
            text=True,
            check=True,
        )
        said[speed] = [x for x in answer.stdout.splitlines() if x.startswith("uploader:")][-1]
    assert said == {
        "": "uploader: 460800 on /dev/ttyX",
        "115200": "uploader: 115200 on /dev/ttyX",
    }


def test_fake_leaves_everything_else_to_the_real_platformio(
    platformio: FakePlatformIO,
) -> None:
    command = [sys.executable, "-m", "platformio", "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("PlatformIO Core, version 6")
