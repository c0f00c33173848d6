"""Find a compiler for a board: the usual GCC where it is on PATH, else Zig from PyPI."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
from dataclasses import dataclass

from pipeline.build.environments import registry_platform
from pipeline.errors import ConfigError, MissingToolError
from pipeline.records import Board
from pipeline.suggest import did_you_mean

CHOICES = ("auto", "gcc", "zig")
# The kind of a compiler that PlatformIO downloads with a board's platform.
REGISTRY = "platformio"

# By Board.core: the compiler that is looked for on PATH, and where it comes from.
_COMPILERS = {
    "cortex-m4f": ("arm-none-eabi-gcc", "Debian package 'gcc-arm-none-eabi'"),
    "host": ("cc", "Debian package 'gcc'"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """A compiler that is present.

    Attributes:
        kind: "gcc" or "zig", as the builders of firmware/platforms know them, or "platformio".
        name: of the program, or of the platform that brings it.
        version: as the program or its package says it.
    """

    kind: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def find_toolchain(board: Board, choice: str = "auto", engine: str = "aot") -> Toolchain:
    """Return the compiler for a board.

    Args:
        board: the target.
        choice: "gcc", "zig", or "auto" for the first of these that is present.
        engine: whose environment is built.
    Raises:
        ConfigError: the choice or the board's core is none that is known.
        MissingToolError: what was chosen is not installed.
    """
    platform = registry_platform(board, engine)
    if platform is not None:
        if choice not in ("auto", REGISTRY):
            raise ConfigError(
                f"toolchain: expected auto for board '{board.name}', whose compiler comes with "
                f"PlatformIO's platform {platform}. Received: '{choice}'."
            )
        name, _, version = platform.partition("@")
        return Toolchain(kind=REGISTRY, name=name.strip(), version=version.strip() or "unpinned")
    if choice not in CHOICES:
        raise ConfigError(
            f"toolchain: expected one of {', '.join(CHOICES)}. Received: '{choice}'."
            f"{did_you_mean(choice, CHOICES)}"
        )
    if board.core not in _COMPILERS:
        raise ConfigError(
            f"board '{board.name}': expected a core of {', '.join(_COMPILERS)}. Received: "
            f"'{board.core}'. Add its compiler to pipeline/build/toolchain.py."
        )
    program, origin = _COMPILERS[board.core]
    if choice in ("auto", "gcc") and shutil.which(program) is not None:
        return Toolchain(kind="gcc", name=program, version=_gcc_version(program))
    if choice in ("auto", "zig") and importlib.util.find_spec("ziglang") is not None:
        return Toolchain(kind="zig", name="zig", version=importlib.metadata.version("ziglang"))
    expected = {
        "gcc": f"{program} on PATH ({origin})",
        "zig": "Zig (pip install ziglang)",
        "auto": f"{program} on PATH ({origin}), or Zig (pip install ziglang)",
    }[choice]
    raise MissingToolError(
        f"board '{board.name}': no compiler. Expected {expected}. Received: neither on this "
        "machine. `make setup` installs Zig."
        if choice == "auto"
        else f"board '{board.name}': toolchain {choice} is not installed. Expected {expected}. "
        "Received: nothing of that name. Install it, or use --toolchain auto."
    )


def compiler_of(board: Board) -> str:
    """The GCC of a board, and where it comes from."""
    program, origin = _COMPILERS[board.core]
    return f"{program} on PATH ({origin})"


def _gcc_version(program: str) -> str:
    """The full version; Clang, which may stand behind `cc`, only knows the shorter option."""
    for option in ("-dumpfullversion", "-dumpversion"):
        answer = subprocess.run([program, option], capture_output=True, text=True, check=False)
        if answer.returncode == 0 and answer.stdout.strip():
            return answer.stdout.strip()
    raise MissingToolError(
        f"{program}: expected it to tell its version. Received: exit status {answer.returncode}: "
        f"{answer.stderr.strip() or 'no message'}. Reinstall it, or use --toolchain zig."
    )
