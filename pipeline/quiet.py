"""Keep native libraries' chatter away from the user's terminal."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import sys
import tempfile
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from pipeline.paths import cache_path


class _OwnStream(io.TextIOBase):
    """A text stream on a copy of a file descriptor, which no redirection reaches."""

    def __init__(self, descriptor: int, encoding: str) -> None:
        self._descriptor, self._encoding = descriptor, encoding
        weakref.finalize(self, os.close, descriptor)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def write(self, text: str) -> int:
        left = text.encode(self._encoding, "backslashreplace")
        while left:
            left = left[os.write(self._descriptor, left) :]
        return len(text)

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor


def own_stderr() -> TextIO:
    """Standard error as it is now, also while native output is captured.

    So progress is seen while TensorFlow starts or converts. It is `sys.stderr` itself where that
    is no file, as in tests.
    """
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):
        return sys.stderr
    return _OwnStream(descriptor, sys.stderr.encoding or "utf-8")  # type: ignore[return-value]


class NativeOutput:
    """What was written to the standard streams while they were captured."""

    def __init__(self) -> None:
        self.text = ""


@contextlib.contextmanager
def captured_native_output() -> Iterator[NativeOutput]:
    """Capture standard output and error, native code's included, for a block.

    TensorFlow's C++ side logs to the file descriptors themselves, past Python's streams.
    Process-wide: other threads' output in the block is captured too. The result's `text`
    is filled at the end of the block, also where it raises.
    """
    output = NativeOutput()
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as sink, contextlib.ExitStack() as restore:
        for descriptor in (1, 2):
            saved = os.dup(descriptor)
            restore.callback(os.close, saved)
            restore.callback(os.dup2, saved, descriptor)
            os.dup2(sink.fileno(), descriptor)
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")
                yield output
        finally:
            sys.stderr.flush()
            sink.seek(0)
            output.text = sink.read().decode(errors="replace")


def keep_keras_out_of_home() -> None:
    """Let Keras write its configuration to the cache, unless the user has one at home.

    Keras imports matplotlib where it is installed.
    """
    if not (Path.home() / ".keras").exists():
        os.environ.setdefault("KERAS_HOME", str(cache_path() / "keras"))
    keep_matplotlib_out_of_home()


def keep_matplotlib_out_of_home() -> None:
    """Let matplotlib keep its fonts in the cache, unless the user has settings for it."""
    if not (Path.home() / ".config" / "matplotlib").exists():
        os.environ.setdefault("MPLCONFIGDIR", str(cache_path() / "matplotlib"))


def import_tensorflow() -> None:
    """Import TensorFlow so that neither its start nor its later logs reach the user.

    Call it before anything of keras or tensorflow is used; after the first time it is free.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN's kernels are slower for small depthwise networks and round differently from
    # one processor to the next.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    keep_keras_out_of_home()
    for name in ("absl", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with captured_native_output():
        # By name: this module stands below those that may depend on TensorFlow.
        importlib.import_module("tensorflow")
        importlib.import_module("keras")
