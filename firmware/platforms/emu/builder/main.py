"""Builds bare-metal Arm firmware with arm-none-eabi-gcc where it is on PATH, else with Zig.

ESPALIER_TOOLCHAIN=gcc|zig chooses one of them. Neither needs a C library: firmware/lib/freestanding
has the few functions that compilers call on their own. `custom_c_library = newlib` takes GCC's C
library instead, for libraries that need one.
"""

import os
import shutil
from pathlib import Path

from SCons.Script import Default, DefaultEnvironment

# Every port of this platform starts there.
ENTRY = "port_reset"

env = DefaultEnvironment()
firmware = Path(env["PROJECT_DIR"])
freestanding = firmware / "lib" / "freestanding"
board = firmware.parent / "boards" / env.GetProjectOption("custom_board")

toolchain = os.environ.get("ESPALIER_TOOLCHAIN") or (
    "gcc" if shutil.which("arm-none-eabi-gcc") else "zig"
)
newlib = env.GetProjectOption("custom_c_library", "") == "newlib"
machine = env.GetProjectOption(f"custom_{toolchain}_flags").split()
if toolchain == "gcc":
    compiler, cxx = "arm-none-eabi-gcc", "arm-none-eabi-g++"
    # Without start-up code, and without system calls: what would need one does not link.
    link, libraries = ["-nostdlib"], ["m", "c_nano", "gcc"] if newlib else ["gcc"]
else:
    compiler, cxx = '"$PYTHONEXE" -m ziglang cc', '"$PYTHONEXE" -m ziglang c++'
    link, libraries = [], []  # its run-time library comes by itself, and there is no other
    # Clang unrolls the dot products until it runs out of registers and spills in every turn.
    machine += ["-fno-sanitize=all", "-fno-unroll-loops"]

env.Replace(
    CC=compiler,
    CXX=cxx,
    LINK=compiler,
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    OPTIMIZATION="-O2",
    LDSCRIPT_PATH=str(board / env.GetProjectOption("custom_linker_script")),
    LIBS=[*env.get("TFLM_ARCHIVE", []), *libraries],
)
env.Append(
    CCFLAGS=[
        *machine,
        "$OPTIMIZATION",
        *([] if newlib else ["-ffreestanding", "-isystem", str(freestanding / "include")]),
        "-ffunction-sections",
        "-fdata-sections",
        "-funsigned-char",
        "-fno-common",
        "-fno-unwind-tables",
        "-fno-asynchronous-unwind-tables",
        "-Wall",
        "-Wextra",
        "-Wvla",
        "-Werror",
        # The same input gives the same bytes wherever it is built.
        f"-ffile-prefix-map={firmware.parent}=.",
    ],
    CFLAGS=["-std=c11"],
    CXXFLAGS=["-std=gnu++14", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
    LINKFLAGS=[*machine, *link, "-Wl,--gc-sections", f"-Wl,-e,{ENTRY}"],
)
support = firmware / "lib" / ("newlib/stop.c" if newlib else "freestanding/string.c")
env.Append(
    PIOBUILDFILES=env.Object(
        f"$BUILD_DIR/espalier_runtime/{support.parent.name}_{support.stem}.o", str(support)
    )
)
Default(env.BuildProgram())
