"""The Nano's port and the whole firmware against the headers of Arduino's real core.

ESPALIER_ARDUINO_MBED names a folder with the core for Mbed OS boards, as a release of it unpacks:
cores/arduino (with ArduinoCore-API's folder `api` in it) and variants/ARDUINO_NANO33BLE.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.paths import boards_path, firmware_path
from tests.boards.test_strict import IDENTITY

LIB = firmware_path() / "lib"
FOLDERS = (
    *(boards_path() / "nano33", LIB / "arduino", LIB / "core", firmware_path() / "src"),
    *(LIB / "engine_echo", LIB / "engine_aot", LIB / "kernels"),
)
VARIABLE = "ESPALIER_ARDUINO_MBED"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wvla", "-Werror")

pytestmark = pytest.mark.needs("arm-none-eabi-gcc")


@pytest.fixture(scope="module")
def core(request: pytest.FixtureRequest) -> Path:
    """The folder of the core; skips by the variable's name."""
    value = os.environ.get(VARIABLE, "")
    path = Path(value)
    if value and (path / "cores" / "arduino" / "api").is_dir():
        return path
    if VARIABLE in request.config.getoption("--require"):
        pytest.fail(f"{VARIABLE} is required and names no Arduino core: {value!r}")
    pytest.skip(f"{VARIABLE} names no folder of Arduino's core for Mbed OS")


def framework_flags(core: Path, language: str) -> list[str]:
    """The flags that the core's own files give to a sketch for the Nano 33 BLE."""
    variant = core / "variants" / "ARDUINO_NANO33BLE"
    arduino = core / "cores" / "arduino"
    lines = (variant / f"{language}flags.txt").read_text().split()
    flags = [flag for flag in lines if flag not in ("-c", "-Wall", "-Wextra")]
    flags += [f"@{variant / 'defines.txt'}", "-include", str(variant / "mbed_config.h")]
    flags += ["-DARDUINO=10819", "-DARDUINO_ARDUINO_NANO33BLE", "-DARDUINO_ARCH_MBED"]
    flags += ["-DARDUINO_ARCH_NRF52840", "-DMBED_NO_GLOBAL_USING_DIRECTIVE=1"]
    flags += ["-DUSBCON", "-DUSB_VID=0x2341", "-DUSB_PID=0x805a"]
    for folder in (arduino, arduino / "api" / "deprecated", variant):
        flags += ["-isystem", str(folder)]
    for line in (variant / "includes.txt").read_text().split():
        flags += ["-isystem", str(arduino / line.removeprefix("-iwithprefixbefore/"))]
    return flags


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "language"), [(".cc", "cxx"), (".c", "c")])
def test_firmware_compiles_for_the_real_core(
    core: Path, suffix: str, language: str, tmp_path: Path
) -> None:
    sources = [path for folder in FOLDERS for path in sorted(folder.rglob(f"*{suffix}"))]
    # A generated model is compiled with it elsewhere.
    sources = [path for path in sources if path.name != "engine_aot.c"]
    assert len(sources) >= 10
    compiler = "arm-none-eabi-g++" if suffix == ".cc" else "arm-none-eabi-gcc"
    command = [compiler, *framework_flags(core, language), *STRICT, *IDENTITY]
    command += [f"-I{folder}" for folder in FOLDERS]
    answer = subprocess.run(
        [*command, "-c", *map(str, sources)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert len(list(tmp_path.glob("*.o"))) == len(sources)


def test_no_name_of_ours_is_one_of_mbed(core: Path, tmp_path: Path) -> None:
    """Mbed OS is linked as a whole: a function of ours with a name of its HAL would be a second."""
    hal = core / "cores" / "arduino" / "mbed" / "hal" / "include" / "hal"
    headers = "".join(path.read_text() for path in hal.glob("*_api.h"))
    sources = sorted((boards_path() / "nano33").glob("*.cc")) + sorted(LIB.glob("arduino/*.cc"))
    command = ["arm-none-eabi-g++", *framework_flags(core, "cxx"), *IDENTITY]
    command += [f"-I{folder}" for folder in FOLDERS]
    subprocess.run([*command, "-c", *map(str, sources)], cwd=tmp_path, check=True)
    names = subprocess.run(
        ["arm-none-eabi-nm", "--defined-only", "-g", "-j", *map(str, tmp_path.glob("*.o"))],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "setup" in names
    assert [name for name in names if f"{name}(" in headers] == []
