"""Which compilers and platforms this computer has: facts for `espalier doctor`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from pipeline.device.answer import answer_of

_CONNECT_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gcc:
    """A GCC on PATH.

    Attributes:
        path: of the program.
        version: as it says; "" where it does not answer.
        has_libc: whether it finds a C library to link.
    """

    path: str
    version: str
    has_libc: bool


def find_gcc(program: str) -> Gcc | None:
    """A compiler on PATH, asked who it is; None where there is none."""
    path = shutil.which(program)
    if path is None:
        return None
    version = _first_line(program, "-dumpfullversion") or _first_line(program, "-dumpversion")
    # GCC repeats the bare name of a library that it does not find.
    libc = _first_line(program, "-print-file-name=libc.a")
    return Gcc(path=path, version=version, has_libc=os.path.isabs(libc))


def zig_version() -> str | None:
    """The version of Zig from PyPI; None where it is not installed."""
    if importlib.util.find_spec("ziglang") is None:
        return None
    return importlib.metadata.version("ziglang")


def platform_version(name: str) -> str | None:
    """The version of a platform that PlatformIO has downloaded; None for none.

    Args:
        name: as in platformio.ini, without version: "nordicnrf52", or the URL of an archive.
    """
    name = name.rpartition("/")[2].removesuffix(".zip").removeprefix("platform-")
    for folder in sorted((core_folder() / "platforms").glob("*")):
        try:
            facts = json.loads((folder / "platform.json").read_text(encoding="utf-8"))
            if facts["name"] == name:
                return str(facts["version"])
        except (OSError, ValueError, KeyError, TypeError):
            # A download that broke off is as good as none.
            continue
    return None


def core_folder() -> Path:
    """Where PlatformIO keeps what it downloads."""
    return Path(os.environ.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio")


def registry_error() -> str:
    """Why PlatformIO's registry cannot be reached; "" where it can.

    A proxy is tried in the registry's place where HTTPS_PROXY names one.
    """
    from urllib.parse import urlsplit

    import platformio

    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    hosts = [(host, 443) for host in platformio.__registry_mirror_hosts__]
    if proxy:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        hosts = [(parts.hostname or "", parts.port or 3128)]
    reason = ""
    for host, port in hosts:
        try:
            with socket.create_connection((host, port), timeout=_CONNECT_S):
                return ""
        except OSError as error:
            reason = f"{host}: {error}"
    return reason


def _first_line(program: str, option: str) -> str:
    return answer_of(program, option).strip().partition("\n")[0]
