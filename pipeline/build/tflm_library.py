"""Compile the sources of TensorFlow Lite Micro (TFLM) that a user has, once, into an archive.

Real boards get TFLM as a library through PlatformIO. For the emulated board, which needs no
registry, the environment variable ESPALIER_TFLM names a folder with its sources (docs/tflm.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import hash_tree
from pipeline.errors import BuildError, ConfigError, MissingToolError
from pipeline.paths import cache_path

VARIABLE = "ESPALIER_TFLM"
ARCHIVE = "libtflm.a"

_JOBS = 2
_TIMEOUT_S = 300
_SUFFIXES = (".c", ".cc", ".cpp", ".h", ".hpp", ".inc")
# What every TFLM has.
_LANDMARK = Path("tensorflow/lite/micro/micro_interpreter.h")
_INCLUDES = (
    "",
    "third_party/flatbuffers/include",
    "third_party/gemmlowp",
    "third_party/ruy",
    "third_party/cmsis_nn",
    "third_party/cmsis_nn/Include",
)
_SOURCE_FOLDERS = ("tensorflow", "third_party/cmsis_nn/Source")
# Folders that hold tests, tools and kernels for other machines.
_FOREIGN_FOLDERS = frozenset(
    (
        *("Bindings", "arc_mli", "benchmarks", "ceva", "esp_nn", "ethos_u", "examples"),
        *("experimental", "hexagon", "integration_tests", "microfrontend", "models", "python"),
        *("testing", "tests", "tools", "xtensa"),
    )
)
# Ends of names of test programs, and of CMSIS-NN's kernels for floats: TFLM calls none of them, and
# their types are CMSIS-DSP's.
_FOREIGN_ENDS = ("_test", "_f16", "_f32")
# Names of test programs and test doubles; and of the files that a platform replaces.
_FOREIGN_NAMES = ("fake_", "kernel_runner", "mock_", "test_")
_REPLACED = ("debug_log", "micro_time", "system_setup")
_OPTIMIZED = "cmsis_nn"
_DEFINES = ("-DTF_LITE_STATIC_MEMORY", "-DTF_LITE_DISABLE_X86_NEON", "-DCMSIS_NN", "-DNDEBUG")
_FLAGS = (
    "-O2",
    "-w",
    "-ffunction-sections",
    "-fdata-sections",
    "-funsigned-char",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
)
_CXX_FLAGS = ("-std=gnu++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")


@dataclass(frozen=True, slots=True, kw_only=True)
class TflmLibrary:
    """TFLM, compiled.

    Attributes:
        archive: the static library.
        includes: folders of its headers.
        defines: options that its headers need.
    """

    archive: Path
    includes: tuple[Path, ...]
    defines: tuple[str, ...]


def tflm_folder() -> Path:
    """The folder that ESPALIER_TFLM names: the one above `tensorflow/`.

    Raises:
        MissingToolError: it names nothing.
        ConfigError: it names no TFLM.
    """
    value = os.environ.get(VARIABLE, "")
    if not value:
        raise MissingToolError(
            f"engine tflm: expected {VARIABLE} to name a folder with the sources of TensorFlow "
            "Lite Micro. Received: nothing. docs/tflm.md says what belongs into it; boards that "
            "PlatformIO brings TFLM to need none."
        )
    for folder in (Path(value), Path(value) / "src"):
        if (folder / _LANDMARK).is_file():
            return folder.resolve()
    raise ConfigError(
        f"{VARIABLE}: expected a folder with {_LANDMARK}. Received: '{value}', which has none. "
        "docs/tflm.md says what belongs into it."
    )


def hash_sources(folder: Path) -> str:
    """Hash over everything that is compiled, hex."""
    return hash_tree(folder, suffixes=_SUFFIXES)


def build_tflm_library(
    folder: Path, prefix: str, machine: Sequence[str], log: Callable[[str], None]
) -> TflmLibrary:
    """Compile a folder with TFLM's sources, unless that has been done before.

    Args:
        folder: from `tflm_folder`.
        prefix: of the GNU tools, e.g. "arm-none-eabi-".
        machine: compiler options that choose the core.
        log: called with lines of progress.
    Raises:
        BuildError: a file does not compile.
    """
    includes = tuple(folder / name for name in _INCLUDES if (folder / name).is_dir())
    facts = {
        "sources": hash_sources(folder),
        "compiler": _version(f"{prefix}gcc"),
        "options": [*machine, *_FLAGS, *_CXX_FLAGS, *_DEFINES],
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    target = cache_path() / "tflm" / digest
    library = TflmLibrary(archive=target / ARCHIVE, includes=includes, defines=_DEFINES)
    if library.archive.is_file():
        return library
    sources = tuple(library_sources(folder))
    log(f"compiling {len(sources)} files of TensorFlow Lite Micro once: some minutes")
    target.mkdir(parents=True, exist_ok=True)
    options = [*machine, *_FLAGS, *_DEFINES, *(f"-I{path}" for path in includes)]
    with tempfile.TemporaryDirectory(dir=target) as scratch:

        def compile_file(numbered: tuple[int, Path]) -> Path:
            number, source = numbered
            return _compile(
                source, Path(scratch) / f"{number:03d}_{source.stem}.o", prefix, options
            )

        with ThreadPoolExecutor(_JOBS) as pool:
            objects = list(pool.map(compile_file, enumerate(sources)))
        archive = Path(scratch) / ARCHIVE
        _run([f"{prefix}ar", "rcsD", str(archive), *map(str, objects)], "the archive")
        archive.rename(library.archive)
    return library


def library_sources(folder: Path) -> Iterator[Path]:
    """The files of TFLM and CMSIS-NN to compile, sorted.

    Where kernels for CMSIS-NN lie beside reference kernels of the same name, they replace them.
    """
    kernels = folder / "tensorflow/lite/micro/kernels"
    optimized = {path.stem for path in (kernels / _OPTIMIZED).glob("*.c*")}
    for name in _SOURCE_FOLDERS:
        for path in sorted((folder / name).rglob("*.c*")):
            relative = path.relative_to(folder)
            if path.suffix not in (".c", ".cc", ".cpp") or set(relative.parts) & _FOREIGN_FOLDERS:
                continue
            if path.stem.endswith(_FOREIGN_ENDS) or path.stem.startswith(_FOREIGN_NAMES):
                continue
            if path.stem in _REPLACED or (path.parent == kernels and path.stem in optimized):
                continue
            yield path


def _compile(source: Path, target: Path, prefix: str, options: Sequence[str]) -> Path:
    if source.suffix == ".c":
        command = [f"{prefix}gcc", "-std=c11"]
    else:
        command = [f"{prefix}g++", *_CXX_FLAGS]
    _run([*command, *options, "-c", str(source), "-o", str(target)], source.name)
    return target


def _run(command: Sequence[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        shown = "\n".join(done.stderr.splitlines()[:6])
        raise BuildError(
            f"TensorFlow Lite Micro: expected {what} to compile. Received:\n{shown}\n{VARIABLE} "
            "must name TFLM as it lays itself out for other projects (docs/tflm.md)."
        )


def _version(program: str) -> str:
    return subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]
