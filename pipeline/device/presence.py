"""Which emulators this computer has, and who may use its ports: facts for `espalier doctor`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.device.answer import answer_of
from pipeline.device.qemu import MACHINES, PROGRAM
from pipeline.paths import udev_rules_path

# Where Linux distributions and their users keep the rules for devices.
_RULE_FOLDERS = (
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
)
# Groups that own serial ports: Debian's and Fedora's, then Arch's.
_PORT_GROUPS = ("dialout", "uucp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Qemu:
    """A QEMU on PATH.

    Attributes:
        path: of the program.
        version: as it says; "" where it does not answer.
        lacks: machines that boards need and this version does not have: it is too old.
    """

    path: str
    version: str
    lacks: tuple[str, ...]


def find_qemu() -> Qemu | None:
    """QEMU on PATH, asked what it can do; None where there is none."""
    path = shutil.which(PROGRAM)
    if path is None:
        return None
    version = re.search(r"version (\S+)", answer_of(PROGRAM, "--version"))
    machines = {line.split()[0] for line in answer_of(PROGRAM, "-M", "help").splitlines() if line}
    lacks = tuple(sorted(set(MACHINES.values()) - machines))
    return Qemu(path=path, version=version[1] if version else "", lacks=lacks)


def unicorn_version() -> str | None:
    """The version of Unicorn from PyPI; None where it is not installed."""
    if importlib.util.find_spec("unicorn") is None:
        return None
    return importlib.metadata.version("unicorn")


def installed_rules() -> Path | None:
    """The file by which udev lets users at the boards; None where there is none."""
    name = udev_rules_path().name
    return next((path for folder in _RULE_FOLDERS if (path := Path(folder) / name).is_file()), None)


def port_group() -> tuple[str, bool] | None:
    """The group that owns serial ports, and whether this process is in it; None without one."""
    import grp

    for name in _PORT_GROUPS:
        try:
            number = grp.getgrnam(name).gr_gid
        except KeyError:
            continue
        return name, os.geteuid() == 0 or number in (*os.getgroups(), os.getegid())
    return None
