"""Build firmware with PlatformIO Core from PyPI.

Boards of our own platforms need nothing of PlatformIO's registry: Core would ask it for one package
only, `tool-scons`, and a folder that starts the SCons of this Python environment takes its place.
Each of these builds has a core folder and a build folder of its own, so that builds may run at the
same time and nothing depends on what was built before. All other boards: registry.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.artifacts import hash_tree, write_json
from pipeline.build import registry
from pipeline.build.complaints import explain
from pipeline.build.environments import environment_option, find_environment
from pipeline.build.kernel_guard import check_kernels
from pipeline.build.process import run_logged
from pipeline.build.size import ImageSize, check_fits, read_framework_size, read_size
from pipeline.build.tflm_library import build_tflm_library, hash_sources, tflm_folder
from pipeline.build.toolchain import REGISTRY, Toolchain, compiler_of, find_toolchain
from pipeline.errors import ConfigError, MissingToolError
from pipeline.paths import boards_path, cache_path, firmware_path
from pipeline.records import Board, Firmware, KernelGuard, SourceTree

ELF = "firmware.elf"
SIZE = "size.json"
LOG = "build.log"

_JOBS = 2
_TIMEOUT_S = 900
# A compiler is called once for each file.
_COMPILES = " -c "
_SOURCE_SUFFIXES = (".c", ".cc", ".h", ".ini", ".json", ".ld", ".py")


def _ignore(*_: object) -> None:
    """Drop what tells of progress."""


def build_firmware(
    board: Board,
    engine: str,
    source: SourceTree,
    out: Path,
    *,
    model_name: str = "none",
    toolchain: str = "auto",
    guards: Sequence[KernelGuard] = (),
    log: Callable[[str], None] = _ignore,
    on_progress: Callable[[int, int], None] = _ignore,
) -> Firmware:
    """Compile and link a firmware into `out`: firmware.elf, size.json, build.log.

    The same arguments and sources give the same bytes, whatever `out` and `source.root` are.

    Args:
        board: the target.
        engine: a folder firmware/lib/engine_<engine> for which the board has an environment.
        source: the generated model; files that an engine without a model ignores.
        out: folder, made where it is missing.
        model_name: what the firmware's `profile` command says; "vww01" and "ic01" make text
            commands load pixels, as MLPerf Tiny's runner sends them.
        toolchain: "auto", "gcc" or "zig"; boards with a compiler of their own take "auto" only.
        guards: kernels that have to be in the image.
        log: called with lines of progress.
        on_progress: called with (files compiled, 0), as nobody knows how many there will be.
    Raises:
        ConfigError: the board has no such engine.
        MissingToolError: no compiler, or no PlatformIO.
        BuildError: compiling or linking failed; the message shows where.
        DoesNotFitError: the image is too large for the board.
    """
    environment = find_environment(board, engine)
    compiler = find_toolchain(board, toolchain, engine)
    tflm = _tflm_variables(board, engine, compiler, log)
    identity = compute_build_id(board, engine, source, compiler, model_name=model_name)
    out.mkdir(parents=True, exist_ok=True)
    elf_path = out / ELF
    for name in (ELF, SIZE, LOG):
        (out / name).unlink(missing_ok=True)
    log(f"building {environment} with {compiler}")
    if compiler.kind == "zig" and not (cache_path() / "zig").is_dir():
        log("Zig compiles its run-time library once: some 15 s")
    # PlatformIO changes into its project: no path that it gets may be relative.
    variables = {
        "ESPALIER_SOURCES": str(source.root.resolve()),
        "ESPALIER_BUILD_ID": identity,
        "ESPALIER_MODEL_NAME": model_name,
        **tflm,
    }
    image: ImageSize | None
    if compiler.kind == REGISTRY:
        image = _build_with_registry(board, environment, variables, out, log, on_progress)
    else:
        variables["ESPALIER_TOOLCHAIN"] = compiler.kind
        image = _build_with_own_platform(board, environment, variables, out, on_progress)
    elf_path.chmod(0o755)
    check_kernels(elf_path, board, guards)
    write_json(out / SIZE, _size_record(image, identity, compiler))
    if image is not None:
        check_fits(image, board)
    return Firmware(
        build_id=identity,
        board=board.name,
        engine=engine,
        toolchain=str(compiler),
        elf_path=elf_path,
        size=image.firmware if image is not None else None,
    )


def _build_with_own_platform(
    board: Board,
    environment: str,
    variables: Mapping[str, str],
    out: Path,
    on_progress: Callable[[int, int], None] = _ignore,
) -> ImageSize | None:
    """Build into `out` with one of firmware/platforms; the sizes, None for a host."""
    with tempfile.TemporaryDirectory(prefix=".platformio-", dir=out.resolve()) as scratch:
        _write_core_folder(Path(scratch) / "core")
        _run_platformio(board, environment, Path(scratch), variables, out / LOG, on_progress)
        shutil.copyfile(Path(scratch) / "build" / environment / ELF, out / ELF)
    return read_size(out / ELF) if board.flash_bytes is not None else None


def _build_with_registry(
    board: Board,
    environment: str,
    variables: Mapping[str, str],
    out: Path,
    log: Callable[[str], None],
    on_progress: Callable[[int, int], None],
) -> ImageSize:
    """Build into `out` with a platform that PlatformIO downloads; the sizes."""
    with registry.build_folder(environment) as folder:
        built = registry.build(board, environment, folder, variables, out / LOG, log, on_progress)
        shutil.copyfile(built / ELF, out / ELF)
        image = read_framework_size(built / ELF, built)
    warning = registry.ram_warning((out / LOG).read_text(encoding="utf-8", errors="replace"))
    if warning is not None:
        log(f"board '{board.name}': {warning}")
    return image


def compute_build_id(
    board: Board, engine: str, source: SourceTree, compiler: Toolchain, *, model_name: str = "none"
) -> str:
    """16 hex digits over everything that decides about the image.

    Args:
        board, engine, source: of the build.
        compiler: that is found for it, with its version.
        model_name: what the firmware calls the model.
    """
    facts = {
        "firmware": hash_tree(firmware_path(), suffixes=_SOURCE_SUFFIXES),
        "board": hash_tree(boards_path() / board.name, suffixes=(*_SOURCE_SUFFIXES, ".toml")),
        "environment": f"{board.name}-{engine}",
        "source": source.digest,
        "model_name": model_name,
        "compiler": str(compiler),
    }
    tflm = tflm_sources(board, engine)
    if tflm:
        facts["tflm"] = tflm
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def tflm_runtime(board: Board) -> str:
    """Name of the TensorFlow Lite Micro snapshot that a board's environment gets.

    Raises:
        ConfigError: the board has no engine tflm, or its environment does not say.
    """
    environment = find_environment(board, "tflm")
    name = environment_option(board, "tflm", "custom_tflm")
    if not name:
        raise ConfigError(
            f"board '{board.name}': expected 'custom_tflm' in [env:{environment}] of its "
            "platformio.ini. Received: none. Name the snapshot that it links."
        )
    return name


def takes_tflm_folder(board: Board, engine: str) -> bool:
    """Whether an environment links TensorFlow Lite Micro from a folder that the user names."""
    return environment_option(board, engine, "custom_tflm_folder") == "yes"


def tflm_sources(board: Board, engine: str) -> str:
    """Hash of TensorFlow Lite Micro's sources where an environment takes them from a folder."""
    return hash_sources(tflm_folder()) if takes_tflm_folder(board, engine) else ""


def _tflm_variables(
    board: Board, engine: str, compiler: Toolchain, log: Callable[[str], None]
) -> dict[str, str]:
    """What the build scripts need of TensorFlow Lite Micro, compiled first; nothing elsewhere."""
    if not takes_tflm_folder(board, engine):
        return {}
    folder = tflm_folder()
    if compiler.kind != "gcc":
        raise MissingToolError(
            f"board '{board.name}', engine tflm: expected {compiler_of(board)} with newlib. "
            f"Received: {compiler}. TensorFlow Lite Micro needs a C library."
        )
    machine = (environment_option(board, engine, "custom_gcc_flags") or "").split()
    prefix = compiler.name.removesuffix("gcc")
    library = build_tflm_library(folder, prefix, machine, log)
    return {
        "ESPALIER_TFLM_ARCHIVE": str(library.archive),
        "ESPALIER_TFLM_INCLUDES": os.pathsep.join(map(str, library.includes)),
        "ESPALIER_TFLM_DEFINES": " ".join(library.defines),
    }


def _write_core_folder(core: Path) -> None:
    """Lay a `tool-scons` into PlatformIO's core folder that runs the installed SCons.

    Raises:
        MissingToolError: PlatformIO or SCons is not installed.
    """
    try:
        import SCons  # noqa: F401
        from platformio.dependencies import get_core_dependencies
    except ImportError as error:
        raise MissingToolError(
            f"PlatformIO: expected the Python packages platformio and scons. Received: {error}. "
            "`make setup` installs them."
        ) from error
    # Core takes the package only if name, owner and version are the ones that it would install.
    version = get_core_dependencies()["tool-scons"].lstrip("~^")
    spec = {"owner": "platformio", "id": None, "name": "tool-scons"}
    spec |= {"requirements": None, "uri": None}
    folder = core / "packages" / "tool-scons"
    folder.mkdir(parents=True)
    write_json(folder / "package.json", {"name": "tool-scons", "version": version})
    write_json(
        folder / ".piopm",
        {"type": "tool", "name": "tool-scons", "version": version, "spec": spec},
    )
    (folder / "scons.py").write_text(
        "import sys\nfrom SCons.Script import main\nsys.exit(main())\n"
    )


def _run_platformio(
    board: Board,
    environment: str,
    scratch: Path,
    variables: Mapping[str, str],
    log_path: Path,
    on_progress: Callable[[int, int], None],
) -> None:
    """Run `pio run` for one environment; everything it says goes to `log_path`."""
    # Nothing that a user has set for PlatformIO elsewhere may get in here.
    inherited = {key: value for key, value in os.environ.items() if not _is_foreign(key)}
    settings = {
        "PLATFORMIO_CORE_DIR": str(scratch / "core"),
        "PLATFORMIO_WORKSPACE_DIR": str(scratch / "workspace"),
        "PLATFORMIO_BUILD_DIR": str(scratch / "build"),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_SETTING_CHECK_PLATFORMIO_INTERVAL": "36500",
        "PLATFORMIO_SETTING_CHECK_PRUNE_SYSTEM_THRESHOLD": "0",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
        "ZIG_GLOBAL_CACHE_DIR": str(cache_path() / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(cache_path() / "zig"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "platformio", "run", "-v", "-j", str(_JOBS)]
    command += ["-d", str(firmware_path()), "-e", environment]
    compiled = 0

    def look(line: str) -> None:
        nonlocal compiled
        if _COMPILES in line:
            compiled += 1
            on_progress(compiled, 0)

    status = run_logged(
        command,
        inherited | settings | dict(variables),
        log_path,
        timeout_s=_TIMEOUT_S,
        on_line=look,
    )
    if status != 0:
        text = log_path.read_text(encoding="utf-8", errors="replace")
        raise explain(text, board, environment, log_path)


def _is_foreign(key: str) -> bool:
    return key.startswith(("PLATFORMIO_", "ESPALIER_", "SCONS"))


def _size_record(image: ImageSize | None, build_id: str, compiler: Toolchain) -> dict[str, object]:
    sizes = None if image is None else asdict(image)
    return {"build_id": build_id, "toolchain": str(compiler), "size": sizes}
