"""Builds bare-metal Arm firmware with arm-none-eabi-gcc where it is on PATH, else with Zig.

ESPALIER_TOOLCHAIN=gcc|zig chooses one of them. Neither needs a C library: firmware/lib/freestanding
has the few functions that compilers call on their own.
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
machine = env.GetProjectOption(f"custom_{toolchain}_flags").split()
if toolchain == "gcc":
    compiler, cxx = "arm-none-eabi-gcc", "arm-none-eabi-g++"
    link, libraries = ["-nostdlib"], ["gcc"]
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
    LIBS=libraries,
)
env.Append(
    CCFLAGS=[
        *machine,
        "$OPTIMIZATION",
        "-ffreestanding",
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
        "-isystem",
        str(freestanding / "include"),
    ],
    CFLAGS=["-std=c11"],
    CXXFLAGS=["-std=gnu++14", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
    LINKFLAGS=[*machine, *link, "-Wl,--gc-sections", f"-Wl,-e,{ENTRY}"],
)
env.Append(
    PIOBUILDFILES=env.Object(
        "$BUILD_DIR/espalier_runtime/freestanding_string.o",
        str(freestanding / "string.c"),
    )
)
Default(env.BuildProgram())
