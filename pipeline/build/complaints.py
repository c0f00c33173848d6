"""What PlatformIO, compilers and linkers complain about, in words that say what helps."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.errors import BuildError, DoesNotFitError, MissingToolError, PipelineError
from pipeline.records import Board

_SHOWN_LINES = 6
_ERROR_LINE = re.compile(r"\berror\b|undefined (reference|symbol)|overflowed by", re.IGNORECASE)

_ABSENT = re.compile(r"^\S+: No module named '?platformio", re.MULTILINE)
_OFFLINE = re.compile(r"HTTPClientError|InternetConnectionError|ConnectionError")
_INSTALLING = re.compile(r"(?:Platform|Tool|Library) Manager: Installing (.+)")
# GNU ld, by what a linker script says: a region that is full, a location that is already passed.
_OVERFLOWED = re.compile(r"region [`']?(\w+)'? overflowed by (\d+) bytes")
_BACKWARDS = re.compile(
    r"cannot move location counter backwards \(from ([0-9a-f]+) to ([0-9a-f]+)\)"
)
_INTO_STACK = re.compile(r"heap region overflowed into stack")
# PlatformIO's own check after linking.
_TOO_LARGE = re.compile(
    r"The program size \((\d+) bytes\) is greater than maximum allowed \((\d+) bytes\)"
)
_RAM_REGION = re.compile(r"d?ram|dram0_0_seg", re.IGNORECASE)

_SMALLER_RAM = (
    "Use a smaller input or fewer channels in the first layers (`espalier plan` shows where the "
    "arena peaks), or a board with more RAM."
)
_SMALLER_FLASH = (
    "Use a model with fewer parameters (a smaller width, pruning), or a board with more flash."
)


def first_errors(text: str) -> list[str]:
    """The compiler's first complaint with the lines that explain it, or the log's end."""
    lines = text.splitlines()
    # Commands in the log name options like -Werror; complaints do not start with a program.
    complaints = [
        number
        for number, line in enumerate(lines)
        if _ERROR_LINE.search(line) and " -o " not in line
    ]
    begin = complaints[0] if complaints else max(0, len(lines) - _SHOWN_LINES)
    return lines[begin : begin + _SHOWN_LINES]


def explain(text: str, board: Board, environment: str, log_path: Path) -> PipelineError:
    """The error for a build that failed, from everything that it said.

    Args:
        text: the log.
        board: the target.
        environment: that was built.
        log_path: where the log lies.
    """
    if _ABSENT.search(text):
        return MissingToolError(
            f"board '{board.name}': expected the Python package platformio. Received: none. "
            "`make setup` installs it."
        )
    elsewhere = "build again, or use a board that needs no download (`espalier boards`)"
    offline = unreachable(text, board, "toolchain", elsewhere, log_path)
    if offline is not None:
        return offline
    room = _no_room(text, board)
    if room is not None:
        return DoesNotFitError(f"{room} The whole log is {log_path}.")
    shown = "\n".join(f"  {line}" for line in first_errors(text))
    return BuildError(
        f"build {environment}: expected the firmware to compile and link. Received:\n"
        f"{shown}\nThe whole log is {log_path}."
    )


def unreachable(
    text: str, board: Board, tool: str, way_out: str, log_path: Path
) -> MissingToolError | None:
    """The error if PlatformIO could not download something; None if that is not what went wrong.

    Args:
        text: the log.
        board: the target.
        tool: of the board, that is downloaded once.
        way_out: what to do once this computer is connected, or else.
        log_path: where the log lies.
    """
    if not _OFFLINE.search(text):
        return None
    wanted = _INSTALLING.findall(text)
    missing = f"no answer for {wanted[-1].strip()}" if wanted else "no answer"
    return MissingToolError(
        f"board '{board.name}': PlatformIO's registry cannot be reached; this board needs its "
        f"{tool} downloaded once. Received: {missing}. Connect this computer to the internet "
        f"(a proxy: set HTTPS_PROXY) and {way_out}. The whole log is {log_path}."
    )


def _no_room(text: str, board: Board) -> str | None:
    """What does not fit, with numbers and what would help; None if the linker had room."""
    overflowed = {name: int(size) for name, size in _OVERFLOWED.findall(text)}
    for name, size in overflowed.items():
        if _RAM_REGION.fullmatch(name):
            return (
                f"board '{board.name}': expected the static variables, the tensor arena above all, "
                f"to fit into {_ram(board)}. Received: {size:,} B more than the linker's region "
                f"{name} takes. {_SMALLER_RAM}"
            )
        return (
            f"board '{board.name}': expected code and constants to fit into the linker's region "
            f"{name}. Received: {size:,} B too many. {_SMALLER_FLASH}"
        )
    backwards = _BACKWARDS.search(text)
    if backwards is not None:
        excess = int(backwards[1], 16) - int(backwards[2], 16)
        return (
            f"board '{board.name}': expected the static variables, the tensor arena above all, to "
            f"fit into {_ram(board)}. Received: they end {excess:,} B behind the RAM that is left "
            f"beside the stack. {_SMALLER_RAM}"
        )
    if _INTO_STACK.search(text):
        return (
            f"board '{board.name}': expected the static variables, the tensor arena above all, to "
            f"fit into {_ram(board)}. Received: no room for the stack. {_SMALLER_RAM}"
        )
    too_large = _TOO_LARGE.search(text)
    if too_large is not None:
        size, limit = int(too_large[1]), int(too_large[2])
        return (
            f"board '{board.name}': expected at most {limit:,} B of flash. Received: {size:,} B, "
            f"framework included: {size - limit:,} B too many. {_SMALLER_FLASH}"
        )
    return None


def _ram(board: Board) -> str:
    limits = [limit for limit in (board.ram_bytes, board.arena_bytes) if limit is not None]
    if not limits:
        return "its RAM"
    if board.arena_bytes is not None:
        return f"some {min(limits):,} B (the largest arena of this board)"
    return f"the {min(limits):,} B that its framework leaves"
