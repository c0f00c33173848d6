"""A program behind a device: started with its parent's fate, and ended for sure."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from pipeline.errors import DeviceError, DeviceTimeout

# A program that was told to end gets this long before it is killed.
END_S = 2.0
_STDERR_SHOWN_BYTES = 2000
# Runs in front of the program, so that it is killed when this process dies, however it dies.
# (1 is PR_SET_PDEATHSIG, 9 is SIGKILL.) Popen's preexec_fn could do it without another Python, but
# may deadlock in a process with threads, and TensorFlow has many.
_LAUNCHER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""


class DeviceProcess:
    """A child process with a pipe to its stdin; its stderr is kept for error messages.

    Args:
        command: program and arguments.
        stdout_piped: whether its stdout is a pipe to here; else it is dropped.
        stdout_kept: whether its stdout is kept together with its stderr.
        has_children: whether it may start programs of its own, which have to end with it.

    Raises:
        DeviceError: the program cannot be started.
    """

    def __init__(
        self,
        command: list[str],
        *,
        stdout_piped: bool = False,
        stdout_kept: bool = False,
        has_children: bool = False,
    ) -> None:
        self._owns_group = has_children and hasattr(os, "killpg")
        self.name = os.path.basename(command[0])
        stdout: int | IO[bytes] = subprocess.PIPE if stdout_piped else subprocess.DEVNULL
        # Open twice, because the program would write wherever this process looks. The name goes at
        # once, where an open file may lose it, so that nothing is left behind whatever happens.
        with tempfile.TemporaryDirectory(prefix="espalier-", ignore_cleanup_errors=True) as folder:
            stderr = (Path(folder) / "stderr").open("wb")
            self._stderr = (Path(folder) / "stderr").open("rb")
        try:
            self.popen = subprocess.Popen(
                [*_launcher(), *command],
                stdin=subprocess.PIPE,
                stdout=stderr if stdout_kept else stdout,
                stderr=stderr,
                bufsize=0,
                start_new_session=self._owns_group,
            )
        except OSError as error:
            self._stderr.close()
            raise DeviceError(
                f"{self.name}: cannot be started: {error}. Command: {' '.join(command)}"
            ) from error
        finally:
            stderr.close()

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended."""
        return self.popen.poll() is None

    def send(self, data: bytes) -> None:
        """Write to the program's stdin. Raises DeviceError if it has ended."""
        assert self.popen.stdin is not None
        try:
            self.popen.stdin.write(data)
        except BrokenPipeError:
            raise self.death() from None

    def stderr_text(self) -> str:
        """The end of what the program wrote to stderr."""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _STDERR_SHOWN_BYTES))
        return self._stderr.read().decode("utf-8", errors="replace").strip()

    def line_error(self, error: DeviceError) -> DeviceError:
        """The reason why a line to the program failed.

        A line that breaks is the program's end, though it may take a moment longer to be gone.
        """
        return error if isinstance(error, DeviceTimeout) else self.death()

    def death(self) -> DeviceError:
        """The error that says how the program ended."""
        try:
            status = self.popen.wait(END_S)
        except subprocess.TimeoutExpired:
            status = None
        if status is None:
            how = "closed its serial line and runs on"
        elif status < 0:
            how = f"was ended by signal {-status} ({_signal_name(-status)})"
        else:
            how = f"ended with status {status}"
        said = self.stderr_text()
        return DeviceError(
            f"{self.name}: expected a running firmware. Received: the process {how}. "
            + (f"Its stderr:\n{said}" if said else "It wrote nothing to stderr.")
        )

    def end(self) -> None:
        """End the program and close its streams; safe to call twice."""
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                stream.close()
        if self.is_running:
            self._signal(signal.SIGTERM)
            try:
                self.popen.wait(END_S)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        self.popen.wait()
        if self._owns_group:
            self._signal(signal.SIGKILL)
        self._stderr.close()

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the program, and to those that it has started where it may have any."""
        if not self._owns_group:
            self.popen.send_signal(number)
            return
        # Nobody may be left of the group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, number)


def _launcher() -> list[str]:
    """What stands before a command so that it dies with this process; Linux only."""
    if not sys.platform.startswith("linux"):
        return []
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid())]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
