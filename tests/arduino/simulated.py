"""Boards with an Arduino core as programs of this computer.

Port and firmware are the real ones, only the Arduino API under them is a stand-in. They speak the
protocol on stdin and stdout: as a process (pipeline.device.host), or on a serial port.
"""

from __future__ import annotations

import os
import platform
import pty
import shutil
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.paths import boards_path, cache_path, firmware_path
from pipeline.records import SourceTree

BUILD_ID = "0123456789abcdef"

_HERE = Path(__file__).parent
# By board: the libraries that its port is made of, and the stand-in under it.
_BOARDS = {
    "nano33": (("arduino",), "mbed"),
    "esp32": (("arduino", "arduino_esp32"), "esp32"),
    "esp32c3": (("arduino", "arduino_esp32"), "esp32"),
}
# Arm assembly; the stand-in has its own.
_NOT_HERE = {"fault.cc"}
_WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wvla", "-Werror")


def build_simulated(
    board: str,
    out: Path,
    *,
    engine: str = "echo",
    source: SourceTree | None = None,
    build_id: str = BUILD_ID,
    model_name: str = "none",
) -> Path:
    """The firmware of a board as a program; pipeline.device.host.HostDevice runs it.

    Args:
        board: "nano33", "esp32" or "esp32c3".
        out: folder, made where it is missing.
        engine: a folder firmware/lib/engine_<engine>.
        source: the generated model, for the engine aot.
        build_id, model_name: what the firmware says of itself.
    """
    libraries, stand_in = _BOARDS[board]
    lib = firmware_path() / "lib"
    folders = [lib / "core", firmware_path() / "src", boards_path() / board]
    folders += [lib / name for name in libraries]
    folders += [_HERE / "common", _HERE / stand_in]
    engines = [lib / f"engine_{engine}"]
    if source is not None:
        engines += [lib / "kernels", source.root]
    out.mkdir(parents=True, exist_ok=True)
    facts = {"BUILD_ID": build_id, "MODEL_NAME": model_name, "BOARD": board}
    flags = ["-O1", "-funsigned-char", *_WARNINGS]
    flags += [f'-DESPALIER_{key}="{value}"' for key, value in facts.items()]
    flags += [f"-I{folder}" for folder in (*folders, *engines)]
    if platform.machine() in ("x86_64", "AMD64"):
        # A port paints the stack below its own frame, where this machine keeps variables.
        flags += ["-mno-red-zone"]
    if sys.platform == "darwin":
        # Its object format has no sections of such names.
        flags += ["-Dsection(name)="]
    sources = [path for folder in engines for path in sorted(folder.rglob("*.c"))]
    objects = [_compile(path, out / f"{n}.o", "-std=c11", *flags) for n, path in enumerate(sources)]
    units = [path for folder in folders for path in sorted(folder.glob("*.cc"))]
    program = out / "firmware"
    run_compiler(
        ["-std=gnu++14", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", *flags]
        + [str(path) for path in units if path.name not in _NOT_HERE]
        + [*objects, "-pthread", "-o", str(program)]
    )
    return program


@contextmanager
def on_serial_port(program: Path) -> Iterator[str]:
    """A simulated board that is plugged in: the path of a serial port that leads to it."""
    board, port = pty.openpty()
    try:
        tty.setraw(port)
        with subprocess.Popen([program], stdin=board, stdout=board) as process:
            try:
                yield os.ttyname(port)
            finally:
                process.terminate()
    finally:
        os.close(board)
        os.close(port)


def _compile(source: Path, target: Path, *flags: str) -> str:
    run_compiler([*flags, "-c", str(source), "-o", str(target)])
    return str(target)


def run_compiler(arguments: list[str]) -> None:
    """The compiler of this machine, or Zig; shows what it says when it refuses."""
    cc = shutil.which("cc")
    # The C driver compiles C++ as well, and links no C++ library: the firmware needs none.
    compiler = [cc] if cc else [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=all"]
    caches = {f"ZIG_{scope}_CACHE_DIR": str(cache_path() / "zig") for scope in ("GLOBAL", "LOCAL")}
    answer = subprocess.run(
        [*compiler, *arguments],
        env=os.environ | caches,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
