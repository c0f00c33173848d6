"""The environments of Arduino boards in the real PlatformIO, on a stand-in of platform and core.

What is downloaded elsewhere is here a platform of a few lines that sets the flags which the real
ones set, in the order in which they come: after scripts/add_sources.py has run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.build import platformio
from pipeline.device.board import load_board
from pipeline.device.host import HostDevice
from pipeline.device.protocol import Client
from pipeline.paths import boards_path, firmware_path
from pipeline.records import SourceTree

STAND_IN = Path(__file__).parent.parent / "arduino"

BUILDER = """
import pathlib
from SCons.Script import Default, DefaultEnvironment
env = DefaultEnvironment()
env.Replace(CC="cc", CXX="c++", LINK="c++", PROGNAME="firmware", PROGSUFFIX=".elf")
env.Append(LINKFLAGS=["-pthread", "-no-pie", "-mfloat-abi=soft"])
Default(env.BuildProgram())
"""
FRAMEWORK = """
from SCons.Script import DefaultEnvironment
env = DefaultEnvironment()
env.Append(
    CCFLAGS=["-Os", "-fsigned-char", "-mfloat-abi=soft"],
    CFLAGS=["-std=gnu99"],
    CXXFLAGS=["-std=gnu++11", "-fno-exceptions", "-fno-rtti"],
    CPPDEFINES=[("ARDUINO", 10819)],
    CPPPATH=[r"{common}", r"{system}"],
)
env.Prepend(LIBS=[
    env.BuildLibrary("$BUILD_DIR/Common", r"{common}"),
    env.BuildLibrary("$BUILD_DIR/System", r"{system}"),
])
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of boards/ and firmware/ whose nano33 is on the stand-in."""
    for path in (boards_path(), firmware_path()):
        shutil.copytree(path, tmp_path / path.name)
    platform = tmp_path / "platform"
    (platform / "builder").mkdir(parents=True)
    (platform / "boards").mkdir()
    frameworks = {"arduino": {"script": "builder/arduino.py"}}
    facts = {"name": "standin", "title": "x", "version": "0.1.0", "packages": {}}
    (platform / "platform.json").write_text(json.dumps(facts | {"frameworks": frameworks}))
    board: dict[str, object] = {"name": "x", "vendor": "x", "url": "x", "frameworks": ["arduino"]}
    board["build"] = {"mcu": "x", "f_cpu": "64000000L"}
    board["upload"] = {"maximum_size": 983040, "maximum_ram_size": 262144}
    (platform / "boards" / "nano33ble.json").write_text(json.dumps(board))
    (platform / "builder" / "main.py").write_text(BUILDER)
    folders = {"common": STAND_IN / "common", "system": STAND_IN / "mbed"}
    (platform / "builder" / "arduino.py").write_text(FRAMEWORK.format(**folders))
    (tmp_path / "firmware" / "platformio.local.ini").write_text(
        f"[nano33]\nplatform = symlink://{platform}\n"
    )
    # The port's own assembly is Arm's.
    (tmp_path / "boards" / "nano33" / "fault.cc").unlink()
    monkeypatch.setattr(platformio, "firmware_path", lambda: tmp_path / "firmware")
    return tmp_path


@pytest.mark.needs("cc")
def test_our_flags_hold_behind_those_of_a_framework(
    project: Path, no_model: SourceTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformio, "read_size", lambda path: None)
    board = load_board("nano33")
    variables = {"ESPALIER_BUILD_ID": "0123456789abcdef", "ESPALIER_MODEL_NAME": "a-b"}
    platformio._build_with_own_platform(board, "nano33-echo", variables, project)
    commands = (project / "build.log").read_text().splitlines()
    ours = [line for line in commands if " -c " in line and "espalier_" in line]
    assert len(ours) >= 10
    for command in ours:
        words = command.split()
        optimizations = [word for word in words if word.startswith("-O")]
        languages = [word for word in words if word.startswith("-std=")]
        chars = [word for word in words if word.endswith("signed-char")]
        wanted = "-O2" if "espalier_runtime" in command else "-Os"
        assert (optimizations[0], optimizations[-1]) == ("-Os", wanted)
        assert languages[-1] == (
            "-std=gnu++14" if ".cc" in words[-1] or "c++" in words[0] else "-std=c11"
        )
        assert chars[-1] == "-funsigned-char"
        # Taken away again: the Nano's chip has an FPU.
        assert "-mfloat-abi=soft" not in words
    assert not any("ESPALIER_BUILD_ID" in line for line in commands if "/Common/" in line)
    program = project / "firmware.elf"
    program.chmod(0o755)
    with HostDevice(program) as device:
        client = Client(device)
        client.connect()
        assert (client.info().board, client.info().build_id) == ("nano33", "0123456789abcdef")
        assert client.text("profile")[1] == "m-model-[a-b]"


def test_local_file_is_ignored_by_git() -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = firmware_path().parent
    path = "firmware/platformio.local.ini"
    answer = subprocess.run(["git", "check-ignore", path], cwd=root, capture_output=True)
    assert answer.returncode in (0, 128)  # 128: no clone, but an archive
