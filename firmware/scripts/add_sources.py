"""Adds the firmware's sources to a PlatformIO build, each group into a folder of its own.

The folders' names are what linker scripts tell harness, runtime and weights apart by:

    espalier_harness/   src/main.cc, lib/core, the board's port and the libraries that it shares
    espalier_runtime/   lib/engine_<engine> and the libraries it calls
    espalier_model/     the generated sources

Environment variables (the pipeline sets all of them; a bare `pio run` works without):

    ESPALIER_SOURCES      folder of the generated sources, for engines that have any
    ESPALIER_TFLM_*       where the environment takes TensorFlow Lite Micro from a folder: ARCHIVE,
                          INCLUDES and DEFINES
    ESPALIER_BUILD_ID     16 hex digits
    ESPALIER_MODEL_NAME   for the `profile` command
    ESPALIER_UPLOAD_SPEED   baud rate of an upload, instead of the board's own
"""

import os
import sys
from pathlib import Path

Import("env")  # noqa: F821

# As an option of platformio.ini it would make stale all that was built for another speed.
if os.environ.get("ESPALIER_UPLOAD_SPEED"):
    env.Replace(UPLOAD_SPEED=os.environ["ESPALIER_UPLOAD_SPEED"])  # noqa: F821

FIRMWARE = Path(env["PROJECT_DIR"])  # noqa: F821
BOARDS = FIRMWARE.parent / "boards"
# Speed does not matter in the harness; what it takes of the flash does.
HARNESS_OPTIMIZATION = "-Os"
RUNTIME_OPTIMIZATION = "-O2"
FROM_FOLDER = env.GetProjectOption("custom_tflm_folder", "no") == "yes"  # noqa: F821
# The oldest compiler is the Nano's GCC 7. TensorFlow Lite Micro from a folder may be new, and this
# computer's compiler builds it.
LANGUAGE = {
    ".c": "-std=c11",
    ".cc": f"-std=gnu++{17 if FROM_FOLDER else 14}"
    " -fno-exceptions -fno-rtti -fno-threadsafe-statics",
}
WARNINGS = "-Wall -Wextra -Wvla"


def add_group(env, group, folders, flags):
    """Compile the C and C++ files of `folders` into $BUILD_DIR/<group>.

    The flags stand at the end of the command, behind those of a framework that is only known
    when everything is read, and so they hold.
    """
    for folder in folders:
        for source in sorted(Path(folder).rglob("*.c*")):
            if source.suffix not in (".c", ".cc"):
                continue
            relative = source.relative_to(folder).with_suffix("")
            name = "_".join((Path(folder).name, *relative.parts))
            if group == "espalier_model":
                name = relative.as_posix()
            command = "CCCOM" if source.suffix == ".c" else "CXXCOM"
            ours = f"{LANGUAGE[source.suffix]} -funsigned-char {WARNINGS} {flags}"
            env.Append(
                PIOBUILDFILES=env.Object(
                    f"$BUILD_DIR/{group}/{name}.o",
                    str(source),
                    **{command: f"{env[command]} {ours}"},
                )
            )


def generated_sources(engine):
    """The folder with the model's sources, or stop with a message."""
    folder = os.environ.get("ESPALIER_SOURCES", "")
    if not (Path(folder) / "model.h").is_file():
        sys.exit(
            f"Error: engine {engine} is compiled together with a generated model: ESPALIER_SOURCES "
            f"must name a folder with model.h. Received: {folder!r}. `espalier build` sets it."
        )
    return folder


def port_libraries(env):
    """Folders of lib/ that ports of several boards share."""
    return env.GetProjectOption("custom_port_libraries", "").split()


def add_sources(env):
    """Add every group of the environment's board and engine."""
    board = env.GetProjectOption("custom_board")
    engine = env.GetProjectOption("custom_engine")
    libraries = env.GetProjectOption("custom_engine_libraries", "").split()
    runtime = [FIRMWARE / "lib" / name for name in (f"engine_{engine}", *libraries)]
    port = [FIRMWARE / "lib" / name for name in port_libraries(env)]
    has_model = env.GetProjectOption("custom_engine_model", "no") == "yes"
    model = [generated_sources(engine)] if has_model else []
    core = FIRMWARE / "lib" / "core"
    env.Append(CPPPATH=[*map(str, (core, *port, *runtime)), *model])
    identity = {
        "ESPALIER_BUILD_ID": os.environ.get("ESPALIER_BUILD_ID", "0" * 16),
        "ESPALIER_MODEL_NAME": os.environ.get("ESPALIER_MODEL_NAME", "none"),
        "ESPALIER_BOARD": board,
    }
    defines = [f"-D{key}={env.StringifyMacro(value)}" for key, value in identity.items()]
    add_group(
        env,
        "espalier_harness",
        [FIRMWARE / "src", core, *port, BOARDS / board],
        " ".join((HARNESS_OPTIMIZATION, *defines)),
    )
    add_group(env, "espalier_runtime", runtime, RUNTIME_OPTIMIZATION)
    add_group(env, "espalier_model", model, RUNTIME_OPTIMIZATION)


def add_tflm(env):
    """Link TensorFlow Lite Micro, where the pipeline has compiled it from a folder."""
    archive = os.environ.get("ESPALIER_TFLM_ARCHIVE", "")
    if not FROM_FOLDER:
        return
    if not archive:
        sys.exit(
            "Error: this environment links TensorFlow Lite Micro from a folder that ESPALIER_TFLM "
            "names; `espalier build` compiles it first. Received: no ESPALIER_TFLM_ARCHIVE."
        )
    for folder in os.environ["ESPALIER_TFLM_INCLUDES"].split(os.pathsep):
        # As a system's headers: their warnings are not ours.
        env.Append(CCFLAGS=["-isystem", folder])
    env.Append(CCFLAGS=os.environ["ESPALIER_TFLM_DEFINES"].split())
    env.Append(TFLM_ARCHIVE=[env.File(archive)])


add_sources(env)  # noqa: F821
add_tflm(env)  # noqa: F821
