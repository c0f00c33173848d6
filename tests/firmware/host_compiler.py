"""Compiles variants of the host firmware that no PlatformIO environment describes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.paths import boards_path, cache_path, firmware_path

SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compile_firmware(
    out: Path,
    engine: Path,
    *flags: str,
    more: Sequence[Path] = (),
    model_name: str = "none",
    sanitize: bool = False,
) -> Path:
    """The firmware with the engine of one C file; with sanitizers where the compiler has them.

    Args:
        out: folder for what is made.
        engine: a C file.
        flags: for everything.
        more: C++ files that belong to the engine.
        model_name: what the firmware calls its model.
        sanitize: whether to look for undefined behaviour.
    """
    cc = shutil.which("cc")
    if sanitize and cc is not None and _has_sanitizers(cc, out):
        flags += SANITIZE
    core = firmware_path() / "lib" / "core"
    # The C driver compiles C++ as well, and links no C++ library: the firmware needs none.
    compiler = [cc] if cc else [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=all"]
    plain = ["-funsigned-char", "-Wall", "-Wextra", "-Werror", f"-I{core}", *flags]
    identity = {"BUILD_ID": "0123456789abcdef", "MODEL_NAME": model_name, "BOARD": "host"}
    plain += [f'-DESPALIER_{key}="{value}"' for key, value in identity.items()]
    out.mkdir(parents=True, exist_ok=True)
    engine_object, program = out / "engine.o", out / "firmware"
    sources = [*core.glob("*.cc"), firmware_path() / "src/main.cc", boards_path() / "host/port.cc"]
    sources += more
    _run([*compiler, "-std=c11", *plain, "-c", engine, "-o", engine_object])
    _run(
        [*compiler, "-std=gnu++14", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"]
        + [*plain, *sorted(sources), engine_object, "-o", program]
    )
    return program


def _has_sanitizers(cc: str, folder: Path) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "empty.c"
    source.write_text("int main(void) { return 0; }\n")
    command = [cc, *SANITIZE, str(source), "-o", str(folder / "empty")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(command: list[str | Path]) -> None:
    caches = {f"ZIG_{scope}_CACHE_DIR": str(cache_path() / "zig") for scope in ("GLOBAL", "LOCAL")}
    answer = subprocess.run(
        command, env=os.environ | caches, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
