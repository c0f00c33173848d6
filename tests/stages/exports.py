"""Exports of small models, and the compilers that build them on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline.data.frames import parse_camera
from pipeline.device.board import load_board
from pipeline.paths import cache_path
from pipeline.stages import ExportRequest, export_library
from tests.e2e.models import between_floats
from tests.shared import REPOSITORY
from tests.small_models import image_network, residual_network

STANDINS = REPOSITORY / "tests" / "standins"
STRICT = ("-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-funsigned-char")

MODELS: dict[str, Callable[[], bytes]] = {
    "residual": residual_network,
    "between floats": between_floats,
    "several outputs": lambda: image_network(3),
}


def export(
    folder: Path,
    kind: str,
    *,
    model: bytes | None = None,
    out: str = "",
    name: str = "tiny",
    camera: str = "",
    board: str = "",
) -> Path:
    """Export a model below `folder`; returns the place."""
    path = folder / f"{name}.tflite"
    path.write_bytes(model or residual_network())
    place = folder / (out or f"{name}-{kind}")
    export_library(
        ExportRequest(
            model=path,
            kind=kind,
            out=place,
            name=name,
            camera=parse_camera(camera) if camera else None,
            board=load_board(board) if board else None,
            command="test",
        )
    )
    return place


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def c_sources(folder: Path) -> list[Path]:
    """C files of an export's library, sorted."""
    return sorted((folder / "src").rglob("*.c"))


def compiled(
    command: Sequence[str], sources: Sequence[Path], out: Path, *flags: str | Path
) -> Path:
    """Compile sources one by one into `out`, and return that folder."""
    out.mkdir(parents=True)
    for number, source in enumerate(sources):
        run(*command, *flags, "-c", source, "-o", out / f"{number}_{source.stem}.o")
    return out


def host_c() -> list[str]:
    """This machine's C compiler, which takes C++ too; Zig's where there is none."""
    cc = shutil.which("cc")
    return [cc] if cc else [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=all"]


def run(*command: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> str:
    """Run a program that must succeed; returns what it prints."""
    cache = str(cache_path() / "zig")
    done = subprocess.run(
        list(map(str, command)),
        input=stdin,
        cwd=cwd,
        env={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache, **os.environ},
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode("utf-8", "replace")
    return done.stdout.decode("utf-8")


def printed_values(line: str) -> list[float]:
    """The values of a line "output 0: 0.9727 0.0273"."""
    return [float(text) for text in line.split(":")[1].split()]


def close_to(values: list[float], expected: np.ndarray) -> bool:
    """Whether printed values are those of an array, to the four places that are printed."""
    return len(values) == expected.size and bool(
        np.allclose(values, expected.reshape(-1), atol=0.6e-4)
    )
