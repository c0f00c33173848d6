"""Boards that are built with what PlatformIO's registry has: platform, framework and compiler.

Their platformio.ini names a platform that is not ours (`symlink://`). It is downloaded once, into
the ordinary core folder of the user, where other projects find it as well.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipeline.build.complaints import explain
from pipeline.build.process import run_logged
from pipeline.paths import cache_path, firmware_path
from pipeline.records import Board

# The first build downloads some hundred MB.
_TIMEOUT_S = 3600
# What PlatformIO says about downloads.
_DOWNLOAD = re.compile(r"^(Platform|Tool|Library) Manager: (Installing .*|.* has been installed!)")
_STEPS = re.compile(r"^(Compiling|Linking|Archiving) ")


@contextmanager
def build_folder(environment: str) -> Iterator[Path]:
    """The folder in which an environment is built; held by one process at a time.

    It stays, because a framework takes minutes to compile.
    """
    folder = cache_path() / "platformio" / environment
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield folder


def process_environment(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """All variables for a process of PlatformIO that builds in `folder`, or uploads from it.

    Args:
        folder: from `build_folder`.
        variables: for firmware/scripts/add_sources.py. An upload takes those of the build, or
            PlatformIO builds again.
    """
    settings = {
        "PLATFORMIO_WORKSPACE_DIR": str(folder / "workspace"),
        "PLATFORMIO_BUILD_DIR": str(folder / "build"),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
    }
    # Where packages go, and through which proxy, is the user's to say; flags and ports are not.
    foreign = ("PLATFORMIO_BUILD", "PLATFORMIO_SRC", "PLATFORMIO_UPLOAD", "ESPALIER_", "SCONS")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    return inherited | settings | dict(variables)


def build(
    board: Board,
    environment: str,
    folder: Path,
    variables: Mapping[str, str],
    log_path: Path,
    log: Callable[[str], None],
    on_progress: Callable[[int, int], None],
) -> Path:
    """Build an environment with what PlatformIO downloads.

    Args:
        board: whose environment it is.
        environment: in its platformio.ini.
        folder: from `build_folder`.
        variables: for firmware/scripts/add_sources.py.
        log_path: takes everything that PlatformIO says.
        log: called with lines of progress.
        on_progress: called with (files compiled, 0), as nobody knows how many there will be.
    Returns:
        The folder with firmware.elf and the objects.
    Raises:
        MissingToolError: the registry cannot be reached, or PlatformIO is not installed.
        DoesNotFitError: the linker has no room for the image.
        BuildError: anything else went wrong.
    """
    command = [sys.executable, "-m", "platformio", "run"]
    command += ["-d", str(firmware_path()), "-e", environment]
    elf = folder / "build" / environment / "firmware.elf"
    elf.unlink(missing_ok=True)
    steps = 0

    def look(line: str) -> None:
        nonlocal steps
        if _DOWNLOAD.match(line):
            log(f"PlatformIO: {line.split(': ', 1)[1].strip()} (once)")
        elif _STEPS.match(line):
            steps += 1
            on_progress(steps, 0)

    status = run_logged(
        command,
        process_environment(folder, variables),
        log_path,
        timeout_s=_TIMEOUT_S,
        on_line=look,
    )
    text = log_path.read_text(encoding="utf-8", errors="replace")
    if status != 0 or not elf.is_file():
        raise explain(text, board, environment, log_path)
    return elf.parent


def ram_warning(text: str) -> str | None:
    """A warning about static RAM from what PlatformIO printed, above 90 %; None below.

    Frameworks need a heap for USB, tasks and buffers, and it is what static variables leave.
    """
    found = re.search(r"^RAM:.*\(used (\d+) bytes from (\d+) bytes\)", text, re.MULTILINE)
    if found is None:
        return None
    used, total = int(found[1]), int(found[2])
    if used <= 0.9 * total:
        return None
    return (
        f"static variables take {used:,} of {total:,} B of RAM ({used / total:.0%}): the "
        f"{total - used:,} B left are the heap that USB and tasks need. Boards with less than a "
        "tenth of their RAM free tend not to start."
    )
