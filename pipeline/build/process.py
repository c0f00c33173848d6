"""PlatformIO as a process of its own: everything it says is kept, and it ends with its children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.errors import BuildError

# Runs around the program, so that all that it started is killed when this process dies, however
# it dies: then the pipe on stdin ends. It starts the program when it is told to, which is once this
# process can end it: interrupted earlier, nothing runs that would write into a removed folder.
_GO = "\n"
_GUARD = """
import os, signal, subprocess, sys, threading
if not os.read(0, 1):
    os._exit(1)
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def watch():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=watch, daemon=True).start()
os._exit(child.wait() % 256)
"""


def run_logged(
    command: Sequence[str],
    environment: Mapping[str, str],
    log_path: Path,
    *,
    timeout_s: float,
    on_line: Callable[[str], None],
) -> int:
    """Run a program to its end; whatever interrupts this ends the program and all it started.

    Args:
        command: program and arguments.
        environment: all of its variables.
        log_path: takes everything that it says.
        timeout_s: after which it is killed.
        on_line: called with each line of that.
    Returns:
        Its exit status.
    Raises:
        BuildError: it did not end in time.
    """
    expired = threading.Event()

    def kill() -> None:
        # PlatformIO starts SCons, which starts compilers.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def expire() -> None:
        expired.set()
        kill()

    with (
        log_path.open("w", encoding="utf-8") as stream,
        subprocess.Popen(
            [sys.executable, "-c", _GUARD, *command],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(timeout_s, expire)
        watchdog.start()
        try:
            process.stdin.write(_GO)
            process.stdin.flush()
            for line in process.stdout:
                stream.write(line)
                on_line(line)
            status = process.wait()
        except BaseException:
            kill()
            raise
        finally:
            watchdog.cancel()
    if expired.is_set():
        raise BuildError(
            f"build: expected PlatformIO to end within {timeout_s:g} s. Received: no end. The "
            f"log is {log_path}."
        )
    return status
