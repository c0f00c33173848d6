from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.build.size import read_size
from pipeline.build.symbols import flash_parts
from pipeline.records import FirmwareSize
from tests.shared import REPOSITORY

SOURCE = """
#define IN(name) __attribute__((section(name), used))
IN(".harness") void Reset(void) { for (;;) {} }
IN(".weights") const int model_00_stream[5] = {1};
IN(".weights") const char model_tensor_3[3] = {1};
IN(".text") int twice(int x) { return 2 * x; }
"""
SCRIPT = """
SECTIONS {
  .harness 0 : { *(.harness) }
  .weights : { *(.weights) }
  .text : { *(.text*) }
  .data : { *(.data*) }
  /DISCARD/ : { *(.comment) *(.ARM*) *(.note*) *(.eh_frame*) }
}
"""


def sums(parts: tuple[object, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in parts:
        found[part.owner] = found.get(part.owner, 0) + part.size_bytes  # type: ignore[attr-defined]
    return found


@pytest.mark.needs("arm-none-eabi-gcc")
def test_parts_add_up_to_the_sections(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(SOURCE)
    (tmp_path / "a.ld").write_text(SCRIPT)
    command = ["arm-none-eabi-gcc", "-nostdlib", "-mcpu=cortex-m4", "-mthumb", "a.c", "-Ta.ld"]
    subprocess.run([*command, "-o", "a.elf"], cwd=tmp_path, check=True, capture_output=True)
    size = read_size(tmp_path / "a.elf").firmware
    parts = flash_parts(tmp_path / "a.elf", size)
    assert sum(part.size_bytes for part in parts) == size.flash_bytes
    assert sums(parts) == {
        "weights": size.weights_bytes,
        "runtime": size.runtime_bytes,
        "harness": size.harness_bytes,
    }
    named = {part.symbol: part.size_bytes for part in parts if part.owner == "weights"}
    assert named["model_00_stream"] == 20
    assert named["model_tensor_3"] == 3


def test_an_image_on_a_framework_stays_whole_by_owner() -> None:
    size = FirmwareSize(
        weights_bytes=10,
        runtime_bytes=20,
        harness_bytes=30,
        flash_bytes=160,
        arena_bytes=0,
        static_ram_bytes=0,
        framework_bytes=100,
    )
    parts = flash_parts(REPOSITORY / "none.elf", size)
    assert sums(parts) == {"weights": 10, "runtime": 20, "harness": 30, "framework": 100}
    assert {part.symbol for part in parts} == {""}
