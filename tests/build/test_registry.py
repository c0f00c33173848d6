"""Builds of boards that PlatformIO downloads for, with a fake in its place."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.build import environments, registry
from pipeline.build.environments import registry_platform
from pipeline.build.platformio import build_firmware
from pipeline.build.registry import ram_warning
from pipeline.build.size import read_framework_size
from pipeline.build.toolchain import find_toolchain
from pipeline.device.board import load_board
from pipeline.errors import BuildError, ConfigError, DoesNotFitError, MissingToolError
from pipeline.paths import firmware_path
from pipeline.records import SourceTree
from tests.fake_platformio import FakePlatformIO

ARM = ("-mcpu=cortex-m4", "-mthumb")
CORE = firmware_path() / "lib" / "core"
KERNELS = firmware_path() / "lib" / "kernels"
ENGINE = firmware_path() / "lib" / "engine_aot"

# What a framework would bring: an entry, a heap, variables, a name that is one of ours.
FRAMEWORK = """
#include <stdint.h>
uint8_t framework_buffer[4000];
const volatile char framework_text[3000] = "text";
static uint8_t arena[500];
extern int engine_invoke(void);
void Reset_Handler(void) {
  framework_buffer[0] = (uint8_t)(engine_invoke() + framework_text[1] + (uint8_t)(uintptr_t)arena);
}
"""
SCRIPT = """
SECTIONS {
  .text 0x10000 : { KEEP(*(.text.Reset_Handler)) *(.text* .rodata*) }
  .data 0x20000000 : { *(.data*) }
  .bss : { *(.bss*) *(COMMON) }
  .heap (NOLOAD) : { . += 100000; }
}
"""


@pytest.fixture
def platformio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlatformIO:
    monkeypatch.setattr(registry, "cache_path", lambda: tmp_path / "cache")
    return FakePlatformIO.install(tmp_path, monkeypatch)


@pytest.fixture
def linked(tmp_path: Path, model: SourceTree) -> Path:
    """A folder as PlatformIO leaves it: objects in our three folders, and an image."""
    built = tmp_path / "built"
    for name in ("espalier_harness", "espalier_runtime", "espalier_model", "framework"):
        (built / name).mkdir(parents=True)
    includes = [f"-I{path}" for path in (CORE, KERNELS, ENGINE, model.root)]
    units = {
        "espalier_runtime/engine_aot.o": ENGINE / "engine_aot.c",
        "espalier_runtime/fully_connected_s8.o": KERNELS / "fully_connected_s8.c",
        "espalier_model/model.o": model.root / "model.c",
        "espalier_model/weights.o": model.root / "weights.c",
        "espalier_harness/core_crc32.o": CORE / "crc32.cc",
        "framework/start.o": tmp_path / "start.c",
    }
    (tmp_path / "start.c").write_text(FRAMEWORK)
    (tmp_path / "link.ld").write_text(SCRIPT)
    for target, source in units.items():
        command = ["arm-none-eabi-gcc", *ARM, "-O2", "-ffunction-sections", "-fdata-sections"]
        command += ["-c", *includes, str(source), "-o", str(built / target)]
        subprocess.run(command, check=True)
    objects = [str(built / target) for target in units]
    link = ["arm-none-eabi-gcc", *ARM, "-nostdlib", "-Wl,--gc-sections,-e,Reset_Handler"]
    link += ["-Wl,--no-warn-rwx-segments", f"-T{tmp_path / 'link.ld'}", *objects]
    subprocess.run([*link, "-lc", "-lgcc", "-o", str(built / "firmware.elf")], check=True)
    return built


def answer_files(linked: Path) -> Mapping[Path, str]:
    return {linked: "{build}/nano33-aot"}


def test_which_boards_need_the_registry() -> None:
    assert registry_platform(load_board("mps2_an386"), "aot") is None
    assert registry_platform(load_board("nano33"), "aot") == "nordicnrf52 @ 10.11.0"
    assert registry_platform(load_board("esp32"), "echo") == "espressif32 @ 6.13.0"
    tflm = registry_platform(load_board("esp32"), "tflm")
    assert tflm is not None
    assert "pioarduino" in tflm
    assert registry_platform(load_board("nano33"), "none") is None


def test_local_file_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "firmware_path", lambda: tmp_path)
    local = tmp_path / "platformio.local.ini"
    local.write_text("[nano33]\nplatform = nordicnrf52 @ 9.5.0\n")
    assert registry_platform(load_board("nano33"), "aot") == "nordicnrf52 @ 9.5.0"
    local.write_text("[env:nano33-tflm]\nlib_deps = symlink:///a/library\n")
    assert registry_platform(load_board("nano33"), "tflm") == "nordicnrf52 @ 10.11.0"


def test_compiler_is_the_platforms() -> None:
    found = find_toolchain(load_board("nano33"))
    assert (found.kind, str(found)) == ("platformio", "nordicnrf52 10.11.0")
    with pytest.raises(ConfigError, match=r"expected auto for board 'nano33'.*Received: 'zig'"):
        find_toolchain(load_board("nano33"), "zig")


@pytest.mark.needs("arm-none-eabi-gcc")
def test_build(
    platformio: FakePlatformIO,
    linked: Path,
    model: SourceTree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", "/somebody/s/core")
    monkeypatch.setenv("PLATFORMIO_BUILD_FLAGS", "-DNOT_OURS")
    platformio.answer(
        "Platform Manager: Installing nordicnrf52 @ 10.11.0\n"
        "Tool Manager: Installing platformio/toolchain-gccarmnoneeabi @ ~1.70201.0\n"
        "RAM:   [===       ]  92.0% (used 241172 bytes from 262144 bytes)\n",
        files=answer_files(linked),
    )
    lines: list[str] = []
    firmware = build_firmware(
        load_board("nano33"), "aot", model, tmp_path / "out", log=lines.append
    )
    assert firmware.toolchain == "nordicnrf52 10.11.0"
    assert lines[0] == "building nano33-aot with nordicnrf52 10.11.0"
    assert lines[1] == "PlatformIO: Installing nordicnrf52 @ 10.11.0 (once)"
    assert "'nano33': static variables take 241,172 of 262,144 B of RAM (92%)" in lines[-1]
    (call,) = platformio.calls
    assert call.arguments == ("run", "-d", str(firmware_path()), "-e", "nano33-aot")
    environment = call.variables
    assert environment["PLATFORMIO_CORE_DIR"] == "/somebody/s/core"
    assert environment["ESPALIER_BUILD_ID"] == firmware.build_id
    assert environment["ESPALIER_SOURCES"] == str(model.root)
    assert "PLATFORMIO_BUILD_FLAGS" not in environment
    record = json.loads((tmp_path / "out" / "size.json").read_text())
    assert record["size"]["firmware"]["arena_bytes"] == firmware.size.arena_bytes


@pytest.mark.needs("arm-none-eabi-gcc")
def test_sizes_of_an_image_on_a_framework(linked: Path) -> None:
    image = read_framework_size(linked / "firmware.elf", linked)
    size = image.firmware
    # 640 weights and ten biases of four bytes, requantization, shapes.
    assert 680 <= size.weights_bytes <= 900
    assert 100 <= size.runtime_bytes <= 2_000
    assert size.harness_bytes == 0  # nothing calls crc32
    # The staged input is not reached, and the framework's own `arena` is not ours.
    assert 74 <= size.arena_bytes <= 96
    assert size.framework_ram_bytes >= 4_500
    assert size.static_ram_bytes == 0
    assert image.ram_bytes == size.arena_bytes
    parts = size.weights_bytes + size.runtime_bytes + size.harness_bytes
    assert size.framework_bytes == size.flash_bytes - parts
    assert 3_000 <= size.framework_bytes <= 4_000


@pytest.mark.needs("arm-none-eabi-gcc")
def test_stripped_image(linked: Path) -> None:
    elf = linked / "firmware.elf"
    subprocess.run(["arm-none-eabi-strip", str(elf)], check=True)
    with pytest.raises(BuildError, match=r"expected symbols of the objects.*none of them\. Link"):
        read_framework_size(elf, linked)


def test_no_network(platformio: FakePlatformIO, model: SourceTree, tmp_path: Path) -> None:
    platformio.answer(
        "Platform Manager: Installing espressif32 @ 6.13.0\nHTTPClientError: \n", status=1
    )
    with pytest.raises(MissingToolError, match="registry cannot be reached; this board needs its"):
        build_firmware(load_board("esp32"), "aot", model, tmp_path / "out")


def test_no_room(platformio: FakePlatformIO, model: SourceTree, tmp_path: Path) -> None:
    platformio.answer("ld: region `dram0_0_seg' overflowed by 80904 bytes\n", status=1)
    with pytest.raises(DoesNotFitError, match="80,904 B more than"):
        build_firmware(load_board("esp32"), "aot", model, tmp_path / "out")


def test_no_image_although_all_was_well(
    platformio: FakePlatformIO, model: SourceTree, tmp_path: Path
) -> None:
    platformio.answer("nothing to do\n")
    with pytest.raises(BuildError, match=r"Received:\n  nothing to do"):
        build_firmware(load_board("esp32"), "aot", model, tmp_path / "out")


def test_ends_in_time(
    platformio: FakePlatformIO, model: SourceTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_TIMEOUT_S", 0.3)
    platformio.answer("late\n", seconds=60)
    with pytest.raises(BuildError, match=r"end within 0\.3 s\. Received: no end"):
        build_firmware(load_board("esp32"), "aot", model, tmp_path / "out")


def test_ram_below_nine_tenths_is_no_warning() -> None:
    assert ram_warning("RAM: [=] 55.0% (used 144088 bytes from 262144 bytes)\n") is None
    assert ram_warning("") is None
