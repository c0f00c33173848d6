"""Builds the firmware as a process of this computer, with its compiler where there is one.

ESPALIER_TOOLCHAIN=gcc|zig chooses between the system's compiler and Zig.
"""

import os
import shutil
import sys
from pathlib import Path

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
firmware = Path(env["PROJECT_DIR"])

toolchain = os.environ.get("ESPALIER_TOOLCHAIN") or ("gcc" if shutil.which("cc") else "zig")
if toolchain == "gcc":
    compiler, cxx, machine = "cc", "c++", []
else:
    compiler, cxx = '"$PYTHONEXE" -m ziglang cc', '"$PYTHONEXE" -m ziglang c++'
    machine = ["-fno-sanitize=all"]

env.Replace(
    CC=compiler,
    CXX=cxx,
    LINK=compiler,
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    OPTIMIZATION="-O2",
)
env.Append(
    CCFLAGS=[
        *machine,
        "$OPTIMIZATION",
        "-ffunction-sections",
        "-fdata-sections",
        "-funsigned-char",
        "-Wall",
        "-Wextra",
        "-Wvla",
        "-Werror",
        f"-ffile-prefix-map={firmware.parent}=.",
    ],
    CFLAGS=["-std=c11"],
    CXXFLAGS=["-std=gnu++14", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
    LINKFLAGS=[
        *machine,
        "-Wl,-dead_strip" if sys.platform == "darwin" else "-Wl,--gc-sections",
    ],
)
Default(env.BuildProgram())
