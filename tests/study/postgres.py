"""A PostgreSQL server of a test's own: a folder, a Unix socket, no network."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_START_S = 60.0


def binaries() -> Path:
    """The folder with initdb and postgres; skips the test without them."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    if found:
        candidates.insert(0, Path(found).resolve().parent)
    for folder in candidates:
        if all((folder / name).exists() for name in ("initdb", "postgres", "pg_isready")):
            return folder
    pytest.skip("PostgreSQL is not installed (Debian package 'postgresql')")


def _owner() -> str | None:
    """Who the server runs as: it refuses root. None for whoever runs the test."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def server() -> Iterator[str]:
    """Start a server; gives its URL for SQLAlchemy."""
    programs, owner = binaries(), _owner()
    # Not below pytest's folders: another user may not enter those, and sockets have short paths.
    root = Path(tempfile.mkdtemp(prefix="espalier-pg-", dir="/tmp"))
    try:
        if owner is not None:
            shutil.chown(root, owner)
        subprocess.run(
            [
                programs / "initdb",
                *("-D", root / "data", "-U", "espalier", "-A", "trust"),
                *("-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"),
            ],
            user=owner,
            cwd=root,
            check=True,
            capture_output=True,
        )
        process = subprocess.Popen(
            [
                programs / "postgres",
                *("-D", root / "data", "-k", root, "-c", "listen_addresses="),
                *("-c", "fsync=off", "-c", "log_destination=stderr"),
            ],
            user=owner,
            cwd=root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _wait(programs, root, process)
            yield f"postgresql+psycopg://espalier@/postgres?host={root}"
        finally:
            # Without waiting for clients.
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=_START_S)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _wait(programs: Path, root: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + _START_S
    ready = [programs / "pg_isready", "-q", "-h", root, "-d", "postgres", "-U", "espalier"]
    while subprocess.run(ready, check=False).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            assert process.stderr is not None
            pytest.fail(f"PostgreSQL does not start: {process.stderr.read()}")
        time.sleep(0.1)
